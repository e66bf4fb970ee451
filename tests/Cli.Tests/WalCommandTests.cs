using System.Text.Json;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>The commands as PostgreSQL itself calls them: a server archives with <c>wal push</c>, another recovers with <c>wal get</c>.</summary>
public sealed class WalCommandTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Archive_LoseTheServer_AndRecoverByTheWrittenRestoreCommand()
    {
        using var bench = new CliBench();
        using var scratch = new ScratchFolder("cli-wal");
        await bench.InitAsync();
        await using var server = await StartAsync(scratch.Combine("first"));
        OpenToServers(bench, server);
        var connection = bench.Write("connection", server.ConnectionString());
        await ExecuteAsync(
            server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", "ALTER SYSTEM SET archive_mode = on",
            $"ALTER SYSTEM SET archive_command = '{Quote($"{string.Join(' ', ProgramUnderTest.CommandLine)} wal push %p --asset db --vault {bench["vault"]} --key-file {bench["backup.key"]}")}'");
        await server.StopAsync();
        await server.StartAgainAsync(Cancel);
        (await bench.AsAgentAsync("backup-postgres", "--asset", "db", "--connection-file", connection)).ShouldEnd(ExitCode.Success);
        OpenToServers(bench, server);
        await ExecuteAsync(server, "INSERT INTO kept VALUES (2)", "SELECT pg_create_restore_point('two')", "INSERT INTO kept VALUES (3)");
        var last = await AskAsync<string>(server, "SELECT pg_walfile_name(pg_switch_wal())");
        await UntilArchivedAsync(server, last);
        // Younger than the goals below: never theirs to begin with or to be compared with.
        var younger = JsonDocument.Parse((await bench.AsAgentAsync("backup-postgres", "--asset", "db", "--connection-file", connection, "--json")).ShouldEnd(ExitCode.Success).Out).RootElement;
        OpenToServers(bench, server);
        await server.KillAsync();
        Directory.Delete(server.DataFolder, recursive: true);

        var target = scratch.Combine("second", "data");
        Directory.CreateDirectory(scratch.Combine("second"));
        server.Account?.TakeOwnership(scratch.Combine("second"));
        var goal = (string[])["restore-postgres", "--asset", "db", "--target", target, "--to-name", "two"];
        var dry = (await bench.OnVaultAsync([.. goal, "--dry-run", "--json"])).ShouldEnd(ExitCode.Success);
        var plan = JsonDocument.Parse(dry.Out).RootElement;
        plan.GetProperty("secondsExpected").GetDouble().ShouldBeGreaterThan(0);
        plan.GetProperty("settings").GetProperty("restore_command").GetString().ShouldNotBeNull().ShouldContain("wal get");
        Directory.Exists(target).ShouldBeFalse();
        (await bench.OnVaultAsync(goal)).ShouldEnd(ExitCode.Success).Out.ShouldContain("Now start PostgreSQL 18");
        var written = await File.ReadAllTextAsync(Path.Combine(target, "postgresql.auto.conf"), Cancel);
        written.ShouldContain(bench["restore.key"]);
        written.ShouldNotContain(KeyText(bench["restore.key"]));
        OpenToServers(bench, server);
        File.Copy(scratch.Combine("first", "superuser.password"), scratch.Combine("second", "superuser.password"));
        await using var restored = await StartAsync(scratch.Combine("second"), "archive_command=false");
        (await AskAsync<long>(restored, "SELECT count(*) FROM kept")).ShouldBe(2);
        Directory.Exists(Path.Combine(target, "pg_wal", ".backup-prefetch")).ShouldBeFalse();
        await restored.StopAsync();

        await ProveAsync(bench, server, scratch.Combine("third"), younger.GetProperty("snapshotId").GetString()!);
        (await bench.OnVaultAsync("wal", "check", "--asset", "db")).ShouldEnd(ExitCode.Success).Out.ShouldContain("restore point \"two\"");
        (await bench.OnVaultAsync("wal", "prune", "--asset", "db", "--dry-run")).ShouldEnd(ExitCode.Success).Out.ShouldContain("Would drop 0");
        await PushAndGetAsync(bench, scratch, last);
    }

    /// <summary>Recovered by the written restore_command, in isolation, and checked; once more by hand; and with a check that fails.</summary>
    private static async Task ProveAsync(CliBench bench, PostgresServer server, string folder, string younger)
    {
        Directory.CreateDirectory(folder);
        server.Account?.TakeOwnership(folder);
        var target = Path.Combine(folder, "data");
        var programs = (await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms;
        (await bench.OnVaultAsync("restore-postgres", "--asset", "db", "--target", target, "--to-name", "two", "--action", "pause", "--prove")).ShouldEnd(ExitCode.Usage);

        var proven = (await bench.OnVaultAsync(
            "restore-postgres", "--asset", "db", "--target", target, "--to-name", "two", "--prove", "--postgres-bin", programs, "--check", "postgres=SELECT count(*) = 2 FROM kept", "--json")).ShouldEnd(ExitCode.Success);

        var line = JsonDocument.Parse(proven.Out.Trim().Split('\n')[^1]).RootElement;
        line.GetProperty("isProven").GetBoolean().ShouldBeTrue();
        line.GetProperty("tablesChanged").GetInt32().ShouldBe(1);
        line.GetProperty("pagesChecked").GetInt64().ShouldBeGreaterThan(1000);
        var text = (await bench.OnVaultAsync("prove-postgres", "--asset", "db", "--target", target, "--log", "1", "--postgres-bin", programs)).ShouldEnd(ExitCode.Success).Out;
        text.ShouldStartWith($"Proven: {target}, PostgreSQL 18");
        text.ShouldContain("B-trees checked by amcheck");
        var failed = (await bench.OnVaultAsync(
            "prove-postgres", "--asset", "db", "--target", target, "--log", "1", "--postgres-bin", programs, "--check", "postgres=SELECT count(*) = 3 FROM kept")).ShouldEnd(ExitCode.Findings).Out;
        failed.ShouldStartWith("NOT proven");
        failed.ShouldContain("check FAILED");
        (await bench.OnVaultAsync("prove-postgres", "--snapshot", younger, "--target", target, "--postgres-bin", programs)).ShouldEnd(ExitCode.Failed).Error.ShouldContain("was restored from a base backup that began at");
    }

    [Fact]
    public async Task Get_WhatCannotBeFoundOut_StopsRecoveryInsteadOfEndingIt()
    {
        using var bench = new CliBench();
        await bench.InitAsync();
        (await bench.OnVaultAsync("wal", "get", "000000010000000000000001", bench["out"], "--asset", "db")).ShouldEnd(ExitCode.NotFound);
        (await bench.OnVaultAsync("wal", "get", "00000002.history", bench["out"], "--asset", "db")).ShouldEnd(ExitCode.NotFound);
        foreach (var arguments in (string[][])
        [
            ["wal", "get", "000000010000000000000001", bench["out"], "--asset", "db", "--vault", bench["nowhere"], "--key-file", bench["restore.key"]],
            ["wal", "get", "000000010000000000000001", bench["out"], "--asset", "db", "--vault", bench["vault"], "--key-file", bench["missing.key"]],
            ["wal", "get", "000000010000000000000001", bench["out"], "--asset", "db", "--vault", bench["vault"], "--key-file", bench["restore.key"], "--prefetch", "65"],
            ["wal", "get", "000000010000000000000001", bench["out"], "--vault", bench["vault"], "--key-file", bench["restore.key"]],
            ["wal", "get", "000000010000000000000001", "", "--asset", "db", "--vault", bench["vault"], "--key-file", bench["restore.key"]],
        ])
        {
            (await bench.RunAsync(arguments)).ShouldEnd(ExitCode.RecoveryMustStop).Code.ShouldBeGreaterThan(125);
        }

        File.Exists(bench["out"]).ShouldBeFalse();
    }

    [Fact]
    public async Task Push_WhatIsNoLog_IsRefused()
    {
        using var bench = new CliBench();
        await bench.InitAsync();
        bench.Write("000000010000000000000001", new string('x', 100));
        (await bench.AsAgentAsync("wal", "push", bench["000000010000000000000001"], "--asset", "db")).ShouldEnd(ExitCode.Damaged);
        (await bench.AsAgentAsync("wal", "push", bench.Write("notes.txt", "x"), "--asset", "db")).ShouldEnd(ExitCode.NotFound);
        (await bench.AsAgentAsync("wal", "push", bench["000000010000000000000009"], "--asset", "db")).ShouldEnd(ExitCode.NotFound);
    }

    [Fact]
    public async Task Restore_ContradictingGoals_AreAUsageError()
    {
        using var bench = new CliBench();
        await bench.InitAsync();
        foreach (var goal in (string[][])[["--latest", "--immediate"], ["--to-lsn", "nonsense"], ["--to-time", "yesterday-ish"], ["--timeline", "0"], ["--tablespace", "x=y"]])
            (await bench.OnVaultAsync(["restore-postgres", "--asset", "db", "--target", bench["t"], .. goal])).ShouldEnd(ExitCode.Usage);
        (await bench.OnVaultAsync("restore-postgres", "--asset", "db", "--target", bench["t"])).ShouldEnd(ExitCode.NotFound);
    }

    /// <summary>With the last archived file of the first test: the same again, another of its name, and files fetched ahead.</summary>
    private static async Task PushAndGetAsync(CliBench bench, ScratchFolder scratch, string last)
    {
        var copy = scratch.Combine("again", last);
        Directory.CreateDirectory(scratch.Combine("again"));
        (await bench.OnVaultAsync("wal", "get", last, copy, "--asset", "db")).ShouldEnd(ExitCode.Success);
        var again = (await bench.AsAgentAsync("wal", "push", copy, "--asset", "db", "--json")).ShouldEnd(ExitCode.Success);
        JsonDocument.Parse(again.Out).RootElement.GetProperty("stored").GetBoolean().ShouldBeFalse();
        await using (var file = new FileStream(copy, FileMode.Open, FileAccess.Write))
        {
            // Behind the end of a file that was switched early nothing is checked: another content all the same.
            file.Position = file.Length - 1;
            file.WriteByte(1);
        }

        (await bench.AsAgentAsync("wal", "push", copy, "--asset", "db")).ShouldEnd(ExitCode.Conflict).Error.ShouldContain("another");
        await using (var file = new FileStream(copy, FileMode.Open, FileAccess.Write))
        {
            file.Position = 24;
            file.Write([1, 2, 3, 4, 5, 6, 7, 8]);
        }

        (await bench.AsAgentAsync("wal", "push", copy, "--asset", "db")).ShouldEnd(ExitCode.Conflict).Error.ShouldContain("cluster");
    }

    private static Task<PostgresServer> StartAsync(string folder, params string[] settings) => Task.Run(async () => await PostgresServer.StartAsync(
        await LocalPackages.InstallAsync(cancel: Cancel),
        new PostgresOptions("PostgreSQL for the commands", folder) { Durable = false, Settings = settings.Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]) }, Cancel));

    /// <summary>The servers run as another account when the tests run as root, and key files must be their user's own.</summary>
    private static void OpenToServers(CliBench bench, PostgresServer server)
    {
        if (server.Account is null)
            return;
        using var open = System.Diagnostics.Process.Start("chown", ["-R", server.Account.Name, bench.Root]);
        open.WaitForExit();
    }

    private static string KeyText(string file) => File.ReadLines(file).First(line => line.StartsWith("key", StringComparison.Ordinal)).Split(':', ' ')[^1];

    private static string Quote(string text) => text.Replace("'", "''", StringComparison.Ordinal);

    private static async Task UntilArchivedAsync(PostgresServer server, string name)
    {
        for (var asked = 0; asked < 20_000; asked++)
        {
            if (string.CompareOrdinal(await AskAsync<string>(server, "SELECT coalesce(max(last_archived_wal), '') FROM pg_stat_archiver"), name) >= 0)
                return;
        }

        throw new TimeoutException($"{name} was not archived: {await File.ReadAllTextAsync(server.LogFile, Cancel)}");
    }

    private static async Task ExecuteAsync(PostgresServer server, params string[] commands)
    {
        foreach (var text in commands)
            await AskAsync<object>(server, text);
    }

    private static async Task<T> AskAsync<T>(PostgresServer server, string question)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(question, connection);
        return (T)(await command.ExecuteScalarAsync(Cancel))!;
    }
}
