using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>Every B-tree of a database, by the server's own amcheck: its order, and that each row of its table is in it.</summary>
internal static class IndexCheck
{
    private const string Indexes =
        """
        SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid AND i.indisready ORDER BY 2
        """;

    /// <summary>Checks a database. The extension is made in transactions that are taken back: the database stays as it was.</summary>
    /// <returns>How many indexes were checked; null when the server comes without amcheck.</returns>
    internal static async Task<int?> RunAsync(Func<Task<NpgsqlConnection>> open, Action<string> tell, CancellationToken cancel)
    {
        Queue<(long ObjectId, string Name)>? left = null;
        var total = 0;
        do
        {
            // What amcheck finds costs the session: the client library gives up connections that report damage.
            await using var connection = await open();
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            if (await MakeExtensionAsync(connection, cancel) is not { } schema)
                return null;
            left ??= await ListAsync(connection, cancel);
            total = Math.Max(total, left.Count);
            while (left.TryDequeue(out var index) && await IsSoundAsync(connection, schema, index, tell, cancel))
            {
                // On to the next one, in the same session.
            }
        }
        while (left.Count > 0);

        return total;
    }

    private static async Task<Queue<(long ObjectId, string Name)>> ListAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        var found = new Queue<(long, string)>();
        await using var query = new NpgsqlCommand(Indexes, connection);
        await using var rows = await query.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
            found.Enqueue((rows.GetInt64(0), rows.GetString(1)));
        return found;
    }

    private static async Task<bool> IsSoundAsync(NpgsqlConnection connection, string schema, (long ObjectId, string Name) index, Action<string> tell, CancellationToken cancel)
    {
        try
        {
            await using var check = new NpgsqlCommand($"SELECT {schema}.bt_index_check(index => $1::oid, heapallindexed => true)", connection) { Parameters = { new NpgsqlParameter<long> { TypedValue = index.ObjectId } } };
            await check.ExecuteNonQueryAsync(cancel);
            return true;
        }
        catch (PostgresException broken) when (!cancel.IsCancellationRequested)
        {
            tell($"{index.Name}: {broken.MessageText}");
            return false;
        }
    }

    /// <summary>The schema that has amcheck's functions; null when there are none to be had.</summary>
    private static async Task<string?> MakeExtensionAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        const string schema = "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
        try
        {
            await connection.ExecuteAsync("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog", cancel);
            await using var query = new NpgsqlCommand(schema, connection);
            return (string?)await query.ExecuteScalarAsync(cancel);
        }
        catch (PostgresException missing) when (missing.SqlState is PostgresErrorCodes.UndefinedFile or PostgresErrorCodes.FeatureNotSupported or PostgresErrorCodes.UndefinedObject)
        {
            return null;
        }
    }
}
