using Backup.Standalone.Durable.Store;

namespace Backup.Standalone.Durable.Workers;

/// <summary>Samples the queues for the metrics, seldom enough to cost nothing.</summary>
internal sealed class QueueSampler(DurableDatabase database, DurableMetrics metrics, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                await SampleAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }
    }

    private async Task SampleAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.Relaxed.CreateCommand("""
                SELECT (SELECT count(*) FROM dispatch WHERE owner IS NULL AND ready_at <= statement_timestamp()),
                       (SELECT count(*) FROM activities WHERE owner IS NULL),
                       coalesce(extract(epoch FROM statement_timestamp() - least(
                           (SELECT min(ready_at) FROM dispatch WHERE owner IS NULL AND ready_at <= statement_timestamp()),
                           (SELECT min(enqueued_at) FROM activities WHERE owner IS NULL))), 0)::float8
                """);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            metrics.SetQueues(reader.GetInt64(0), reader.GetInt64(1), reader.GetDouble(2));
        }
        catch (Exception exception) when (DurableDatabase.IsTransient(exception))
        {
            // A sample is missed; the worker's own loops report that the database is away.
            metrics.SetQueues(0, 0, 0);
        }
    }
}
