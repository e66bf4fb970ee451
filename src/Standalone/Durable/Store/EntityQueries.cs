using Backup.Standalone.Durable.Entities;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client.Entities;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>An entity as clients see it.</summary>
internal sealed record EntityRow(string Id, string? State, EntityLock? Lock, DateTime UpdatedAt, int Backlog);

/// <summary>Reads and cleans entities for clients.</summary>
/// <remarks>An entity is an instance that never ends: its state is the input, its lock the custom status, what waits for the lock is carried.</remarks>
internal sealed class EntityQueries(DurableDatabase database)
{
    private const int ScanPage = 200;

    private const string Select = """
        SELECT instance_id, input, custom_status, updated_at,
               (SELECT count(*) FROM inbox m WHERE m.instance_id = i.instance_id)::int + coalesce(json_array_length(carried_events::json), 0)
        FROM instances i
        """;

    public async Task<EntityRow?> FindAsync(string id, CancellationToken cancellationToken)
    {
        await using var command = database.Relaxed.CreateCommand(Select + " WHERE instance_id = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = id });
        var found = await ReadAsync(command, cancellationToken).ConfigureAwait(false);
        return found.Count == 0 ? null : found[0];
    }

    public async Task<Page<EntityRow>> QueryAsync(EntityQuery query, string? after, int pageSize, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        await using var command = database.Relaxed.CreateCommand(Select + """

            WHERE starts_with(instance_id, $1) AND ($2::text IS NULL OR instance_id > $2 COLLATE "C")
              AND ($3::timestamptz IS NULL OR updated_at >= $3) AND ($4::timestamptz IS NULL OR updated_at <= $4)
              AND ($5 OR input IS NOT NULL)
            ORDER BY instance_id LIMIT $6
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = query.InstanceIdStartsWith ?? "@" });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(InstanceQueries.Time(query.LastModifiedFrom));
        command.Parameters.Add(InstanceQueries.Time(query.LastModifiedTo));
        command.Parameters.Add(new NpgsqlParameter { Value = query.IncludeTransient });
        command.Parameters.Add(new NpgsqlParameter { Value = pageSize });
        var rows = await ReadAsync(command, cancellationToken).ConfigureAwait(false);
        return new Page<EntityRow>(rows, rows.Count < pageSize ? null : rows[^1].Id);
    }

    /// <summary>A page of all entities, with or without a state.</summary>
    public Task<Page<EntityRow>> ScanAsync(string? after, CancellationToken cancellationToken) =>
        QueryAsync(new EntityQuery { IncludeTransient = true }, after, ScanPage, cancellationToken);

    /// <summary>Removes those of these entities that hold nothing: no state, no lock, nothing waiting.</summary>
    public async Task<int> RemoveEmptyAsync(string[] ids, CancellationToken cancellationToken)
    {
        await using var connection = await database.Durable.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var batch = new NpgsqlBatch(connection);

        // Two statements: the second one's snapshot sees every message whose sender had an entity's row before it was locked here.
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            "SELECT instance_id FROM dispatch WHERE instance_id = ANY($1) AND owner IS NULL ORDER BY instance_id FOR UPDATE SKIP LOCKED")
        {
            Parameters = { CommitTransaction.Array(ids, NpgsqlDbType.Text) },
        });
        var idle = new List<string>();
        await using (var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false))
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                idle.Add(reader.GetString(0));
            }
        }

        await using var delete = new NpgsqlCommand("""
            WITH gone AS (
                DELETE FROM instances i WHERE instance_id = ANY($1) AND input IS NULL AND custom_status IS NULL AND carried_events IS NULL
                    AND NOT EXISTS (SELECT FROM inbox m WHERE m.instance_id = i.instance_id)
                RETURNING instance_id),
            rows AS (DELETE FROM dispatch d USING gone WHERE d.instance_id = gone.instance_id)
            SELECT count(*) FROM gone
            """, connection);
        delete.Parameters.Add(CommitTransaction.Array(idle.ToArray(), NpgsqlDbType.Text));
        var removed = (int)(long)(await delete.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return removed;
    }

    private static async Task<List<EntityRow>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var rows = new List<EntityRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            rows.Add(new EntityRow(
                reader.GetString(0),
                reader.IsDBNull(1) ? null : reader.GetString(1),
                EntityLock.Parse(reader.IsDBNull(2) ? null : reader.GetString(2)),
                reader.GetDateTime(3),
                reader.GetInt32(4)));
        }

        return rows;
    }
}
