using System.Diagnostics;
using System.Text.Json;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary><c>restore-dump</c> against a real server: told well, and killed in the middle.</summary>
public sealed class RestoreDumpTests
{
    private const string Programs = "/usr/lib/postgresql/15/bin";

    /// <summary>An advisory lock that a restored row's check waits for.</summary>
    private const int Gate = 4711;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restore_KilledInTheMiddle_LeavesNothing_AndTheSameCommandRestores()
    {
        if (!Directory.Exists(Programs))
            Assert.Skip($"There are no PostgreSQL programs in {Programs}: apt-get install postgresql-15.");
        using var bench = new CliBench();
        using var scratch = new ScratchFolder("cli-dump");
        await bench.InitAsync();
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(cancel: Cancel), new PostgresOptions("PostgreSQL for dumps", scratch.Combine("server")) { Durable = false, Programs = Programs }, Cancel);
        var connection = bench.Write("connection", server.ConnectionString());
        var source = await server.CreateDatabaseAsync("source");
        await AskAsync(
            source,
            $"""
            CREATE FUNCTION passes() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared({Gate}); RETURN true; END $$;
            CREATE TABLE first (n int CHECK (public.passes())); INSERT INTO first VALUES (1);
            CREATE TABLE second AS SELECT n, repeat(md5(n::text), 20) AS filler FROM generate_series(1, 10000) n
            """);
        (await bench.AsAgentAsync("dump-postgres", "--asset", "db", "--connection-file", connection)).ShouldEnd(ExitCode.Success);
        string[] restore = ["restore-dump", "--asset", "db", "--connection-file", connection, "--database", "source", "--into", "copy"];
        (await bench.OnVaultAsync(restore)).ShouldEnd(ExitCode.NotFound).Error.ShouldContain("--create");
        var wouldDo = JsonDocument.Parse((await bench.OnVaultAsync([.. restore, "--create", "--dry-run", "--json"])).ShouldEnd(ExitCode.Success).Out).RootElement;
        (wouldDo.GetProperty("creates").GetBoolean(), wouldDo.GetProperty("dryRun").GetBoolean()).ShouldBe((true, true));
        wouldDo.GetProperty("bytesTotal").GetInt64().ShouldBeGreaterThan(1 << 20);
        var copy = await server.CreateDatabaseAsync("copy");

        await using (var gate = new NpgsqlConnection(copy + ";Pooling=false"))
        {
            await gate.OpenAsync(Cancel);
            await AskAsync(gate, $"SELECT pg_advisory_lock({Gate})");
            using var killed = Process.Start(ProgramUnderTest.Start([.. restore, "--vault", bench["vault"], "--key-file", bench["restore.key"]]))!;
            await UntilAsync(gate, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1);
            killed.Kill();
            await killed.WaitForExitAsync(Cancel);
            await AskAsync(gate, $"SELECT pg_advisory_unlock({Gate})");
            await UntilAsync(gate, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backup dump restore'", 0);
            (await AskAsync(gate, "SELECT count(*) FROM pg_class WHERE relname IN ('first', 'second')")).ShouldBe(0L);
        }

        (await bench.OnVaultAsync(restore)).ShouldEnd(ExitCode.Success).Out.ShouldContain("Restored database \"source\" of ");
        (await AskAsync(copy, "SELECT count(*) FROM first, second")).ShouldBe(10000L);
        (await bench.OnVaultAsync(restore)).ShouldEnd(ExitCode.TargetNotEmpty).Error.ShouldContain("Database \"copy\" is not empty: it holds public.first and 2 more.");
        await server.StopAsync();
    }

    private static async Task UntilAsync(NpgsqlConnection session, string question, long answer)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (var begun = Stopwatch.GetTimestamp(); !Equals(await AskAsync(session, question), answer); await pause.WaitForNextTickAsync(Cancel))
            Stopwatch.GetElapsedTime(begun).ShouldBeLessThan(TimeSpan.FromSeconds(90), $"'{question}' did not become {answer}");
    }

    private static async Task<object?> AskAsync(string database, string question)
    {
        await using var session = new NpgsqlConnection(database + ";Pooling=false");
        await session.OpenAsync(Cancel);
        return await AskAsync(session, question);
    }

    private static async Task<object?> AskAsync(NpgsqlConnection session, string question)
    {
        await using var command = new NpgsqlCommand(question, session);
        return await command.ExecuteScalarAsync(Cancel);
    }
}
