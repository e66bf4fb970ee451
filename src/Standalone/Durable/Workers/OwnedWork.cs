using System.Collections.Concurrent;
using Backup.Standalone.Durable.Store;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Workers;

/// <summary>
/// What this process knows to have claimed. When a connection breaks at the wrong moment, the database may hold claims of
/// this process whose answer never arrived; nobody would work on them as long as the process lives. So after any doubt
/// the two are compared, and what only the database knows of goes back to the queue.
/// </summary>
internal sealed class OwnedWork : IDisposable
{
    private readonly ConcurrentDictionary<(string Instance, long Fence), bool> _turns = new();
    private readonly ConcurrentDictionary<long, bool> _activities = new();
    private readonly SemaphoreSlim _claiming = new(1, 1);
    private volatile bool _doubtful;

    /// <summary>Whether an answer of the database was lost since the last comparison.</summary>
    public bool IsDoubtful => _doubtful;

    public void Doubt() => _doubtful = true;

    public void Add(TurnClaim claim) => _turns[(claim.InstanceId, claim.Fence)] = true;

    public void Remove(TurnClaim claim) => _turns.TryRemove((claim.InstanceId, claim.Fence), out _);

    public void Add(ActivityClaim claim) => _activities[claim.ActivityId] = true;

    public void Remove(ActivityClaim claim) => _activities.TryRemove(claim.ActivityId, out _);

    /// <summary>Claims and makes the claims known, with no comparison in between.</summary>
    public async Task<T> ClaimAsync<T>(Func<Task<T>> claim, Action<T> known)
    {
        await _claiming.WaitAsync().ConfigureAwait(false);
        try
        {
            var claimed = await claim().ConfigureAwait(false);
            known(claimed);
            return claimed;
        }
        catch
        {
            _doubtful = true;
            throw;
        }
        finally
        {
            _claiming.Release();
        }
    }

    /// <summary>Compares. To be run while no commit is under way, since commits claim activities, too.</summary>
    /// <returns>How many claims nobody knew of.</returns>
    public async Task<int> ReconcileAsync(DurableDatabase database, int workerId, CancellationToken cancellationToken)
    {
        await _claiming.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _doubtful = false;
            var turns = _turns.Keys.ToArray();
            await using var batch = database.Durable.CreateBatch();
            batch.BatchCommands.Add(new NpgsqlBatchCommand("""
                UPDATE dispatch d SET owner = NULL, ready_at = clock_timestamp() WHERE owner = $1 AND NOT EXISTS (
                    SELECT 1 FROM unnest($2::text[], $3::bigint[]) AS t (instance_id, fence)
                    WHERE t.instance_id = d.instance_id AND t.fence = d.fence)
                """)
            {
                Parameters =
                {
                    new NpgsqlParameter { Value = workerId },
                    CommitTransaction.Array(turns.Select(k => k.Instance).ToArray(), NpgsqlDbType.Text),
                    CommitTransaction.Array(turns.Select(k => k.Fence).ToArray(), NpgsqlDbType.Bigint),
                },
            });
            batch.BatchCommands.Add(new NpgsqlBatchCommand("UPDATE activities SET owner = NULL WHERE owner = $1 AND activity_id <> ALL($2)")
            {
                Parameters =
                {
                    new NpgsqlParameter { Value = workerId },
                    CommitTransaction.Array(_activities.Keys.ToArray(), NpgsqlDbType.Bigint),
                },
            });
            return await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _doubtful = true;
            throw;
        }
        finally
        {
            _claiming.Release();
        }
    }

    public void Dispose() => _claiming.Dispose();
}
