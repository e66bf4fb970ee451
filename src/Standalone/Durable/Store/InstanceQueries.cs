using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>Reads and purges instances for clients.</summary>
internal sealed class InstanceQueries(DurableDatabase database)
{
    private const int PurgeBatchMax = 200;

    public async Task<InstanceRecord?> FindAsync(string instanceId, CancellationToken cancellationToken)
    {
        await using var command = database.Relaxed.CreateCommand($"SELECT {WorkReader.Columns} FROM instances WHERE instance_id = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = instanceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false) ? WorkReader.ReadInstance(reader) : null;
    }

    /// <summary>A page of instances, oldest first. The token names the last instance of the page before.</summary>
    public async Task<Page<InstanceRecord>> QueryAsync(
        OrchestrationQuery query, string? continuationToken, int pageSize, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        var after = PageToken.Parse(continuationToken);
        await using var command = database.Relaxed.CreateCommand($"""
            SELECT {WorkReader.Columns} FROM instances
            WHERE instance_id NOT LIKE '@%' AND ($1::timestamptz IS NULL OR created_at >= $1) AND ($2::timestamptz IS NULL OR created_at <= $2)
              AND ($3::smallint[] IS NULL OR status = ANY($3)) AND ($4::text IS NULL OR starts_with(instance_id, $4))
              AND ($5::timestamptz IS NULL OR (created_at, instance_id) > ($5, $6::text COLLATE "C"))
            ORDER BY created_at, instance_id LIMIT $7
            """);
        command.Parameters.Add(Time(query.CreatedFrom));
        command.Parameters.Add(Time(query.CreatedTo));
        command.Parameters.Add(StatusesParameter(query.Statuses));
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)query.InstanceIdPrefix ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after?.CreatedAt ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after?.InstanceId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = pageSize });
        var instances = new List<InstanceRecord>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            instances.Add(WorkReader.ReadInstance(reader));
        }

        return new Page<InstanceRecord>(instances, instances.Count < pageSize ? null : new PageToken(instances[^1]).ToString());
    }

    /// <summary>Ids of finished instances in the order of their completion.</summary>
    public async Task<Page<string>> ListFinishedAsync(
        IEnumerable<OrchestrationRuntimeStatus>? statuses,
        DateTimeOffset? from,
        DateTimeOffset? to,
        int pageSize,
        string? lastKey,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        var after = PageToken.Parse(lastKey);
        await using var command = database.Relaxed.CreateCommand("""
            SELECT instance_id, completed_at FROM instances
            WHERE completed_at IS NOT NULL
              AND ($1::timestamptz IS NULL OR completed_at >= $1) AND ($2::timestamptz IS NULL OR completed_at <= $2)
              AND ($3::smallint[] IS NULL OR status = ANY($3))
              AND ($4::timestamptz IS NULL OR (completed_at, instance_id) > ($4, $5::text COLLATE "C"))
            ORDER BY completed_at, instance_id LIMIT $6
            """);
        command.Parameters.Add(Time(from));
        command.Parameters.Add(Time(to));
        command.Parameters.Add(StatusesParameter(statuses));
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after?.CreatedAt ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after?.InstanceId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = pageSize });
        var ids = new List<string>();
        var completed = default(DateTime);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            ids.Add(reader.GetString(0));
            completed = reader.GetDateTime(1);
        }

        return new Page<string>(ids, ids.Count < pageSize ? null : new PageToken(completed, ids[^1]).ToString());
    }

    public async Task<IReadOnlyList<HistoryRecord>> HistoryAsync(string instanceId, CancellationToken cancellationToken)
    {
        await using var command = database.Relaxed.CreateCommand("""
            SELECT instance_id, kind, event_id, task_id, at, name, version, data, failure, target, fire_at
            FROM history WHERE instance_id = $1 ORDER BY seq
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = instanceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var histories = await WorkReader.ReadHistoriesAsync(reader, cancellationToken).ConfigureAwait(false);
        return histories.GetValueOrDefault(instanceId) ?? [];
    }

    /// <summary>Deletes finished instances by id, with their finished sub-orchestrations when asked.</summary>
    public async Task<int> PurgeAsync(IReadOnlyList<string> instanceIds, bool recursive, CancellationToken cancellationToken)
    {
        await using var connection = await database.Durable.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var command = new NpgsqlCommand(
            recursive
                ? """
                  WITH RECURSIVE family AS (
                      SELECT instance_id FROM instances WHERE instance_id = ANY($1) AND completed_at IS NOT NULL
                      UNION
                      SELECT c.instance_id FROM instances c JOIN family p ON c.parent_id = p.instance_id WHERE c.completed_at IS NOT NULL),
                  gone AS (DELETE FROM instances WHERE instance_id IN (SELECT instance_id FROM family) AND completed_at IS NOT NULL
                           RETURNING instance_id),
                  histories AS (DELETE FROM history h USING gone WHERE h.instance_id = gone.instance_id)
                  SELECT count(*) FROM gone
                  """
                : """
                  WITH gone AS (DELETE FROM instances WHERE instance_id = ANY($1) AND completed_at IS NOT NULL RETURNING instance_id),
                  histories AS (DELETE FROM history h USING gone WHERE h.instance_id = gone.instance_id)
                  SELECT count(*) FROM gone
                  """,
            connection);
        command.Parameters.Add(CommitTransaction.Array(instanceIds.ToArray(), NpgsqlDbType.Text));
        return (int)(long)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
    }

    /// <summary>Deletes a batch of the finished instances a filter matches, oldest first.</summary>
    /// <returns>How many were deleted, and whether nothing more matched.</returns>
    public async Task<(int Purged, bool IsComplete)> PurgeAsync(PurgeInstancesFilter filter, bool recursive, CancellationToken cancellationToken)
    {
        await using var command = database.Relaxed.CreateCommand("""
            SELECT instance_id FROM instances
            WHERE completed_at IS NOT NULL
              AND ($1::timestamptz IS NULL OR created_at >= $1) AND ($2::timestamptz IS NULL OR created_at <= $2)
              AND ($3::smallint[] IS NULL OR status = ANY($3))
            ORDER BY created_at, instance_id LIMIT $4
            """);
        command.Parameters.Add(Time(filter.CreatedFrom));
        command.Parameters.Add(Time(filter.CreatedTo));
        command.Parameters.Add(StatusesParameter(filter.Statuses));
        command.Parameters.Add(new NpgsqlParameter { Value = PurgeBatchMax });
        var ids = new List<string>();
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false))
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                ids.Add(reader.GetString(0));
            }
        }

        return ids.Count == 0
            ? (0, true)
            : (await PurgeAsync(ids, recursive, cancellationToken).ConfigureAwait(false), ids.Count < PurgeBatchMax);
    }

    internal static NpgsqlParameter Time(DateTimeOffset? time) =>
        new() { Value = (object?)time?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static NpgsqlParameter StatusesParameter(IEnumerable<OrchestrationRuntimeStatus>? statuses)
    {
        var values = statuses?.Select(s => (short)s).ToArray();
        return new NpgsqlParameter
        {
            Value = values is null || values.Length == 0 ? DBNull.Value : values,
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Smallint,
        };
    }
}
