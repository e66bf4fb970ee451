using Backup.Standalone.Durable.Store;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Workers;

/// <summary>
/// This process's right to work: a row that is renewed while the process lives, and an advisory lock that PostgreSQL drops
/// as soon as the process's connection breaks.
/// </summary>
/// <remarks>
/// A worker is taken for dead when its lease has run out, or when it is a while late and its lock is free, which a killed
/// process is noticed by at once. Its sessions are ended, its work goes back to the queue, and since the id is gone, nothing it
/// still tries to write is accepted. A process that finds its own row gone takes a new id.
/// </remarks>
internal sealed class WorkerLease : IAsyncDisposable
{
    private static readonly TimeSpan RenewIntervalMax = TimeSpan.FromSeconds(2);

    private readonly DurableDatabase _database;
    private readonly TimeSpan _lease;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Action _tookOver;
    private readonly Func<CancellationToken, Task> _renewed;
    private NpgsqlConnection? _connection;
    private Task? _renewing;
    private volatile int _workerId;

    public WorkerLease(DurableDatabase database, DurableStorageOptions options, TimeProvider time, ILogger logger, Func<CancellationToken, Task> renewed, Action tookOver)
    {
        _database = database;
        _lease = options.Lease < TimeSpan.FromSeconds(2) ? TimeSpan.FromSeconds(2) : options.Lease;
        _time = time;
        _logger = logger;
        _tookOver = tookOver;
        _renewed = renewed;
    }

    /// <summary>The id under which work is claimed.</summary>
    public int WorkerId => _workerId;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await RenewAsync(cancellationToken).ConfigureAwait(false);
        _renewing = Task.Run(RenewUntilStoppedAsync, CancellationToken.None);
    }

    /// <summary>Gives the lease up with everything still claimed under it, so that others need not wait for it to run out.</summary>
    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        await StopRenewingAsync().ConfigureAwait(false);
        await using var batch = _database.Durable.CreateBatch();
        foreach (var sql in new[]
        {
            "DELETE FROM workers WHERE worker_id = $1",
            "UPDATE dispatch SET owner = NULL, ready_at = clock_timestamp() WHERE owner = $1",
            "UPDATE activities SET owner = NULL WHERE owner = $1",
        })
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(sql) { Parameters = { new NpgsqlParameter { Value = _workerId } } });
        }

        await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopRenewingAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task StopRenewingAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_renewing is not null)
        {
            await _renewing.ConfigureAwait(false);
        }

        if (_connection is not null)
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
            _connection = null;
        }
    }

    private async Task RenewUntilStoppedAsync()
    {
        var interval = _lease / 4 < RenewIntervalMax ? _lease / 4 : RenewIntervalMax;
        using var timer = new PeriodicTimer(interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                try
                {
                    await RenewAsync(_stopping.Token).ConfigureAwait(false);
                    await TakeOverAsync(_stopping.Token).ConfigureAwait(false);
                    await _renewed(_stopping.Token).ConfigureAwait(false);
                }
                catch (Exception exception) when (DurableDatabase.IsTransient(exception))
                {
                    // The lease runs on meanwhile; if it runs out, the fence keeps this process's writes out.
                    StoreLog.LeaseNotRenewed(_logger, exception.Message);
                    await DropConnectionAsync().ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return;
        }
    }

    private async Task DropConnectionAsync()
    {
        if (_connection is not null)
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
            _connection = null;
        }
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        await _database.FaultAsync("before renewal").ConfigureAwait(false);
        var renewed = false;
        if (_connection is null)
        {
            _connection = await _database.Relaxed.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            renewed = true;
        }

        if (_workerId != 0)
        {
            await using var command = new NpgsqlCommand(
                "UPDATE workers SET lease_until = clock_timestamp() + $2, renewed_at = clock_timestamp() WHERE worker_id = $1", _connection);
            command.Parameters.Add(new NpgsqlParameter { Value = _workerId });
            command.Parameters.Add(new NpgsqlParameter { Value = _lease, NpgsqlDbType = NpgsqlDbType.Interval });
            if (await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) == 1)
            {
                if (renewed)
                {
                    await LockAsync(_workerId, cancellationToken).ConfigureAwait(false);
                }

                return;
            }

            StoreLog.LeaseLost(_logger, _workerId);
        }

        await RegisterAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "INSERT INTO workers (host, lease_until, renewed_at) VALUES ($1, clock_timestamp() + $2, clock_timestamp()) RETURNING worker_id",
            _connection);
        command.Parameters.Add(new NpgsqlParameter { Value = $"{Environment.MachineName}/{Environment.ProcessId}/{_database.ProcessToken}" });
        command.Parameters.Add(new NpgsqlParameter { Value = _lease, NpgsqlDbType = NpgsqlDbType.Interval });
        var id = (int)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        await LockAsync(id, cancellationToken).ConfigureAwait(false);
        _workerId = id;
        StoreLog.WorkerRegistered(_logger, id, _database.Schema);
    }

    private async Task LockAsync(int workerId, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock(hashtext(current_schema()), $1)", _connection);
        command.Parameters.Add(new NpgsqlParameter { Value = workerId });
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task TakeOverAsync(CancellationToken cancellationToken)
    {
        var dead = new List<int>();
        await using (var command = new NpgsqlCommand(
            """
            SELECT worker_id FROM workers w
            WHERE worker_id <> $1 AND (lease_until < clock_timestamp() OR (renewed_at < clock_timestamp() - $2::interval AND NOT EXISTS (
                SELECT 1 FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND l.classid = hashtext(current_schema())::oid AND l.objid = w.worker_id::oid AND l.objsubid = 2)))
            """,
            _connection))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = _workerId });
            command.Parameters.Add(new NpgsqlParameter { Value = TimeSpan.FromSeconds(1), NpgsqlDbType = NpgsqlDbType.Interval });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                dead.Add(reader.GetInt32(0));
            }
        }

        if (dead.Count > 0)
        {
            await TakeOverAsync(dead, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task TakeOverAsync(List<int> dead, CancellationToken cancellationToken)
    {
        await using var connection = await _database.Durable.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await EndSessionsAsync(connection, dead, cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);

        // The worker's row goes first: a claim holds a lock on it, so none can slip in behind these updates. The other locks
        // are taken in the order every transaction uses. A spurious turn is harmless, so everything becomes ready.
        await ExecuteAsync(connection, "DELETE FROM workers WHERE worker_id = ANY($1)", dead, cancellationToken).ConfigureAwait(false);
        var turns = await ExecuteAsync(connection, """
            UPDATE dispatch d SET owner = NULL, ready_at = clock_timestamp()
            FROM (SELECT instance_id FROM dispatch WHERE owner = ANY($1) ORDER BY instance_id FOR UPDATE) o
            WHERE d.instance_id = o.instance_id
            """, dead, cancellationToken).ConfigureAwait(false);
        var activities = await ExecuteAsync(connection, """
            UPDATE activities a SET owner = NULL
            FROM (SELECT activity_id FROM activities WHERE owner = ANY($1) ORDER BY activity_id FOR UPDATE) o
            WHERE a.activity_id = o.activity_id
            """, dead, cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        StoreLog.TakenOver(_logger, turns, activities, string.Join(", ", dead));
        _tookOver();
    }

    // A stopped process keeps the row locks of the transactions it was in, and its work could not be taken over before they end.
    private static async Task EndSessionsAsync(NpgsqlConnection connection, List<int> dead, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN workers w ON a.application_name = $2 || split_part(w.host, '/', 3)
            WHERE w.worker_id = ANY($1) AND a.usename = current_user AND split_part(w.host, '/', 3) <> ''
            """,
            connection);
        command.Parameters.Add(CommitTransaction.Array(dead.ToArray(), NpgsqlDbType.Integer));
        command.Parameters.Add(new NpgsqlParameter { Value = DurableDatabase.SessionPrefix });
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, List<int> dead, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // The texts are the constants above.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        command.Parameters.Add(CommitTransaction.Array(dead.ToArray(), NpgsqlDbType.Integer));
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }
}
