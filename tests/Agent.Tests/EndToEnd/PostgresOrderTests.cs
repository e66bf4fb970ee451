using Backup.AgentApi;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Vault;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>A live database server backed up and brought back by orders.</summary>
public sealed class PostgresOrderTests(PostgresFixture postgres) : IAsyncLifetime
{
    private AgentBench _bench = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _bench = await AgentBench.StartAsync();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task BackupAndRestore_OfALiveCluster_MakesADataDirectory()
    {
        _bench.Scratch.Write("voids.connection", await postgres.CreateDatabaseAsync());
        _bench.Configure(extra: $"connections: {{ voids: {{ connectionStringFile: {_bench.Scratch["voids.connection"]} }} }}");
        await _bench.StartAgentAsync();

        var backup = await _bench.RunAsync("backup-1", Order("voids"));

        backup.State.ShouldBe(JobState.Succeeded, backup.Failure?.Message);
        var made = backup.Backup.ShouldNotBeNull();
        made.SourceKind.ShouldBe(SourceKind.Postgres);
        made.ConsistencyPoint.ShouldNotBeNull().StopLsn.ShouldContain("/");
        made.FilesTotal.ShouldBeGreaterThan(500);

        var target = _bench.Scratch["restore/pg"];
        var order = AgentBench.Restore(made.SnapshotId, target) with { SourceKind = SourceKind.Postgres, Asset = "voids-db" };
        var restore = await _bench.RunAsync("restore-1", order);

        restore.State.ShouldBe(JobState.Succeeded, restore.Failure?.Message);
        File.Exists(Path.Combine(target, "global/pg_control")).ShouldBeTrue();
        File.ReadAllText(Path.Combine(target, "backup_label")).ShouldContain(made.ConsistencyPoint.StartLsn);

        // As if it had died between its note and the removal of the mark.
        File.WriteAllText(Path.Combine(target, ".restore-in-progress"), made.SnapshotId);
        // The same order again, its journal lost, is the same finished restore; another one may not touch the cluster.
        await LoseJournalAsync();
        (await _bench.RunAsync("restore-1", order)).State.ShouldBe(JobState.Succeeded);
        (await _bench.RunAsync("restore-2", order)).Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.TargetUnusable);
    }

    [Fact]
    public async Task Backup_AgentDiedBetweenBackupAndDump_MakesOnlyTheDumpAndReportsBoth()
    {
        const string Programs = "/usr/lib/postgresql/15/bin";
        Assert.SkipUnless(Directory.Exists(Programs), $"There are no PostgreSQL programs in {Programs}: apt-get install postgresql-15.");
        _bench.Scratch.Allow();
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(cancel: Cancel), new PostgresOptions("PostgreSQL 15", _bench.Scratch["server"]) { Durable = false, Programs = Programs }, Cancel);
        _bench.Scratch.Write("voids.connection", server.ConnectionString());
        _bench.Configure(extra: $$"""
            connections: { voids: { connectionStringFile: {{_bench.Scratch["voids.connection"]}} } }
            postgresPrograms: { 15: {{Programs}} }
            """);
        await _bench.StartAgentAsync();
        var order = Order("voids") with { Postgres = new PostgresSettings { Connection = "voids", Dump = new DumpSettings() } };
        var first = (await _bench.RunAsync("backup-1", order)).Backup.ShouldNotBeNull();
        first.DumpFailure.ShouldBeNull();
        first.ConsistencyPoint.ShouldNotBeNull().RestorePoint.ShouldBe("run-7");

        // Its journal is lost: what was made is found in the vault, and nothing is made again.
        await LoseJournalAsync();
        var found = (await _bench.RunAsync("backup-1", order)).Backup.ShouldNotBeNull();
        (found.SnapshotId, found.DumpSnapshotId, found.ConsistencyPoint).ShouldBe((first.SnapshotId, first.DumpSnapshotId, first.ConsistencyPoint));

        // A catalog that was lost learns of the dump from the vault.
        var listed = (await _bench.OrderAsync("list", new SnapshotsQuery { Vault = "main" })).Value.ShouldNotBeNull().Snapshots.ShouldHaveSingleItem();
        (listed.SnapshotId, listed.DumpSnapshotId).ShouldBe((first.SnapshotId, first.DumpSnapshotId));

        // As if it had died before the dump.
        SnapshotId.TryParse(first.DumpSnapshotId, out var dump).ShouldBeTrue();
        (await new FileSystemObjectStore(_bench.VaultFolder).DeleteAsync(dump.Name, Cancel)).ShouldBeTrue();
        await LoseJournalAsync();
        var report = await _bench.RunAsync("backup-1", order);
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        (report.Backup!.SnapshotId, report.Backup.ConsistencyPoint, report.Backup.DumpFailure).ShouldBe((first.SnapshotId, first.ConsistencyPoint, null));
        report.Backup.DumpSnapshotId.ShouldNotBeNull().ShouldNotBe(first.DumpSnapshotId);
        (await _bench.SnapshotsAsync()).Count.ShouldBe(2);
    }

    private async Task LoseJournalAsync()
    {
        await _bench.StopAgentAsync();
        File.Delete(_bench.Scratch["state/jobs.journal"]);
        await _bench.StartAgentAsync();
    }

    [Fact]
    public async Task Backup_ServerThatDoesNotAnswer_SaysThatTheSourceIsUnavailable()
    {
        _bench.Scratch.Write("down.connection", "Host=127.0.0.1;Port=9;Username=postgres;Password=topsecret;Timeout=5");
        _bench.Configure(extra: $"connections: {{ down: {{ connectionStringFile: {_bench.Scratch["down.connection"]} }} }}");
        await _bench.StartAgentAsync();

        var report = await _bench.RunAsync("backup-1", Order("down"));

        report.State.ShouldBe(JobState.Failed);
        (report.Failure!.Code, report.Failure.IsTransient).ShouldBe((FailureCode.SourceUnavailable, true));
        report.Failure.Message.ShouldNotContain("topsecret");
    }

    private static BackupOrder Order(string connection) => new()
    {
        RunId = "run-7",
        Asset = "voids-db",
        SourceKind = SourceKind.Postgres,
        Postgres = new PostgresSettings { Connection = connection },
        Vault = "main",
    };
}
