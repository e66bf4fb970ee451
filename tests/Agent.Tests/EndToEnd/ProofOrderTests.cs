using Backup.AgentApi;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>Restores of a database that are proven by order, and drills.</summary>
public sealed class ProofOrderTests(PostgresFixture postgres) : IAsyncLifetime
{
    private AgentBench _bench = null!;
    private string _database = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        var connection = await postgres.CreateDatabaseAsync();
        _database = new NpgsqlConnectionStringBuilder(connection).Database!;
        await ExecuteAsync(connection, "CREATE TABLE voids AS SELECT n, n * 2 AS radius FROM generate_series(1, 1000) n");
        _bench.Scratch.Write("voids.connection", connection);
        await ConfigureAsync((await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms);
    }

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Restore_WithProof_ReportsWhatWasCheckedAndHowLongItTook()
    {
        var snapshot = await BackUpAsync();

        var report = await _bench.RunAsync("restore-1", Order(snapshot, "pg", Question("rows", "SELECT count(*) FROM voids", "1000")));

        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        var proof = report.Restore.ShouldNotBeNull().Proof.ShouldNotBeNull();
        proof.IsProven.ShouldBeTrue();
        proof.MajorVersion.ShouldBe(18);
        proof.TablesEqual.ShouldBeGreaterThan(0);
        proof.RowsCompared.ShouldBeGreaterThanOrEqualTo(1000);
        proof.IndexesChecked.ShouldNotBeNull().ShouldBeGreaterThan(100);
        proof.PagesChecked.ShouldNotBeNull().ShouldBeGreaterThan(1000);
        proof.Checks.ShouldHaveSingleItem().Answer.ShouldBe("1000");
        proof.Steps.Select(step => step.Step).ShouldBe(["start", "content", "indexes", "checks", "pages"]);
        DateTimeOffset[] order = [proof.AcceptedAt, proof.RestoredAt, proof.ConsistentAt!.Value, proof.CheckedAt];
        order.ShouldBe(order.Order());
        File.Exists(_bench.Scratch["restore/pg/global/pg_control"]).ShouldBeTrue();
    }

    [Fact]
    public async Task Restore_ProofFindsSomething_IsPartialAndSaysWhat()
    {
        var snapshot = await BackUpAsync();

        var report = await _bench.RunAsync("restore-1", Order(snapshot, "pg", Question("rows", "SELECT count(*) FROM voids", "1001")));

        report.State.ShouldBe(JobState.Partial);
        report.Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.ProofFailed);
        report.Failure.Message.ShouldBe("The proof found 1 faults: checks: rows: 1000");
        report.Restore!.Proof!.IsProven.ShouldBeFalse();
        report.Restore.FilesRestored.ShouldBeGreaterThan(500);
    }

    [Fact]
    public async Task Drill_LeavesNothingBehind_AndRefusesWhatIsNotEmpty()
    {
        var snapshot = await BackUpAsync();
        var drill = Order(snapshot, "drill") with { Discard = true };

        var report = await _bench.RunAsync("drill-1", drill);

        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        report.Restore!.Proof!.IsProven.ShouldBeTrue();
        Directory.Exists(_bench.Scratch["restore/drill"]).ShouldBeFalse();

        // The same order after its journal was lost: what it found is noted, and nothing is restored again.
        await _bench.StopAgentAsync();
        File.Delete(_bench.Scratch["state/jobs.journal"]);
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("drill-1", drill)).Restore!.Proof!.CheckedAt.ShouldBe(report.Restore.Proof.CheckedAt);
        _bench.Scratch.Write("restore/drill/precious", "x");
        (await _bench.RunAsync("drill-2", drill)).Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.TargetUnusable);
        File.Exists(_bench.Scratch["restore/drill/precious"]).ShouldBeTrue();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Drill_Cancelled_LeavesNothingBehind(bool isAgentStoppedMeanwhile)
    {
        var snapshot = await BackUpAsync();
        var drill = Order(snapshot, "drill", Question("waits", "SELECT count(*) FROM pg_sleep(600)", "1")) with { Discard = true };
        (await _bench.OrderAsync("drill-1", drill)).Refusal.ShouldBeNull();
        // Restored, and held by a question that takes longer than anybody waits.
        while ((await _bench.AskAsync("drill-1", 1)).Progress?.Phase != "proving: checks")
        {
            Cancel.ThrowIfCancellationRequested();
        }

        if (isAgentStoppedMeanwhile)
        {
            await _bench.StopAgentAsync();
            File.Exists(_bench.Scratch["restore/drill/global/pg_control"]).ShouldBeTrue();
            await _bench.StartAgentAsync();
        }

        await _bench.OrderAsync("cancel-1", new CancelOrder { OrderId = OrderId.Parse("drill-1") });

        var report = await _bench.WaitForEndAsync("drill-1");
        (report.State, report.Failure!.Message).ShouldBe((JobState.Cancelled, "The job was cancelled."));
        Directory.Exists(_bench.Scratch["restore/drill"]).ShouldBeFalse();
    }

    [Fact]
    public async Task Restore_ToAMomentAfterTheBackup_TakesWhatCameSinceFromTheLogAndNoMore()
    {
        await _bench.StopAgentAsync();
        var connection = (await File.ReadAllTextAsync(_bench.Scratch["voids.connection"], Cancel)).Trim();
        await ConfigureAsync((await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms, ", wal: { vault: main, asset: voids-db, slot: wal_to_a_moment, durableWithinSeconds: 1 }");
        await UntilReadAsync(reading => reading.AgeSeconds is not null);
        var snapshot = await BackUpAsync();
        await ExecuteAsync(connection, "INSERT INTO voids SELECT n FROM generate_series(1, 234) n");
        var moment = DateTimeOffset.UtcNow;
        await ExecuteAsync(connection, "INSERT INTO voids SELECT n FROM generate_series(1, 5000) n");
        await UntilReadAsync(reading => reading.AgeSeconds is { } age && DateTimeOffset.UtcNow.AddSeconds(-age) > moment.AddSeconds(1));

        var then = await _bench.RunAsync("restore-1", Order(snapshot, "then", Question("rows", "SELECT count(*) FROM voids", "1234")) with { Recovery = new RecoveryGoal { Time = moment } });
        var latest = await _bench.RunAsync("restore-2", Order(snapshot, "latest", Question("rows", "SELECT count(*) FROM voids", "6234")) with { Recovery = new RecoveryGoal() });
        var never = await _bench.RunAsync("restore-3", Order(snapshot, "never") with { Recovery = new RecoveryGoal { Time = DateTimeOffset.UtcNow.AddHours(1) } });

        foreach (var report in (JobReport[])[then, latest])
        {
            report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
            report.Restore.ShouldNotBeNull().Proof.ShouldNotBeNull().IsProven.ShouldBeTrue();
            var way = report.Restore.Recovery.ShouldNotBeNull();
            (way.Timeline, way.FromLsn == way.ToLsn).ShouldBe((1, false));
        }

        // What the goal does not need stays where it is, and what cannot be reached is known before anything is written.
        never.Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.SnapshotMissing);
        never.Failure.Message.ShouldContain("newest restorable moment");
        Directory.Exists(_bench.Scratch["restore/never"]).ShouldBeFalse();
        await _bench.StopAgentAsync();
        await ExecuteAsync(connection, "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = 'wal_to_a_moment'");
    }

    [Fact]
    public async Task Restore_NoServerToProveWith_KeepsTheRestoreAndSaysWhatIsMissing()
    {
        var snapshot = await BackUpAsync();
        await _bench.StopAgentAsync();
        Directory.CreateDirectory(_bench.Scratch["nothing-here"]);
        await ConfigureAsync(_bench.Scratch["nothing-here"]);

        var report = await _bench.RunAsync("restore-1", Order(snapshot, "pg"));

        report.State.ShouldBe(JobState.Partial);
        report.Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.ProofFailed);
        report.Failure.Message.ShouldContain("no program postgres of PostgreSQL 18");
        File.Exists(_bench.Scratch["restore/pg/global/pg_control"]).ShouldBeTrue();
    }

    private async Task UntilReadAsync(Func<RpoReading, bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(90));
        while (!holds((await _bench.OrderAsync($"rpo-{Guid.NewGuid():N}", new RpoQuery())).Value.ShouldNotBeNull().Readings.ShouldHaveSingleItem()))
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private async Task ConfigureAsync(string programs, string log = "")
    {
        _bench.Configure(extra: $$"""
            connections: { voids: { connectionStringFile: {{_bench.Scratch["voids.connection"]}}{{log}} } }
            postgresPrograms: { 18: {{programs}} }
            """);
        await _bench.StartAgentAsync();
    }

    private async Task<string> BackUpAsync()
    {
        var backup = await _bench.RunAsync("backup-1", new BackupOrder
        {
            RunId = "run-7",
            Asset = "voids-db",
            SourceKind = SourceKind.Postgres,
            Postgres = new PostgresSettings { Connection = "voids" },
            Vault = "main",
        });
        backup.State.ShouldBe(JobState.Succeeded, backup.Failure?.Message);
        return backup.Backup!.SnapshotId;
    }

    private RestoreOrder Order(string snapshot, string target, params ProofQuestion[] checks) =>
        AgentBench.Restore(snapshot, _bench.Scratch[$"restore/{target}"]) with { SourceKind = SourceKind.Postgres, Asset = "voids-db", Proof = new ProofSettings { Checks = checks } };

    private ProofQuestion Question(string name, string sql, string expect) => new() { Name = name, Database = _database, Sql = sql, Expect = expect };

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
