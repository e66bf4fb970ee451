using System.Diagnostics;
using System.Text.Json;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Npgsql;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary><c>wal receive</c> as a process of its own, killed without warning again and again.</summary>
public sealed class WalReceiveTests
{
    private const int Kills = 5;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receive_KilledAgainAndAgain_LeavesNoGapAndLosesNothingDurable()
    {
        using var bench = new CliBench();
        using var scratch = new ScratchFolder("cli-receive");
        await bench.InitAsync();
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(cancel: Cancel), new PostgresOptions("PostgreSQL for receiving", scratch.Combine("server")) { Durable = false }, Cancel);
        var connection = bench.Write("connection", server.ConnectionString());
        await using var session = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false");
        await session.OpenAsync(Cancel);
        await AskAsync(session, "CREATE TABLE commits AS SELECT 0 AS n");
        var random = new Random(11);
        for (var kill = 0; kill < Kills; kill++)
        {
            using var receiver = Start(bench, connection);
            await AskAsync(session, $"INSERT INTO commits SELECT n FROM generate_series(1, {random.Next(1, 60_000)}) n");
            if (kill % 2 == 1)
                await AskAsync(session, "SELECT pg_switch_wal()");
            await UntilDurableAsync(receiver, Lsn.Parse(await AskAsync(session, "SELECT pg_current_wal_flush_lsn()::text")));
            // Everything after the first base backup must be there in the end; on a slow machine none would come to its end before its receiver's.
            if (kill == 0)
                await UntilBackedUpAsync(bench);
            // In the middle of storing whatever comes now.
            await AskAsync(session, "INSERT INTO commits SELECT n FROM generate_series(1, 20000) n");
            receiver.Kill(entireProcessTree: true);
            await receiver.WaitForExitAsync(Cancel);
        }

        using var last = Start(bench, connection);
        var end = Lsn.Parse(await AskAsync(session, "SELECT pg_current_wal_flush_lsn()::text"));
        await UntilDurableAsync(last, end);
        last.Kill(entireProcessTree: true);
        await last.WaitForExitAsync(Cancel);
        var check = (await bench.OnVaultAsync("wal", "check", "--asset", "db", "--json")).ShouldEnd(ExitCode.Success);
        var range = JsonDocument.Parse(check.Out.Split('\n')[0]).RootElement;
        range.TryGetProperty("gap", out _).ShouldBeFalse();
        Lsn.Parse(range.GetProperty("to").GetString()).ShouldBeGreaterThanOrEqualTo(end);
        await session.CloseAsync();
        await server.StopAsync();
    }

    private static Process Start(CliBench bench, string connection) => Process.Start(ProgramUnderTest.Start(
        "wal", "receive", "--asset", "db", "--connection-file", connection, "--durable-within", "1", "--base-backup", "--json", "--vault", bench["vault"], "--key-file", bench["backup.key"]))!;

    private static async Task UntilDurableAsync(Process receiver, Lsn end)
    {
        while (await receiver.StandardOutput.ReadLineAsync(Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(60), Cancel) is { } line)
        {
            if (JsonDocument.Parse(line).RootElement.TryGetProperty("durable", out var durable) && Lsn.Parse(durable.GetString()) >= end)
                return;
        }

        throw new InvalidOperationException($"The receiver ended before {end} was durable.");
    }

    private static async Task UntilBackedUpAsync(CliBench bench)
    {
        for (var begun = Stopwatch.GetTimestamp(); (await bench.OnVaultAsync("snapshots", "--asset", "db", "--json")).ShouldEnd(ExitCode.Success).Out.Length == 0;)
            Stopwatch.GetElapsedTime(begun).ShouldBeLessThan(TimeSpan.FromSeconds(90), "no base backup was taken");
    }

    private static async Task<string?> AskAsync(NpgsqlConnection session, string question)
    {
        await using var command = new NpgsqlCommand(question, session);
        return await command.ExecuteScalarAsync(Cancel) as string;
    }
}
