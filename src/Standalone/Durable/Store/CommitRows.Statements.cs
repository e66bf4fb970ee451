using System.Text.Json;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <content>The statements, in the order in which a commit runs them. The file is long because each is written out: a table has one, and somebody who looks for a column finds it.</content>
internal sealed partial class CommitRows
{
    private const int NotifyPayloadBytesMax = 7_000;

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
}
