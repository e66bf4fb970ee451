using System.Text.Json;
using Backup.Standalone.Durable.Entities;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Entities;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>The rows a commit transaction writes, gathered over its items and sent as one batch of set statements.</summary>
internal sealed class CommitRows(LockedRows locked)
{
    private const int NotifyPayloadBytesMax = 7_000;

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
            _resetHistory.Add(instance);
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

    private static void Add(NpgsqlBatch batch, string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
    }

    private static NpgsqlParameter Texts(IEnumerable<string?> values) => CommitTransaction.Array(values.ToArray(), NpgsqlDbType.Text);

    private static NpgsqlParameter Ints(IEnumerable<int> values) => CommitTransaction.Array(values.ToArray(), NpgsqlDbType.Integer);

    private static NpgsqlParameter Times(IEnumerable<DateTime?> values) => CommitTransaction.Array(values.ToArray(), NpgsqlDbType.TimestampTz);

    private static NpgsqlParameter Uuids(IEnumerable<Guid?> values) => CommitTransaction.Array(values.ToArray(), NpgsqlDbType.Uuid);

    private static NpgsqlParameter Shorts(IEnumerable<int> values) =>
        CommitTransaction.Array(values.Select(v => (short)v).ToArray(), NpgsqlDbType.Smallint);

    private static string? Json(IReadOnlyDictionary<string, string>? tags) =>
        tags is null || tags.Count == 0 ? null : JsonSerializer.Serialize(tags, StoredJson.Default.IReadOnlyDictionaryStringString);

    private static string? Json(IReadOnlyList<CarriedEvent> events) =>
        events.Count == 0 ? null : JsonSerializer.Serialize(events, StoredJson.Default.IReadOnlyListCarriedEvent);

    private void AddDeletes(NpgsqlBatch batch)
    {
        if (_consumed.Count > 0)
        {
            Add(batch, "DELETE FROM inbox WHERE message_id = ANY($1)", CommitTransaction.Array(_consumed.ToArray(), NpgsqlDbType.Bigint));
        }

        if (_doneActivities.Count > 0)
        {
            Add(batch, "DELETE FROM activities WHERE activity_id = ANY($1)",
                CommitTransaction.Array(_doneActivities.ToArray(), NpgsqlDbType.Bigint));
        }

        if (_cancelledTimers.Count > 0)
        {
            Add(batch, $"""
                DELETE FROM inbox i USING unnest($1::text[], $2::int[]) AS t (instance_id, task_id)
                WHERE i.instance_id = t.instance_id AND i.task_id = t.task_id AND i.kind = {(int)EventType.TimerFired}
                """, Texts(_cancelledTimers.Select(t => t.Instance)), Ints(_cancelledTimers.Select(t => t.Task)));
        }

        if (_resetHistory.Count > 0)
        {
            // The timers of an execution die with it; its external events do not.
            var ids = _resetHistory.ToArray();
            Add(batch, "DELETE FROM history WHERE instance_id = ANY($1)", Texts(ids));
            Add(batch, $"DELETE FROM inbox WHERE instance_id = ANY($1) AND kind = {(int)EventType.TimerFired}", Texts(ids));
        }

        if (_instances.Count > 0)
        {
            // What an earlier instance of the same id left behind.
            var ids = _instances.Where(i => locked.Replaced.Contains(i.InstanceId)).Select(i => i.InstanceId).ToArray();
            if (ids.Length > 0)
            {
                Add(batch, "DELETE FROM history WHERE instance_id = ANY($1)", Texts(ids));
                Add(batch, "DELETE FROM inbox WHERE instance_id = ANY($1)", Texts(ids));
                Add(batch, "DELETE FROM instances WHERE instance_id = ANY($1)", Texts(ids));
            }
        }
    }

    private void AddInstances(NpgsqlBatch batch)
    {
        if (_instances.Count == 0)
        {
            return;
        }

        Add(batch, """
            INSERT INTO instances (instance_id, execution_id, name, version, status, input, tags, parent_id, parent_name,
                                   parent_execution, parent_task, start_at, created_at, updated_at)
            SELECT t.instance_id, t.execution_id, t.name, t.version, t.status, t.input, t.tags, t.parent_id, t.parent_name,
                   t.parent_execution, nullif(t.parent_task, -1), t.start_at, t.created_at, t.created_at
            FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[],
                        $10::uuid[], $11::int[], $12::timestamptz[], $13::timestamptz[])
                 AS t (instance_id, execution_id, name, version, status, input, tags, parent_id, parent_name,
                       parent_execution, parent_task, start_at, created_at)
            """,
            Texts(_instances.Select(i => i.InstanceId)),
            Uuids(_instances.Select(i => (Guid?)i.ExecutionId)),
            Texts(_instances.Select(i => i.Name)),
            Texts(_instances.Select(i => i.Version)),
            Shorts(_instances.Select(i => (int)i.Status)),
            Texts(_instances.Select(i => i.Input)),
            Texts(_instances.Select(i => Json(i.Tags))),
            Texts(_instances.Select(i => i.Parent?.InstanceId)),
            Texts(_instances.Select(i => i.Parent?.Name)),
            Uuids(_instances.Select(i => i.Parent?.ExecutionId)),
            Ints(_instances.Select(i => i.Parent?.TaskId ?? -1)),
            Times(_instances.Select(i => i.StartAt)),
            Times(_instances.Select(i => (DateTime?)i.CreatedAt)));
        Add(batch, """
            INSERT INTO dispatch AS d (instance_id, execution_id, ready_at, owner, fence, attempts)
            SELECT instance_id, execution_id, ready_at, owner, CASE WHEN owner IS NULL THEN 0 ELSE 1 END, CASE WHEN owner IS NULL THEN 0 ELSE 1 END
            FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::int[]) AS t (instance_id, execution_id, ready_at, owner)
            ON CONFLICT (instance_id) DO UPDATE
            SET execution_id = excluded.execution_id, ready_at = excluded.ready_at, owner = NULL, fence = d.fence + 1, attempts = 0
            """,
            Texts(_instances.Select(i => i.InstanceId)),
            Uuids(_instances.Select(i => (Guid?)i.ExecutionId)),
            Times(_instances.Select(i => (DateTime?)(i.StartAt ?? i.CreatedAt))),
            CommitTransaction.Array(
                _instances.Select(i => _kept.TryGetValue(i.InstanceId, out var kept) ? kept.Claim.Owner : (int?)null).ToArray(), NpgsqlDbType.Integer));
    }

    // Another transaction may make the same entity at the same time. Whichever comes second waits for the first one's rows,
    // takes them as they are, and by setting when the entity is ready makes sure that its message is seen.
    private void AddEntities(NpgsqlBatch batch)
    {
        if (_newEntities.Count == 0)
        {
            return;
        }

        Add(batch, """
            INSERT INTO instances (instance_id, execution_id, name, version, status, created_at, updated_at)
            SELECT t.instance_id, t.execution_id, t.name, '', $4, $5, $5 FROM unnest($1::text[], $2::uuid[], $3::text[]) AS t (instance_id, execution_id, name)
            ON CONFLICT (instance_id) DO NOTHING
            """,
            Texts(_newEntities.Keys),
            Uuids(_newEntities.Keys.Select(_ => (Guid?)Guid.NewGuid())),
            Texts(_newEntities.Values.Select(e => e.Name)),
            new NpgsqlParameter { Value = (short)OrchestrationRuntimeStatus.Running },
            new NpgsqlParameter { Value = locked.Now, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        Add(batch, """
            INSERT INTO dispatch (instance_id, execution_id, fence)
            SELECT instance_id, execution_id, 0 FROM instances WHERE instance_id = ANY($1) ORDER BY instance_id
            ON CONFLICT (instance_id) DO NOTHING
            """,
            Texts(_newEntities.Keys));
    }

    private void AddHistory(NpgsqlBatch batch)
    {
        if (_history.Count == 0)
        {
            return;
        }

        Add(batch, """
            INSERT INTO history (instance_id, seq, kind, event_id, task_id, at, name, version, data, failure, target, fire_at)
            SELECT * FROM unnest($1::text[], $2::int[], $3::smallint[], $4::int[], $5::int[], $6::timestamptz[], $7::text[], $8::text[],
                                 $9::text[], $10::text[], $11::text[], $12::timestamptz[])
            """,
            Texts(_history.Select(h => h.Instance)),
            Ints(_history.Select(h => h.Seq)),
            Shorts(_history.Select(h => (int)h.Record.Kind)),
            Ints(_history.Select(h => h.Record.EventId)),
            Ints(_history.Select(h => h.Record.TaskId)),
            Times(_history.Select(h => (DateTime?)h.Record.At)),
            Texts(_history.Select(h => h.Record.Name)),
            Texts(_history.Select(h => h.Record.Version)),
            Texts(_history.Select(h => h.Record.Data)),
            Texts(_history.Select(h => StoredFailure.Serialize(h.Record.Failure))),
            Texts(_history.Select(h => h.Record.Target)),
            Times(_history.Select(h => h.Record.FireAt)));
    }

    private bool AddActivities(NpgsqlBatch batch)
    {
        if (_activities.Count == 0)
        {
            return false;
        }

        var owners = new int?[_activities.Count];
        var keptOf = new Dictionary<TurnCommit, int>();
        for (var i = 0; i < owners.Length; i++)
        {
            var turn = _activities[i].Turn!;
            var kept = keptOf.GetValueOrDefault(turn);
            if (kept < turn.ActivitiesToKeep)
            {
                owners[i] = turn.Claim.Owner;
                keptOf[turn] = kept + 1;
            }
            else
            {
                Effects.ActivitiesWaiting = true;
            }
        }

        // The rows come back in the order they were given, which is how the claims kept here find their calls.
        batch.BatchCommands.Insert(0, ActivityInsert(owners));
        return true;
    }

    private NpgsqlBatchCommand ActivityInsert(int?[] owners)
    {
        var command = new NpgsqlBatchCommand("""
            INSERT INTO activities (instance_id, execution_id, task_id, name, version, input, tags, enqueued_at, owner, attempts)
            SELECT instance_id, execution_id, task_id, name, version, input, tags, $8, owner, CASE WHEN owner IS NULL THEN 0 ELSE 1 END
            FROM unnest($1::text[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $9::int[])
                 WITH ORDINALITY AS t (instance_id, execution_id, task_id, name, version, input, tags, owner, n)
            ORDER BY n
            RETURNING activity_id
            """);
        command.Parameters.Add(Texts(_activities.Select(a => a.Call.InstanceId)));
        command.Parameters.Add(Uuids(_activities.Select(a => (Guid?)a.Call.ExecutionId)));
        command.Parameters.Add(Ints(_activities.Select(a => a.Call.TaskId)));
        command.Parameters.Add(Texts(_activities.Select(a => a.Call.Name)));
        command.Parameters.Add(Texts(_activities.Select(a => a.Call.Version)));
        command.Parameters.Add(Texts(_activities.Select(a => a.Call.Input)));
        command.Parameters.Add(Texts(_activities.Select(a => Json(a.Call.Tags))));
        command.Parameters.Add(new NpgsqlParameter { Value = locked.Now, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(CommitTransaction.Array(owners, NpgsqlDbType.Integer));
        return command;
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

    private void AddInbox(NpgsqlBatch batch)
    {
        if (_messages.Count > 0)
        {
            Add(batch, """
                INSERT INTO inbox (instance_id, execution_id, kind, task_id, visible_at, name, data, failure, recursive)
                SELECT instance_id, execution_id, kind, task_id, visible_at, name, data, failure, recursive
                FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::int[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::bool[])
                     WITH ORDINALITY AS t (instance_id, execution_id, kind, task_id, visible_at, name, data, failure, recursive, n)
                ORDER BY n
                RETURNING message_id
                """,
                Texts(_messages.Select(m => m.InstanceId)),
                Uuids(_messages.Select(m => m.ExecutionId)),
                Shorts(_messages.Select(m => (int)m.Kind)),
                Ints(_messages.Select(m => m.TaskId)),
                Times(_messages.Select(m => m.VisibleAt)),
                Texts(_messages.Select(m => m.Name)),
                Texts(_messages.Select(m => m.Data)),
                Texts(_messages.Select(m => StoredFailure.Serialize(m.Failure))),
                CommitTransaction.Array(_messages.Select(m => m.Recursive).ToArray(), NpgsqlDbType.Boolean));
        }

        if (_finished.Count > 0)
        {
            Add(batch, "DELETE FROM inbox WHERE instance_id = ANY($1)", Texts(_finished));
        }
    }

    private void AddInstanceChanges(NpgsqlBatch batch)
    {
        var changed = _turns.Where(t => t.Change is not null).ToList();
        if (changed.Count == 0)
        {
            return;
        }

        Add(batch, """
            UPDATE instances i
            SET status = t.status, custom_status = t.custom_status, output = t.output, failure = t.failure, updated_at = t.at,
                completed_at = CASE WHEN t.finished THEN t.at END,
                execution_id = coalesce(t.next_execution, i.execution_id),
                input = CASE WHEN t.next_execution IS NULL THEN i.input ELSE t.next_input END,
                version = coalesce(t.next_version, i.version),
                carried_events = CASE WHEN t.next_execution IS NULL THEN i.carried_events ELSE t.carried END
            FROM unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bool[], $8::uuid[],
                        $9::text[], $10::text[], $11::text[])
                 AS t (instance_id, status, custom_status, output, failure, at, finished, next_execution, next_input, next_version, carried)
            WHERE i.instance_id = t.instance_id
            """,
            Texts(changed.Select(t => t.Claim.InstanceId)),
            Shorts(changed.Select(t => (int)t.Change!.Status)),
            Texts(changed.Select(t => t.Change!.CustomStatus)),
            Texts(changed.Select(t => t.Change!.Output)),
            Texts(changed.Select(t => StoredFailure.Serialize(t.Change!.Failure))),
            Times(changed.Select(t => (DateTime?)t.Time)),
            CommitTransaction.Array(changed.Select(t => t.IsFinishing).ToArray(), NpgsqlDbType.Boolean),
            Uuids(changed.Select(t => t.Next?.ExecutionId)),
            Texts(changed.Select(t => t.Next?.Input)),
            Texts(changed.Select(t => t.Next?.Version)),
            Texts(changed.Select(t => t.Next is null ? null : Json(t.Next.Carried))));
    }

    private void AddDispatch(NpgsqlBatch batch)
    {
        if (_finished.Count > 0)
        {
            Add(batch, "DELETE FROM dispatch WHERE instance_id = ANY($1)", Texts(_finished));
        }

        var going = _turns.Where(t => !t.IsFinishing).ToList();
        if (going.Count > 0)
        {
            Add(batch, """
                UPDATE dispatch d
                SET owner = NULL, attempts = 0, execution_id = coalesce(t.next_execution, d.execution_id),
                    ready_at = coalesce(t.ready_at, (SELECT min(visible_at) FROM inbox i WHERE i.instance_id = t.instance_id))
                FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS t (instance_id, next_execution, ready_at)
                WHERE d.instance_id = t.instance_id
                RETURNING d.ready_at
                """,
                Texts(going.Select(t => t.Claim.InstanceId)),
                Uuids(going.Select(t => t.Next?.ExecutionId)),
                Times(going.Select(t => t.ReadyAt)));
            _readsReadiness = true;
        }

        foreach (var turn in _turns)
        {
            _ready.Remove(turn.Claim.InstanceId);
        }

        AddKept(batch);
        if (_ready.Count > 0)
        {
            Add(batch, """
                UPDATE dispatch d SET ready_at = t.ready_at
                FROM unnest($1::text[], $2::timestamptz[]) AS t (instance_id, ready_at)
                WHERE d.instance_id = t.instance_id AND (d.ready_at IS NULL OR d.ready_at > t.ready_at)
                """,
                Texts(_ready.Keys), Times(_ready.Values.Select(v => (DateTime?)v)));
        }
    }

    private void AddKept(NpgsqlBatch batch)
    {
        var claims = _kept.Values.Where(k => k.Started is null).Select(k => k.Claim).ToList();
        if (claims.Count > 0)
        {
            Add(batch, """
                UPDATE dispatch d SET owner = $2, fence = fence + 1, attempts = attempts + 1, ready_at = $3 WHERE instance_id = ANY($1)
                """,
                Texts(claims.Select(c => c.InstanceId)),
                new NpgsqlParameter { Value = claims[0].Owner },
                new NpgsqlParameter { Value = locked.Now, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        }
    }

    private void AddNotification(NpgsqlBatch batch, string channel)
    {
        if (Effects.IsEmpty)
        {
            return;
        }

        var payload = (Effects.OrchestrationsReady ? "o" : string.Empty) + (Effects.ActivitiesWaiting ? "a" : string.Empty);
        if (Effects.Changed.Count > 0)
        {
            var ids = string.Join('\n', Effects.Changed);

            // A star stands for more ids than a notification can hold: every waiter looks for itself.
            payload += "\n" + (System.Text.Encoding.UTF8.GetByteCount(ids) <= NotifyPayloadBytesMax ? ids : "*");
        }

        Add(batch, "SELECT pg_notify($1, $2)",
            new NpgsqlParameter { Value = channel, NpgsqlDbType = NpgsqlDbType.Text },
            new NpgsqlParameter { Value = payload, NpgsqlDbType = NpgsqlDbType.Text });
    }

    private sealed record KeptClaim(TurnClaim Claim, InstanceRecord? Started)
    {
        public IReadOnlyList<InboxMessage> Messages { get; init; } = [];
    }
}
