using Backup.Standalone.Durable.Store;

namespace Backup.Standalone.Durable.Workers;

/// <summary>
/// The histories of instances this process worked on last, so that the next turn need not read them again. An entry counts
/// only if the fence says that nobody else has had the instance since.
/// </summary>
internal sealed class StateCache
{
    private const int InstancesMax = 2_000;
    private const int EventsMax = 400_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = [];
    private int _events;

    /// <summary>Takes the state a claim is known to have; null: it has to be read.</summary>
    public (InstanceRecord Instance, IReadOnlyList<HistoryRecord> History)? Take(TurnClaim claim)
    {
        lock (_lock)
        {
            if (!_entries.Remove(claim.InstanceId, out var node))
            {
                return null;
            }

            _byUse.Remove(node);
            _events -= node.Value.History.Count;
            var entry = node.Value;
            return entry.Fence + 1 == claim.Fence && entry.Instance.ExecutionId == claim.ExecutionId
                ? (entry.Instance, entry.History)
                : null;
        }
    }

    /// <summary>Keeps what a committed turn has left.</summary>
    public void Keep(TurnWork work, TurnCommit commit)
    {
        if (commit.IsFinishing)
        {
            return;
        }

        var instance = work.Instance;
        List<HistoryRecord> history;
        if (commit.Next is { } next)
        {
            history = [];
            instance = instance with { ExecutionId = next.ExecutionId, Input = next.Input, Version = next.Version, Carried = next.Carried };
        }
        else
        {
            // The list belongs to whoever holds the claim, so it can grow in place.
            history = work.History as List<HistoryRecord> ?? [.. work.History];
            history.AddRange(commit.Appended);
        }

        if (commit.Change is { } change)
        {
            instance = instance with { Status = change.Status, CustomStatus = change.CustomStatus, UpdatedAt = commit.Time };
        }

        lock (_lock)
        {
            var node = _byUse.AddLast(new Entry(instance, history, commit.Claim.Fence));
            if (_entries.Remove(instance.InstanceId, out var old))
            {
                _byUse.Remove(old);
                _events -= old.Value.History.Count;
            }

            _entries[instance.InstanceId] = node;
            _events += history.Count;
            while (_byUse.First is { } first && (_byUse.Count > InstancesMax || (_events > EventsMax && _byUse.Count > 1)))
            {
                _byUse.RemoveFirst();
                _entries.Remove(first.Value.Instance.InstanceId);
                _events -= first.Value.History.Count;
            }
        }
    }

    private sealed record Entry(InstanceRecord Instance, List<HistoryRecord> History, long Fence);
}
