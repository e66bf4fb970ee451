using Backup.Standalone.Durable.Store;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Workers;

/// <summary>Looks for work until it is stopped, and waits for a database that is away.</summary>
/// <param name="hub">Says how often it looks by itself.</param>
/// <param name="claim">
/// Claims what is ready. Null: look again at once; otherwise when the next is ready (UTC), at the latest at the end of time.
/// </param>
/// <param name="signal">Wakes the loop earlier.</param>
/// <param name="time">Paces tries while the database is away.</param>
/// <param name="logger">Hears of the first failure in a row.</param>
internal sealed class ClaimLoop(DurableHub hub, Func<Task<DateTime?>> claim, WakeSignal signal, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan RetryWait = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _stopping = new();
    private Task? _running;

    public void Start() => _running = Task.Run(RunAsync);

    /// <summary>Stops it; what was claimed goes on.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_running is not null)
        {
            await _running.ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var next = await claim().ConfigureAwait(false);
                failures = 0;
                if (next is { } until)
                {
                    await signal.WaitAsync(hub.PollInterval, until, _stopping.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (DurableDatabase.IsTransient(exception))
            {
                if (failures++ == 0)
                {
                    StoreLog.ClaimFailed(logger, exception.Message);
                }

                await Task.Delay(RetryWait, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
