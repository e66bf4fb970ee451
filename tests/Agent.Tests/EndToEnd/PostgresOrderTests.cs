using Backup.AgentApi;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>A live database server backed up and brought back by orders.</summary>
public sealed class PostgresOrderTests(PostgresFixture postgres) : IAsyncLifetime
{
    private AgentBench _bench = null!;

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
        await _bench.StopAgentAsync();
        File.Delete(_bench.Scratch["state/jobs.journal"]);
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("restore-1", order)).State.ShouldBe(JobState.Succeeded);
        (await _bench.RunAsync("restore-2", order)).Failure.ShouldNotBeNull().Code.ShouldBe(FailureCode.TargetUnusable);
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
