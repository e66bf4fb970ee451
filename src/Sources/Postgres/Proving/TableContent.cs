using System.Globalization;
using System.Numerics;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>How many rows, and the sum of their hashes.</summary>
/// <remarks>
/// A row's hash is PostgreSQL's <c>hashtextextended</c> with seed 0 of the row's text form (<c>row::text</c>, collation C) in a session with the
/// settings below. Sums do not depend on the order of rows, and equal rows do not cancel each other out.
/// </remarks>
/// <param name="Rows">Rows that were read.</param>
/// <param name="Sum">The sum, in decimal.</param>
internal readonly record struct TableContent(long Rows, string Sum)
{
    /// <summary>What <see cref="Format.ContentDocument.Hash"/> says of this.</summary>
    internal const string Method = "sum(hashtextextended(row::text collate \"C\", 0))";

    /// <summary>What the text form of a value depends on.</summary>
    internal const string SessionSettings =
        """
        SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmlbinary = 'base64';
        SET lc_monetary = 'C'; SET search_path = ''; SET row_security = off; SET max_parallel_workers_per_gather = 0; SET lock_timeout = '5s'; SET statement_timeout = 0;
        SET idle_in_transaction_session_timeout = 0; SET quote_all_identifiers = off
        """;

    internal static string Quote(string identifier) => '"' + identifier.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    /// <summary>Reads a table, or some ranges of its blocks, as the session's transaction sees it.</summary>
    internal static async Task<TableContent> ReadAsync(NpgsqlConnection connection, string schema, string table, IReadOnlyList<IReadOnlyList<long>>? ranges, CancellationToken cancel)
    {
        var question = $"SELECT count(*), coalesce(sum(hashtextextended(r::text COLLATE \"C\", 0)::numeric), 0)::text FROM ONLY {Quote(schema)}.{Quote(table)} AS r";
        if (ranges is null)
            return await AskAsync(connection, question, cancel);
        var (rows, sum) = (0L, BigInteger.Zero);
        foreach (var range in ranges)
        {
            // One range a statement: only then the server reads these blocks and no others (14 and newer).
            var part = await AskAsync(connection, string.Create(CultureInfo.InvariantCulture, $"{question} WHERE r.ctid >= '({range[0]},0)'::tid AND r.ctid < '({range[1]},0)'::tid"), cancel);
            rows += part.Rows;
            sum += BigInteger.Parse(part.Sum, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        }

        return new TableContent(rows, sum.ToString(CultureInfo.InvariantCulture));
    }

    private static Task<TableContent> AskAsync(NpgsqlConnection connection, string question, CancellationToken cancel) =>
        connection.AskAsync(question, row => new TableContent(row.GetInt64(0), row.GetString(1)), cancel);
}
