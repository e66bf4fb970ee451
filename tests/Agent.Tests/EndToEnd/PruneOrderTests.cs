using Backup.AgentApi;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Dumps;
using Backup.Vault;
using Backup.Vault.Encryption;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>Orders to prune, through a real relay, on a real vault.</summary>
public sealed class PruneOrderTests : IAsyncLifetime
{
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync() => _bench = await AgentBench.StartAsync();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Prune_AgentThatOnlyBacksUp_Refuses()
    {
        var snapshots = await BackUpAsync(2);
        var report = await _bench.RunAsync("prune-1", Prune(snapshots[0]));
        (report.State, report.Failure!.Code).ShouldBe((JobState.Failed, FailureCode.KeyRefused));
        (await _bench.SnapshotsAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Prune_OfACaretaker_ShowsThenDropsAndMayBeRepeated()
    {
        var snapshots = await BackUpAsync(3);
        await BecomeCaretakerAsync();
        var shown = await _bench.RunAsync("show-1", Prune(snapshots[..2]) with { DryRun = true });
        (shown.State, shown.Prune!.SnapshotsDropped).ShouldBe((JobState.Succeeded, 2), shown.Failure?.Message);
        (await _bench.SnapshotsAsync()).Count.ShouldBe(3);

        var done = await _bench.RunAsync("prune-1", Prune(snapshots[..2]));
        (done.State, done.Prune!.SnapshotsDropped).ShouldBe((JobState.Succeeded, 2), done.Failure?.Message);
        done.Prune.PacksDeleted.ShouldBe(0);
        (await _bench.SnapshotsAsync()).ShouldHaveSingleItem().Id.ToString().ShouldBe(snapshots[2]);

        // After a crash, or asked again under another id, what is gone is no fault.
        (await _bench.RunAsync("prune-2", Prune(snapshots[..2]))).State.ShouldBe(JobState.Succeeded);
        var restored = await _bench.RunAsync("restore-1", AgentBench.Restore(snapshots[2], _bench.Scratch["restore/a"]));
        restored.State.ShouldBe(JobState.Succeeded, restored.Failure?.Message);
        _bench.ShouldBeRestored(_bench.Scratch["restore/a"]);
        (await _bench.OrderAsync("q-1", new DeletionsQuery { Vault = "main" })).Value!.Names.ShouldBeEmpty();
    }

    [Fact]
    public async Task Prune_EverySnapshotOfAnAsset_IsRefusedUnlessTheOrderSaysSo()
    {
        var snapshots = await BackUpAsync(2);
        await BecomeCaretakerAsync();
        (await _bench.RunAsync("prune-1", Prune(snapshots))).Failure!.Code.ShouldBe(FailureCode.InvalidOrder);
        (await _bench.SnapshotsAsync()).Count.ShouldBe(2);
        (await _bench.RunAsync("prune-2", Prune(snapshots) with { AllowsLast = true })).State.ShouldBe(JobState.Succeeded);
        (await _bench.SnapshotsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Prune_OfABaseBackup_NamesItsDumpToGoAlongAndNoOther()
    {
        await _bench.StartAgentAsync();
        await BecomeCaretakerAsync();
        var first = await CommitAsync("voids-db", PostgresSource.Kind, "order-1");
        var dump = await CommitAsync("voids-db:dump", PostgresDumpSource.Kind, "order-1");
        var second = await CommitAsync("voids-db", PostgresSource.Kind, "order-2");
        await CommitAsync("voids-db:dump", PostgresDumpSource.Kind, "order-2");
        await CommitAsync("voids-db:dump", PostgresDumpSource.Kind, null);

        (await _bench.RunAsync("show-0", Prune() with { DryRun = true })).Prune.ShouldNotBeNull().LogSnapshots.ShouldBeEmpty();
        var shown = await _bench.RunAsync("show-1", Prune(first) with { DryRun = true });
        shown.Prune.ShouldNotBeNull().LogSnapshots.ShouldBe([dump]);
        (await _bench.RunAsync("prune-1", Prune(first, dump))).State.ShouldBe(JobState.Succeeded);

        var left = await _bench.SnapshotsAsync();
        left.Count.ShouldBe(3);
        left.ShouldContain(s => s.Id.ToString() == second);
    }

    private async Task<string> CommitAsync(string asset, string kind, string? order)
    {
        var vault = await OpenVault.OpenAsync(new FileSystemObjectStore(_bench.VaultFolder), VaultKeyFile.Load(_bench.Scratch["backup.key"]), TimeProvider.System, TestContext.Current.CancellationToken);
        await using var writer = await vault.BeginSnapshotAsync(new WriterOptions(), TestContext.Current.CancellationToken);
        var description = new SnapshotDescription
        {
            Asset = asset,
            SourceKind = kind,
            ConsistentAt = TimeProvider.System.GetUtcNow(),
            Tags = order is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["order"] = order },
        };
        return (await writer.CommitAsync(description, writer.AddTree([]), TestContext.Current.CancellationToken)).Id.ToString();
    }

    private static PruneOrder Prune(params string[] drops) => new() { Vault = "main", Drops = drops };

    private async Task BecomeCaretakerAsync()
    {
        await _bench.StopAgentAsync();
        _bench.Configure(pruneKey: "restore.key");
        await _bench.StartAgentAsync();
    }

    private async Task<string[]> BackUpAsync(int count)
    {
        await _bench.StartAgentAsync();
        var snapshots = new List<string>();
        for (var i = 0; i < count; i++)
        {
            _bench.FillData(3, 10_000 + i);
            var report = await _bench.RunAsync($"backup-{i}", _bench.Backup());
            snapshots.Add(report.Backup!.SnapshotId);
        }

        return [.. snapshots];
    }
}
