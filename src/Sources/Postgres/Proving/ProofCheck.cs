using System.Globalization;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>A question to a restored database that somebody who knows its content asks.</summary>
public sealed record ProofCheck
{
    /// <summary>How long a question may take unless it says otherwise.</summary>
    public static readonly TimeSpan TimeLimitDefault = TimeSpan.FromMinutes(1);

    /// <summary>What people call it.</summary>
    public required string Name { get; init; }

    /// <summary>The database that is asked.</summary>
    public required string Database { get; init; }

    /// <summary>One statement. The first value of its first row counts.</summary>
    public required string Sql { get; init; }

    /// <summary>That value as text (true and false for booleans); null: there is a row, and its value is neither null, false nor empty.</summary>
    public string? Expect { get; init; }

    /// <summary>How long the question may take.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeLimitDefault;
}

/// <summary>How a check went.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Passed">The answer is as it should be.</param>
/// <param name="Answer">The answer, or why there was none; at most 200 characters.</param>
/// <param name="Duration">How long it took.</param>
public sealed record ProofCheckResult(string Name, bool Passed, string Answer, TimeSpan Duration);

/// <summary>Asks checks. Their text comes from elsewhere, so they run as a role that may read all tables and nothing more, in a transaction that may not write.</summary>
internal sealed class CheckRunner(IsolatedServer server, int majorVersion, IReadOnlyList<string> databases, TimeProvider clock)
{
    private const string Role = "backup_prover";
    private const int AnswerCharsMax = 200;

    /// <summary>The first version with a role that may read everything.</summary>
    private const int ReadAllVersion = 14;

    /// <summary>What such a role would be given, in the database that it is run in.</summary>
    private const string GrantAll = $"""
        DO $do$ DECLARE space name; BEGIN
            FOR space IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
                EXECUTE format('GRANT USAGE ON SCHEMA %1$I TO {Role}; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO {Role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA %1$I TO {Role}', space);
            END LOOP;
        END $do$
        """;

    /// <summary>A role cannot go while it has rights; one that a killed proof left has them still.</summary>
    private const string TakeAll = $"DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{Role}') THEN DROP OWNED BY {Role}; END IF; END $do$";

    internal async Task<IReadOnlyList<ProofCheckResult>> RunAsync(IReadOnlyList<ProofCheck> checks, CancellationToken cancel)
    {
        if (checks.Count == 0)
            return [];
        await using var connection = await server.OpenAsync(PostgresProof.AnyDatabase, cancel);
        await DropRoleAsync(connection, cancel);
        await connection.ExecuteAsync($"CREATE ROLE {Role} LOGIN NOSUPERUSER{(majorVersion < ReadAllVersion ? "" : " IN ROLE pg_read_all_data")}", cancel);
        var results = new List<ProofCheckResult>();
        foreach (var check in checks)
            results.Add(await AskAsync(check, cancel));
        await DropRoleAsync(connection, cancel);
        return results;
    }

    private async Task DropRoleAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        if (majorVersion < ReadAllVersion)
        {
            foreach (var database in databases)
                await AsSuperuserAsync(database, TakeAll, cancel);
        }

        await connection.ExecuteAsync($"DROP ROLE IF EXISTS {Role}", cancel);
    }

    private async Task AsSuperuserAsync(string database, string sql, CancellationToken cancel)
    {
        await using var connection = await server.OpenAsync(database, cancel);
        await connection.ExecuteAsync(sql, cancel);
    }

    private async Task<ProofCheckResult> AskAsync(ProofCheck check, CancellationToken cancel)
    {
        var started = clock.GetTimestamp();
        using var limit = new CancellationTokenSource(check.TimeLimit, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            if (majorVersion < ReadAllVersion)
                await AsSuperuserAsync(check.Database, GrantAll, stop.Token);
            await using var connection = await server.OpenAsync(check.Database, stop.Token, Role);
            await connection.ExecuteAsync("SET default_transaction_read_only = on; BEGIN TRANSACTION READ ONLY", stop.Token);
            // A batch's command is sent as it is: more than one statement is an error.
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new NpgsqlBatchCommand(check.Sql) } };
            await using var row = await batch.ExecuteReaderAsync(stop.Token);
            if (!await row.ReadAsync(stop.Token) || row.FieldCount == 0)
                return Result(passed: false, "no row");
            return Text(row) is { } answer
                ? Result(check.Expect is { } expected ? answer == expected : answer is not ("" or "false"), answer)
                : Result(passed: false, "null");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Result(passed: false, string.Create(CultureInfo.InvariantCulture, $"no answer within {check.TimeLimit.TotalSeconds} s"));
        }
        catch (Exception failure) when (failure is NpgsqlException or InvalidCastException or NotSupportedException or OverflowException && !cancel.IsCancellationRequested)
        {
            return Result(passed: false, limit.IsCancellationRequested
                ? string.Create(CultureInfo.InvariantCulture, $"no answer within {check.TimeLimit.TotalSeconds} s")
                : failure is PostgresException refused ? refused.MessageText : failure.Message);
        }

        ProofCheckResult Result(bool passed, string answer) =>
            new(check.Name, passed, answer.Length <= AnswerCharsMax ? answer : answer[..AnswerCharsMax], clock.GetElapsedTime(started));
    }

    private static string? Text(NpgsqlDataReader row) => row.GetValue(0) switch
    {
        DBNull => null,
        bool flag => flag ? "true" : "false",
        DateTime time => time.ToString("O", CultureInfo.InvariantCulture),
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        var other => other.ToString(),
    };
}
