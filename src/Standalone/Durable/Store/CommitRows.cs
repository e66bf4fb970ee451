using Backup.Standalone.Durable.Entities;
using DurableTask.Core.History;
using Microsoft.DurableTask.Entities;
using Npgsql;

namespace Backup.Standalone.Durable.Store;

/// <summary>The rows a commit transaction writes, gathered over its items and sent as one batch of set statements.</summary>
internal sealed partial class CommitRows(LockedRows locked)
{
    private readonly List<(string Instance, int Seq, HistoryRecord Record)> _history = [];
    private readonly List<InboxMessage> _messages = [];
    private readonly List<(TurnCommit? Turn, ActivityCall Call)> _activities = [];
    private readonly List<InstanceRecord> _instances = [];
    private readonly List<TurnCommit> _turns = [];
    private readonly List<long> _consumed = [];
    private readonly List<long> _doneActivities = [];
    private readonly List<string> _resetHistory = [];
    private readonly List<(string Instance, int Task)> _cancelledTimers = [];
    private readonly HashSet<string> _finished = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTime> _ready = new(StringComparer.Ordinal);
    private readonly HashSet<string> _started = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, EntityInstanceId> _newEntities = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KeptClaim> _kept = new(StringComparer.Ordinal);
    private bool _readsReadiness;

    public CommitEffects Effects { get; } = new();

    public void AddTurn(TurnCommit turn)
    {
        var instance = turn.Claim.InstanceId;
        _turns.Add(turn);
        _consumed.AddRange(turn.Consumed);
        if (turn.Next is not null)
        {
            // Entities keep no history.
            if (!EntityIds.IsEntity(instance))
            {
                _resetHistory.Add(instance);
            }
        }
        else
        {
            var seq = turn.HistoryLength;
            _history.AddRange(turn.Appended.Select(record => (instance, seq++, record)));
        }

        _activities.AddRange(turn.Activities.Select(call => ((TurnCommit?)turn, call)));
        _cancelledTimers.AddRange(turn.CancelledTimers.Select(task => (instance, task)));
        if (turn.IsFinishing)
        {
            _finished.Add(instance);
        }

        if (turn.Change is not null && (turn.IsFinishing || turn.HistoryLength == 0) && !EntityIds.IsEntity(instance))
        {
            Effects.Changed.Add(instance);
        }
    }

    /// <summary>Adds a message unless its instance is unknown or finished; an entity comes into being by being sent one.</summary>
    public void AddMessage(InboxMessage message)
    {
        if (!locked.Dispatch.TryGetValue(message.InstanceId, out var row) && !_started.Contains(message.InstanceId))
        {
            if (!EntityIds.IsEntity(message.InstanceId) || message.Kind != EventType.EventRaised)
            {
                return;
            }

            _newEntities[message.InstanceId] = EntityInstanceId.FromString(message.InstanceId);
        }

        var visible = message.VisibleAt ?? locked.Now;
        _messages.Add(message with { VisibleAt = visible });

        // While somebody owns the instance, the end of his turn finds the message: his commit comes after this one.
        if (row.Owner is null)
        {
            _ready[message.InstanceId] = _ready.TryGetValue(message.InstanceId, out var other) && other < visible ? other : visible;
        }
    }

    public void AddInstance(InstanceRecord instance, DateTime time)
    {
        _started.Add(instance.InstanceId);
        _instances.Add(instance with { CreatedAt = time, UpdatedAt = time });
        _ready[instance.InstanceId] = instance.StartAt ?? locked.Now;
    }

    /// <summary>Claims as many as may be claimed of the instances that now have something to do.</summary>
    /// <remarks>
    /// Only those whose inbox held nothing to be seen before: then everything their turn has to take in is in this transaction.
    /// </remarks>
    /// <returns>How many were claimed.</returns>
    public int Keep(int worker, Func<int, int> reserve)
    {
        var busy = _turns.Select(t => t.Claim.InstanceId).ToHashSet(StringComparer.Ordinal);
        var started = _instances.ToDictionary(i => i.InstanceId, StringComparer.Ordinal);
        var candidates = _ready.Where(r => r.Value <= locked.Now && !busy.Contains(r.Key) && !_newEntities.ContainsKey(r.Key)
            && (locked.Dispatch.TryGetValue(r.Key, out var row)
                ? !started.ContainsKey(r.Key) && (row.ReadyAt is null || row.ReadyAt > locked.Now)
                : started.ContainsKey(r.Key))).Select(r => r.Key).ToList();
        var granted = candidates.Count == 0 ? 0 : reserve(candidates.Count);
        foreach (var id in candidates.Take(granted))
        {
            var row = locked.Dispatch.GetValueOrDefault(id);
            var instance = started.GetValueOrDefault(id);
            _kept[id] = new KeptClaim(new TurnClaim(id, instance?.ExecutionId ?? row.ExecutionId, worker, row.Fence + 1, row.Attempts + 1), instance);
            _ready.Remove(id);
        }

        return granted;
    }

    public void RemoveActivity(long activityId) => _doneActivities.Add(activityId);

    public async Task WriteAsync(NpgsqlConnection connection, string channel, CancellationToken cancellationToken)
    {
        Effects.Now = locked.Now;
        foreach (var ready in _ready.Values)
        {
            Effects.AddReady(ready);
            Effects.OrchestrationsReady |= ready <= locked.Now;
        }

        await using var batch = new NpgsqlBatch(connection);
        AddDeletes(batch);
        AddInstances(batch);
        AddEntities(batch);
        AddHistory(batch);
        var activityResult = AddActivities(batch);
        AddInbox(batch);
        AddInstanceChanges(batch);
        AddDispatch(batch);
        AddNotification(batch, channel);
        if (batch.BatchCommands.Count == 0)
        {
            return;
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        if (activityResult)
        {
            await ReadKeptAsync(reader, cancellationToken).ConfigureAwait(false);
        }

        var read = activityResult;
        if (_messages.Count > 0)
        {
            await ReadMessageIdsAsync(reader, moveFirst: read, cancellationToken).ConfigureAwait(false);
            read = true;
        }

        if (_readsReadiness)
        {
            await ReadReadinessAsync(reader, moveFirst: read, cancellationToken).ConfigureAwait(false);
        }

        Effects.Kept.AddRange(_kept.Values.Select(k => new KeptTurn(k.Claim, k.Started, k.Messages)));
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
        {
            // Reads every statement's outcome, so that an error in any of them is thrown here.
        }
    }

    private async Task ReadMessageIdsAsync(NpgsqlDataReader reader, bool moveFirst, CancellationToken cancellationToken)
    {
        if (moveFirst)
        {
            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        }

        var messages = new Dictionary<string, List<InboxMessage>>(StringComparer.Ordinal);
        foreach (var message in _messages)
        {
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (_kept.ContainsKey(message.InstanceId) && message.VisibleAt <= locked.Now)
            {
                if (!messages.TryGetValue(message.InstanceId, out var list))
                {
                    messages[message.InstanceId] = list = [];
                }

                list.Add(message with { MessageId = reader.GetInt64(0) });
            }
        }

        foreach (var (id, list) in messages)
        {
            _kept[id] = _kept[id] with { Messages = list };
        }
    }

    private async Task ReadReadinessAsync(NpgsqlDataReader reader, bool moveFirst, CancellationToken cancellationToken)
    {
        if (moveFirst)
        {
            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        }

        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!reader.IsDBNull(0))
            {
                Effects.AddReady(reader.GetDateTime(0));
            }
        }
    }

    private async Task ReadKeptAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        foreach (var turn in _turns)
        {
            turn.Kept.Clear();
        }

        foreach (var (turn, call) in _activities)
        {
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (turn!.Kept.Count < turn.ActivitiesToKeep)
            {
                turn.Kept.Add(new ActivityClaim(reader.GetInt64(0), turn.Claim.Owner, 1, call));
            }
        }
    }

    private sealed record KeptClaim(TurnClaim Claim, InstanceRecord? Started)
    {
        public IReadOnlyList<InboxMessage> Messages { get; init; } = [];
    }
}
