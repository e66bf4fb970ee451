using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>A table whose rows can be compared after a restore.</summary>
internal readonly record struct TableFacts(string Schema, string Name, uint FileNode, string Columns, long Blocks, bool IsBusy);

/// <summary>The tables of a database that survive a restore: permanent ones of the ordinary storage, outside of the server's own schemas.</summary>
internal static class TableList
{
    /// <summary>
    /// Busy is a table that a transaction holds for writing: the question is asked before the snapshot is taken, so whoever wrote before it and is not
    /// in it is seen here. Prepared transactions count.
    /// </summary>
    private const string Question =
        """
        SELECT n.nspname::text, c.relname::text, pg_relation_filenode(c.oid)::bigint,
               md5((SELECT string_agg(a.attnum || ':' || a.attname || ':' || format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)),
               pg_relation_size(c.oid) / 8192,
               EXISTS (SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                       AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
              AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        ORDER BY 1, 2
        """;

    internal static async Task<List<TableFacts>> ReadAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        var tables = new List<TableFacts>();
        await using var query = new NpgsqlCommand(Question, connection);
        await using var row = await query.ExecuteReaderAsync(cancel);
        while (await row.ReadAsync(cancel))
            tables.Add(new TableFacts(row.GetString(0), row.GetString(1), (uint)row.GetInt64(2), row.IsDBNull(3) ? "" : row.GetString(3), row.GetInt64(4), row.GetBoolean(5)));
        return tables;
    }
}
