using System.Text.Json;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>What a claimed turn works on.</summary>
internal sealed record TurnWork(TurnClaim Claim, InstanceRecord Instance, IReadOnlyList<HistoryRecord> History, IReadOnlyList<InboxMessage> Messages);

/// <summary>The result of a look for work.</summary>
/// <param name="Claims">What was claimed.</param>
/// <param name="NextReadyAt">When the next unclaimed instance has something to do, UTC; null: none waits.</param>
/// <param name="Now">The database's clock, UTC.</param>
internal sealed record ClaimedTurns(IReadOnlyList<TurnClaim> Claims, DateTime? NextReadyAt, DateTime Now);

/// <summary>Claims work and loads what it needs.</summary>
/// <remarks>
/// A claim locks the worker's row: nobody can declare the worker dead while it claims, nor can it claim afterwards. What is ready is
/// compared with the statement's time, which an index can be searched by: the clock's would be compared with every sleeping instance.
/// </remarks>
internal sealed class WorkReader(DurableDatabase database, DurableStorageOptions options, WorkFilter? filter = null)
{
    private const string InstanceColumns =
        "instance_id, execution_id, name, version, status, input, output, custom_status, failure, tags, carried_events, "
        + "parent_id, parent_name, parent_execution, parent_task, start_at, created_at, updated_at";

    private readonly string _turnFilter = filter is null ? string.Empty : WorkFilter.TurnCondition;
    private readonly string _activityFilter = filter is null ? string.Empty : WorkFilter.ActivityCondition;

    public static string Columns => InstanceColumns;

    /// <summary>Whether only some work is claimed.</summary>
    public bool IsFiltered => filter is not null;

    /// <summary>Claims instances that have something to do.</summary>
    public async Task<ClaimedTurns> ClaimTurnsAsync(int owner, int max, CancellationToken cancellationToken)
    {
        await database.FaultAsync("before claim of turns").ConfigureAwait(false);
        await using var connection = await database.Relaxed.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, $"""
            UPDATE dispatch d SET owner = $1, fence = fence + 1, attempts = attempts + 1
            FROM (SELECT instance_id FROM dispatch WHERE owner IS NULL AND ready_at <= statement_timestamp() {_turnFilter}
                  ORDER BY ready_at LIMIT $2 FOR UPDATE SKIP LOCKED) c,
                 (SELECT worker_id FROM workers WHERE worker_id = $1 FOR KEY SHARE) w
            WHERE d.instance_id = c.instance_id
            RETURNING d.instance_id, d.execution_id, d.fence, d.attempts
            """, [new NpgsqlParameter { Value = owner }, new NpgsqlParameter { Value = max }, .. Filter(f => f.Turns)]);
        Add(batch, $"""
            SELECT min(ready_at), clock_timestamp() FROM dispatch
            WHERE owner IS NULL AND ready_at IS NOT NULL {_turnFilter.Replace("$3", "$1", StringComparison.Ordinal)}
            """, [.. Filter(f => f.Turns)]);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var claims = new List<TurnClaim>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            claims.Add(new TurnClaim(reader.GetString(0), reader.GetGuid(1), owner, reader.GetInt64(2), reader.GetInt32(3)));
        }

        await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        var result = new ClaimedTurns(claims, reader.IsDBNull(0) ? null : reader.GetDateTime(0), reader.GetDateTime(1));
        await database.FaultAsync("after claim of turns").ConfigureAwait(false);
        return result;
    }

    /// <summary>Loads what claimed turns work on; a state that is still in memory is not read again.</summary>
    /// <param name="claims">The claims.</param>
    /// <param name="known">Finds the instance and history a claim is known to have; null: to be read.</param>
    /// <param name="cancellationToken">Cancels reading.</param>
    public async Task<IReadOnlyList<TurnWork>> LoadAsync(
        IReadOnlyList<TurnClaim> claims,
        Func<TurnClaim, (InstanceRecord Instance, IReadOnlyList<HistoryRecord> History)?> known,
        CancellationToken cancellationToken)
    {
        await database.FaultAsync("before load").ConfigureAwait(false);
        var states = new Dictionary<string, (InstanceRecord Instance, IReadOnlyList<HistoryRecord> History)>(StringComparer.Ordinal);
        var unknown = new List<string>();
        foreach (var claim in claims)
        {
            if (known(claim) is { } state)
            {
                states[claim.InstanceId] = state;
            }
            else
            {
                unknown.Add(claim.InstanceId);
            }
        }

        await using var connection = await database.Relaxed.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, """
            SELECT m.instance_id, m.message_id, m.execution_id, m.kind, m.task_id, m.visible_at, m.name, m.data, m.failure, m.recursive
            FROM unnest($1::text[]) AS t (instance_id)
            CROSS JOIN LATERAL (SELECT * FROM inbox i WHERE i.instance_id = t.instance_id AND i.visible_at <= statement_timestamp()
                                ORDER BY i.visible_at, i.message_id LIMIT $2) m
            ORDER BY m.instance_id, m.message_id
            """,
            CommitTransaction.Array(claims.Select(c => c.InstanceId).ToArray(), NpgsqlDbType.Text),
            new NpgsqlParameter { Value = options.MessagesPerTurnMax });
        if (unknown.Count > 0)
        {
            Add(batch, $"SELECT {InstanceColumns} FROM instances WHERE instance_id = ANY($1)",
                CommitTransaction.Array(unknown.ToArray(), NpgsqlDbType.Text));
            Add(batch, """
                SELECT instance_id, kind, event_id, task_id, at, name, version, data, failure, target, fire_at
                FROM history WHERE instance_id = ANY($1) ORDER BY instance_id, seq
                """, CommitTransaction.Array(unknown.ToArray(), NpgsqlDbType.Text));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var messages = await ReadMessagesAsync(reader, cancellationToken).ConfigureAwait(false);
        if (unknown.Count > 0)
        {
            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                var instance = ReadInstance(reader);
                states[instance.InstanceId] = (instance, []);
            }

            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            foreach (var (id, history) in await ReadHistoriesAsync(reader, cancellationToken).ConfigureAwait(false))
            {
                states[id] = (states[id].Instance, history);
            }
        }

        return [.. claims.Where(c => states.ContainsKey(c.InstanceId)).Select(c => new TurnWork(
            c, states[c.InstanceId].Instance, states[c.InstanceId].History, InOrder(messages.GetValueOrDefault(c.InstanceId) ?? [])))];
    }

    /// <summary>Claims waiting activities, oldest first.</summary>
    public async Task<IReadOnlyList<ActivityClaim>> ClaimActivitiesAsync(int owner, int max, CancellationToken cancellationToken)
    {
        await database.FaultAsync("before claim of activities").ConfigureAwait(false);
        await using var command = database.Relaxed.CreateCommand($"""
            UPDATE activities a SET owner = $1, attempts = attempts + 1
            FROM (SELECT activity_id FROM activities WHERE owner IS NULL {_activityFilter} ORDER BY activity_id LIMIT $2 FOR UPDATE SKIP LOCKED) c,
                 (SELECT worker_id FROM workers WHERE worker_id = $1 FOR KEY SHARE) w
            WHERE a.activity_id = c.activity_id
            RETURNING a.activity_id, a.attempts, a.instance_id, a.execution_id, a.task_id, a.name, a.version, a.input, a.tags
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = owner });
        command.Parameters.Add(new NpgsqlParameter { Value = max });
        foreach (var parameter in Filter(f => f.Activities))
        {
            command.Parameters.Add(parameter);
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var claims = new List<ActivityClaim>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var call = new ActivityCall(
                reader.GetString(2), reader.GetGuid(3), reader.GetInt32(4), reader.GetString(5), reader.GetString(6), Text(reader, 7))
            {
                Tags = ReadTags(Text(reader, 8)),
            };
            claims.Add(new ActivityClaim(reader.GetInt64(0), owner, reader.GetInt32(1), call));
        }

        await database.FaultAsync("after claim of activities").ConfigureAwait(false);
        return claims;
    }

    private IEnumerable<NpgsqlParameter> Filter(Func<WorkFilter, string[]> keys) =>
        filter is null ? [] : [CommitTransaction.Array(keys(filter), NpgsqlDbType.Text)];

    internal static InstanceRecord ReadInstance(NpgsqlDataReader reader) => new(
        reader.GetString(0), reader.GetGuid(1), reader.GetString(2), reader.GetString(3))
    {
        Status = (OrchestrationRuntimeStatus)reader.GetInt16(4),
        Input = Text(reader, 5),
        Output = Text(reader, 6),
        CustomStatus = Text(reader, 7),
        Failure = StoredFailure.Deserialize(Text(reader, 8)),
        Tags = ReadTags(Text(reader, 9)),
        Carried = Text(reader, 10) is { } carried ? JsonSerializer.Deserialize(carried, StoredJson.Default.ListCarriedEvent) ?? [] : [],
        Parent = reader.IsDBNull(11)
            ? null
            : new ParentLink(reader.GetString(11), reader.GetString(12), reader.GetGuid(13), reader.GetInt32(14)),
        StartAt = reader.IsDBNull(15) ? null : reader.GetDateTime(15),
        CreatedAt = reader.GetDateTime(16),
        UpdatedAt = reader.GetDateTime(17),
    };

    internal static async Task<Dictionary<string, List<HistoryRecord>>> ReadHistoriesAsync(
        NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var histories = new Dictionary<string, List<HistoryRecord>>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var instance = reader.GetString(0);
            if (!histories.TryGetValue(instance, out var history))
            {
                histories[instance] = history = [];
            }

            history.Add(new HistoryRecord((EventType)reader.GetInt16(1), reader.GetInt32(2), reader.GetInt32(3), reader.GetDateTime(4))
            {
                Name = Text(reader, 5),
                Version = Text(reader, 6),
                Data = Text(reader, 7),
                Failure = StoredFailure.Deserialize(Text(reader, 8)),
                Target = Text(reader, 9),
                FireAt = reader.IsDBNull(10) ? null : reader.GetDateTime(10),
            });
        }

        return histories;
    }

    // Messages keep the order in which they were sent, whatever the clock did between. A timer takes its place among them
    // by the time it fires, so that an event which came while no host ran is not overtaken by its own time-out.
    internal static IReadOnlyList<InboxMessage> InOrder(List<InboxMessage> messages)
    {
        var timers = new Queue<InboxMessage>(messages.Where(m => m.Kind == EventType.TimerFired).OrderBy(m => m.VisibleAt));
        if (timers.Count == 0 || timers.Count == messages.Count)
        {
            return timers.Count == 0 ? messages : [.. timers];
        }

        var ordered = new List<InboxMessage>(messages.Count);
        foreach (var message in messages.Where(m => m.Kind != EventType.TimerFired))
        {
            while (timers.TryPeek(out var timer) && timer.VisibleAt < message.VisibleAt)
            {
                ordered.Add(timers.Dequeue());
            }

            ordered.Add(message);
        }

        ordered.AddRange(timers);
        return ordered;
    }

    private static async Task<Dictionary<string, List<InboxMessage>>> ReadMessagesAsync(
        NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var messages = new Dictionary<string, List<InboxMessage>>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var instance = reader.GetString(0);
            if (!messages.TryGetValue(instance, out var list))
            {
                messages[instance] = list = [];
            }

            list.Add(new InboxMessage(instance, (EventType)reader.GetInt16(3))
            {
                MessageId = reader.GetInt64(1),
                ExecutionId = reader.IsDBNull(2) ? null : reader.GetGuid(2),
                TaskId = reader.GetInt32(4),
                VisibleAt = reader.GetDateTime(5),
                Name = Text(reader, 6),
                Data = Text(reader, 7),
                Failure = StoredFailure.Deserialize(Text(reader, 8)),
                Recursive = reader.GetBoolean(9),
            });
        }

        return messages;
    }

    private static Dictionary<string, string>? ReadTags(string? text) =>
        text is null ? null : JsonSerializer.Deserialize(text, StoredJson.Default.DictionaryStringString);

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static void Add(NpgsqlBatch batch, string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
    }
}
