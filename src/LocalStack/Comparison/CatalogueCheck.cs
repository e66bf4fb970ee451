using System.Globalization;
using Backup.LocalStack.SampleData;
using Npgsql;

namespace Backup.LocalStack.Comparison;

/// <summary>What one state of the sample database holds: equal fingerprints mean equal rows.</summary>
/// <param name="Tables">Row count and order-independent content hash per table nobody writes to.</param>
/// <param name="Observations">How many observations the log holds.</param>
internal sealed record CatalogueFingerprint(IReadOnlyDictionary<string, string> Tables, long Observations)
{
    /// <summary>Reads the fingerprint of a database.</summary>
    public static async Task<CatalogueFingerprint> ReadAsync(string connectionString, CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        Dictionary<string, string> tables = [];
        foreach (var table in VoidCatalogue.StaticTables)
        {
            await using var query = new NpgsqlCommand($"SELECT count(*) || ' rows, hash ' || coalesce(sum(hashtextextended(t::text, 7)::numeric), 0) FROM {table} AS t", connection);
            tables[table] = (string)(await query.ExecuteScalarAsync(cancel).ConfigureAwait(false))!;
        }

        return new CatalogueFingerprint(tables, await CatalogueCheck.ScalarAsync(connection, "SELECT count(*) FROM observation_log", cancel).ConfigureAwait(false));
    }
}

/// <summary>The outcome of inspecting a restored sample database.</summary>
/// <param name="Observations">Length of the restored log.</param>
/// <param name="Differences">What is wrong, in words; empty for a good restore.</param>
internal sealed record CatalogueCheck(long Observations, IReadOnlyList<string> Differences)
{
    /// <summary>Compares a restored database with what is known of the original.</summary>
    /// <param name="restored">Connects to the restored database.</param>
    /// <param name="original">The original's fingerprint; of its log, the length before the backup began.</param>
    /// <param name="cancel">Ends the check.</param>
    public static async Task<CatalogueCheck> RunAsync(string restored, CatalogueFingerprint original, CancellationToken cancel)
    {
        var copy = await CatalogueFingerprint.ReadAsync(restored, cancel).ConfigureAwait(false);
        List<string> differences = [.. original.Tables.Where(t => copy.Tables[t.Key] != t.Value).Select(t => $"table {t.Key}: {t.Value} became {copy.Tables[t.Key]}")];
        await using var connection = new NpgsqlConnection(restored);
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        if (copy.Observations < original.Observations)
        {
            differences.Add($"observation log: {original.Observations} were committed before the backup began, {copy.Observations} came back");
        }

        await ExpectAsync("SELECT coalesce(max(sequence_no), 0) FROM observation_log", copy.Observations, "observation log: numbers have gaps, the newest is").ConfigureAwait(false);
        await ExpectAsync("SELECT count(*) FROM observation_log WHERE digest <> md5('observation ' || sequence_no)", 0, "observation log: rows with a wrong digest").ConfigureAwait(false);
        await ExpectAsync("SELECT sum(minutes)::bigint FROM telescope_budget", ObservationWriter.BudgetMinutes, "telescope budget adds up to").ConfigureAwait(false);
        await ExpectAsync("SELECT count(*) FROM preview_cache", 0, "unlogged table should come back empty, rows").ConfigureAwait(false);
        await CheckIndexesAsync(connection, differences, cancel).ConfigureAwait(false);
        return new CatalogueCheck(copy.Observations, differences);

        async Task ExpectAsync(string sql, long expected, string what)
        {
            var found = await ScalarAsync(connection, sql, cancel).ConfigureAwait(false);
            if (found != expected)
            {
                differences.Add(string.Create(CultureInfo.InvariantCulture, $"{what}: {found}, expected {expected}"));
            }
        }
    }

    internal static async Task<long> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var query = new NpgsqlCommand(sql, connection);
        return Convert.ToInt64(await query.ExecuteScalarAsync(cancel).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }

    /// <summary>Every B-tree against its table, entry by entry (PostgreSQL's amcheck).</summary>
    private static async Task CheckIndexesAsync(NpgsqlConnection connection, List<string> differences, CancellationToken cancel)
    {
        const string Check = """
            CREATE EXTENSION IF NOT EXISTS amcheck;
            SELECT bt_index_check(c.oid, heapallindexed => true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
            WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND c.relnamespace = 'public'::regnamespace
            """;
        try
        {
            await using var command = new NpgsqlCommand(Check, connection);
            await command.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
        }
        catch (PostgresException broken)
        {
            differences.Add($"index check: {broken.MessageText}");
        }
    }
}
