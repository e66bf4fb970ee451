using Backup.AgentApi;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>Backups between hooks, with hooks that fail, hang and are cut off.</summary>
public sealed class HookOrderTests(PostgresFixture postgres) : IAsyncLifetime
{
    private AgentBench _bench = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        _bench.FillData(3, 1000);
        // Says who it is, and does what it is told: ends well, fails, or waits until a file is there.
        _bench.Scratch.Write("hook.sh", $"""
            echo "$1 $BACKUP_ASSET $BACKUP_RUN" >> {Log}
            case "$2" in
              fail) exit 3;;
              wait) while [ ! -e "{_bench.Scratch["go-on"]}" ]; do sleep 0.05; done;;
            esac
            """);
        _bench.Scratch.Write("db.connection", await postgres.CreateDatabaseAsync());
        _bench.Scratch.Write("down.connection", "Host=127.0.0.1;Port=9;Username=postgres;Timeout=5");
        _bench.Configure(extra: $$"""
            connections: { db: { connectionStringFile: {{_bench.Scratch["db.connection"]}} }, down: { connectionStringFile: {{_bench.Scratch["down.connection"]}} } }
            hooks:
              hold: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, hold ] }
              resume: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, resume ] }
              fails: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, fails, fail ] }
              hangs: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, hangs, wait ], timeLimitSeconds: 1 }
              waits: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, waits, wait ], timeLimitSeconds: 600 }
              literal: { command: [ /usr/bin/touch, "{{_bench.Scratch["a; touch b $(c)"]}}" ] }
              note: { sql: "CREATE TABLE held AS SELECT 1 AS n", connection: db }
              sleeps: { sql: "SELECT pg_sleep(600)", connection: db, timeLimitSeconds: 1 }
            """);
    }

    public async ValueTask DisposeAsync()
    {
        // Whatever still waits may end.
        _bench.Scratch.Write("go-on", "");
        await _bench.DisposeAsync();
    }

    [Fact]
    public async Task Backup_BetweenHooks_RunsThemInOrderAndForgetsThem()
    {
        await _bench.StartAgentAsync();
        var report = await _bench.RunAsync("backup-1", Order(["hold", "literal", "note"], ["resume"]));

        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        Lines().ShouldBe(["hold fits run-7", "resume fits run-7"]);
        File.Exists(_bench.Scratch["a; touch b $(c)"]).ShouldBeTrue();
        File.Exists(_bench.Scratch["b"]).ShouldBeFalse();
        (await CountHeldAsync()).ShouldBe(1);
        Notes().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("fails", "ended with code 3")]
    [InlineData("hangs", "did not end within 1 s")]
    [InlineData("sleeps", "did not end within 1 s")]
    public async Task Backup_HookBeforeFails_MakesNoBackupAndUndoesTheOthers(string hook, string why)
    {
        await _bench.StartAgentAsync();
        var report = await _bench.RunAsync("backup-1", Order(["hold", hook, "note"], ["resume"]));

        report.State.ShouldBe(JobState.Failed);
        (report.Failure!.Code, report.Failure.IsTransient).ShouldBe((FailureCode.HookFailed, false));
        report.Failure.Message.ShouldBe($"The hook '{hook}' {why}.");
        Lines()[0].ShouldBe("hold fits run-7");
        Lines()[^1].ShouldBe("resume fits run-7");
        (await _bench.SnapshotsAsync()).ShouldBeEmpty();
        (await CountHeldAsync()).ShouldBe(0);
        Notes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Backup_HookAfterFails_IsPartialAndTriedAgainAtTheNextStart()
    {
        await _bench.StartAgentAsync();
        var report = await _bench.RunAsync("backup-1", Order([], ["fails", "resume"]));

        report.State.ShouldBe(JobState.Partial);
        report.Backup.ShouldNotBeNull().HookFailure.ShouldNotBeNull().Message.ShouldBe("The hook 'fails' ended with code 3.");
        Lines().ShouldBe(["fails fits run-7", "resume fits run-7"]);
        (await _bench.SnapshotsAsync()).Count.ShouldBe(1);
        Notes().ShouldBe(["backup-1"]);

        await _bench.StopAgentAsync();
        _bench.Scratch.Write("hook.sh", $"echo \"mended $1\" >> {Log}");
        await _bench.StartAgentAsync();
        Lines()[2..].ShouldBe(["mended fails", "mended resume"]);
        Notes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Backup_WorkFails_OrIsCancelled_UndoesAllTheSame()
    {
        await _bench.StartAgentAsync();
        var missing = await _bench.RunAsync("backup-1", Order(["hold"], ["resume"]) with
        {
            SourceKind = SourceKind.Postgres,
            Files = null,
            Postgres = new PostgresSettings { Connection = "down" },
            Asset = "db",
        });
        missing.Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.SourceUnavailable);
        Lines().ShouldBe(["hold db run-7", "resume db run-7"]);

        (await _bench.OrderAsync("backup-2", Order(["waits"], ["resume"]))).Refusal.ShouldBeNull();
        await UntilAsync(() => Lines().Contains("waits fits run-7"));
        await _bench.OrderAsync("cancel-1", new CancelOrder { OrderId = OrderId.Parse("backup-2") });
        (await _bench.WaitForEndAsync("backup-2")).State.ShouldBe(JobState.Cancelled);
        Lines()[^1].ShouldBe("resume fits run-7");
        Notes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Backup_HookThatTheOwnerDidNotAllow_RunsNothing()
    {
        await _bench.StartAgentAsync();
        var report = await _bench.RunAsync("backup-1", Order(["hold"], ["/bin/rm"]));
        (report.State, report.Failure!.Code).ShouldBe((JobState.Failed, FailureCode.UnknownHook));
        Lines().ShouldBeEmpty();
    }

    [Fact]
    public async Task Agent_KilledBetweenHooks_UndoesThemBeforeItTakesTheOrderUpAgain()
    {
        using (var agent = AgentProcess.Start(_bench.ConfigFile))
        {
            await agent.WaitUntilOnlineAsync(TestContext.Current.CancellationToken);
            (await _bench.OrderAsync("backup-1", Order(["hold", "waits"], ["resume"]))).Refusal.ShouldBeNull();
            await UntilAsync(() => Lines().Contains("waits fits run-7"));
            await agent.KillAsync();
        }

        Notes().ShouldBe(["backup-1"]);
        Lines().ShouldNotContain("resume fits run-7");
        _bench.Scratch.Write("go-on", "");
        await _bench.StartAgentAsync();

        (await _bench.WaitForEndAsync("backup-1")).State.ShouldBe(JobState.Succeeded);
        Lines().ShouldBe(["hold fits run-7", "waits fits run-7", "resume fits run-7", "hold fits run-7", "waits fits run-7", "resume fits run-7"]);
        Notes().ShouldBeEmpty();
        (await _bench.SnapshotsAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Backup_OfADatabase_MakesARestorePointNamedByTheRun()
    {
        await _bench.StartAgentAsync();
        var report = await _bench.RunAsync("backup-1", new BackupOrder
        {
            RunId = "backup-voids-db-20260501T1200",
            Asset = "voids-db",
            SourceKind = SourceKind.Postgres,
            Postgres = new PostgresSettings { Connection = "db", RecordMebibytes = 0 },
            Vault = "main",
        });
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        report.Backup!.ConsistencyPoint!.RestorePoint.ShouldBe("backup-voids-db-20260501T1200");
    }

    private string Log => _bench.Scratch["hooks.log"];

    private BackupOrder Order(string[] before, string[] after) => _bench.Backup() with { Hooks = new BackupHooks { Before = before, After = after } };

    private string[] Lines() => File.Exists(Log) ? File.ReadAllLines(Log) : [];

    private string[] Notes() => Directory.Exists(_bench.Scratch["state/hooks"]) ? [.. Directory.GetFiles(_bench.Scratch["state/hooks"]).Select(file => Path.GetFileName(file))] : [];

    private async Task<long> CountHeldAsync()
    {
        await using var connection = new NpgsqlConnection(await File.ReadAllTextAsync(_bench.Scratch["db.connection"], Cancel) + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var query = new NpgsqlCommand("SELECT count(*) FROM pg_class WHERE relname = 'held'", connection);
        return (long)(await query.ExecuteScalarAsync(Cancel))!;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (!holds())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
