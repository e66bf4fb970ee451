using DurableTask.Core.Exceptions;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>Announcements that follow from a committed transaction.</summary>
internal sealed class CommitEffects
{
    public bool OrchestrationsReady { get; set; }

    public bool ActivitiesWaiting { get; set; }

    /// <summary>Instances claimed for this process.</summary>
    public List<KeptTurn> Kept { get; } = [];

    /// <summary>The database's clock, UTC.</summary>
    public DateTime Now { get; set; }

    /// <summary>The earliest time at which some instance has something to do, UTC.</summary>
    public DateTime? ReadyAt { get; private set; }

    /// <summary>Instances that began or finished.</summary>
    public HashSet<string> Changed { get; } = new(StringComparer.Ordinal);

    public void AddReady(DateTime at) => ReadyAt = ReadyAt is null || at < ReadyAt ? at : ReadyAt;

    public bool IsEmpty => !OrchestrationsReady && !ActivitiesWaiting && Changed.Count == 0;
}

/// <summary>Writes any number of items in one transaction with two round trips: lock and check, then write.</summary>
/// <remarks>
/// Rows of <c>dispatch</c> are locked first and in one order, so transactions wait for each other and never deadlock. The
/// statements that follow have newer snapshots than the lock; therefore a turn that computes when its instance is next
/// ready sees every message whose sender had the lock before. A claim holds while its row still names its owner, fence
/// and execution: a process that was away too long finds another owner and is refused.
/// </remarks>
internal sealed class CommitTransaction(NpgsqlDataSource source, string channel)
{
    /// <param name="items">What to write.</param>
    /// <param name="keeper">Claims what becomes ready; null: nothing is claimed.</param>
    /// <param name="cancellationToken">Cancels the transaction.</param>
    public async Task<CommitEffects> WriteAsync(IReadOnlyList<CommitItem> items, ITurnKeeper? keeper, CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        var locked = await LockAsync(connection, items, keeper?.WorkerId ?? 0, cancellationToken).ConfigureAwait(false);
        var rows = new CommitRows(locked);
        foreach (var item in items)
        {
            item.Outcome = CommitOutcome.Committed;
            item.Error = null;
            Collect(item, locked, rows);
        }

        var kept = locked.Worker is { } worker ? rows.Keep(worker, keeper!.Reserve) : 0;
        try
        {
            await rows.WriteAsync(connection, channel, cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            return rows.Effects;
        }
        catch
        {
            keeper?.Unreserve(kept);
            throw;
        }
    }

    private static async Task<LockedRows> LockAsync(
        NpgsqlConnection connection, IReadOnlyList<CommitItem> items, int worker, CancellationToken cancellationToken)
    {
        var instances = new HashSet<string>(StringComparer.Ordinal);
        var starting = new HashSet<string>(StringComparer.Ordinal);
        var activities = new List<long>();
        var terminating = new List<string>();
        foreach (var item in items)
        {
            switch (item)
            {
                case TurnCommit turn:
                    instances.Add(turn.Claim.InstanceId);
                    instances.UnionWith(turn.Messages.Select(m => m.InstanceId));
                    starting.UnionWith(turn.Started.Select(s => s.InstanceId));
                    if (turn.TerminatesChildren)
                    {
                        terminating.Add(turn.Claim.InstanceId);
                    }

                    break;
                case ActivityCommit activity:
                    instances.Add(activity.Result.InstanceId);
                    activities.Add(activity.Claim.ActivityId);
                    break;
                case StartCommit start:
                    starting.Add(start.Instance.InstanceId);
                    break;
                case MessageCommit message:
                    instances.Add(message.Message.InstanceId);
                    break;
            }
        }

        instances.UnionWith(starting);
        var locked = new LockedRows();
        if (terminating.Count > 0)
        {
            // The parents are claimed, so no child can be added; those found are locked with all the others below.
            await locked.ReadChildrenAsync(connection, terminating, cancellationToken).ConfigureAwait(false);
            instances.UnionWith(locked.Children.Values.SelectMany(c => c));
        }

        await locked.LockAsync(connection, worker, [.. instances], [.. starting], [.. activities], cancellationToken).ConfigureAwait(false);
        return locked;
    }

    private static void Collect(CommitItem item, LockedRows locked, CommitRows rows)
    {
        switch (item)
        {
            case TurnCommit turn:
                CollectTurn(turn, locked, rows);
                break;
            case ActivityCommit activity when locked.Activities.GetValueOrDefault(activity.Claim.ActivityId) == activity.Claim.Owner:
                rows.RemoveActivity(activity.Claim.ActivityId);
                rows.AddMessage(activity.Result);
                break;
            case ActivityCommit activity:
                activity.Outcome = CommitOutcome.Refused;
                break;
            case StartCommit start:
                CollectStart(start, locked, rows);
                break;
            case MessageCommit message:
                rows.AddMessage(message.Message);
                break;
        }
    }

    private static void CollectTurn(TurnCommit turn, LockedRows locked, CommitRows rows)
    {
        var claim = turn.Claim;
        if (!locked.Dispatch.TryGetValue(claim.InstanceId, out var row)
            || row.Owner != claim.Owner || row.Fence != claim.Fence || row.ExecutionId != claim.ExecutionId)
        {
            turn.Outcome = CommitOutcome.Refused;
            return;
        }

        rows.AddTurn(turn);

        // First the new instances: a message of the same turn may be for one of them.
        foreach (var started in turn.Started)
        {
            if (locked.TryTake(started, Active))
            {
                rows.AddInstance(started, turn.Time);
            }
            else if (started.Parent is { } parent)
            {
                rows.AddMessage(new InboxMessage(claim.InstanceId, EventType.SubOrchestrationInstanceFailed)
                {
                    ExecutionId = claim.ExecutionId,
                    TaskId = parent.TaskId,
                    Failure = new StoredFailure(
                        typeof(OrchestrationAlreadyExistsException).FullName!,
                        $"An orchestration instance with the id '{started.InstanceId}' already exists and is not finished.",
                        null,
                        null),
                });
            }
        }

        foreach (var message in turn.Messages)
        {
            rows.AddMessage(message);
        }

        foreach (var child in locked.Children.GetValueOrDefault(claim.InstanceId) ?? [])
        {
            rows.AddMessage(new InboxMessage(child, EventType.ExecutionTerminated)
            {
                Name = "The calling orchestration was terminated.",
                Data = turn.Change?.Output,
                Recursive = true,
            });
        }
    }

    private static void CollectStart(StartCommit start, LockedRows locked, CommitRows rows)
    {
        if (locked.Existing.TryGetValue(start.Instance.InstanceId, out var existing) && existing.ExecutionId == start.Instance.ExecutionId)
        {
            return; // An earlier attempt whose answer was lost has written it.
        }

        if (locked.TryTake(start.Instance, start.Refusing))
        {
            rows.AddInstance(start.Instance, locked.Now);
        }
        else
        {
            start.Error = new OrchestrationAlreadyExistsException(
                $"An orchestration instance with the id '{start.Instance.InstanceId}' already exists in the status "
                + $"{locked.Existing[start.Instance.InstanceId].Status}.");
        }
    }

    private static readonly HashSet<OrchestrationRuntimeStatus> Active =
        [OrchestrationRuntimeStatus.Pending, OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Suspended];

    internal static NpgsqlParameter Array<T>(T[] values, NpgsqlDbType type) => new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | type };
}
