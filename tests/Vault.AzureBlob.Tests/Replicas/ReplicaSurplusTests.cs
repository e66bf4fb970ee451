using Backup.Services.Testing;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Replicas;

/// <summary>A real vault, replicated to Azurite and pruned: what may leave the replica, and what must not.</summary>
public sealed class ReplicaSurplusTests(AzuriteFixture azurite)
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Surplus_OfAPrunedVault_LeavesAReplicaThatRestoresEverySnapshotThatLives()
    {
        var (vault, snapshots, files, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica);
        var surplus = ReplicaSurplus.Decide(manifest, await replica.ListReplicaAsync(_cancel), await QueryAsync(vault, live: snapshots[2..], givenUp: snapshots[..2]));
        surplus.Snapshots.Select(o => o.Name).ShouldBe(snapshots[..2].Select(s => s.Name), ignoreOrder: true);
        surplus.Packs.Count.ShouldBeGreaterThan(0);
        surplus.Indexes.Count.ShouldBeGreaterThan(0);

        // After every single removal, in this order, what lives can be restored from the replica alone.
        var before = (await replica.ListReplicaAsync(_cancel)).Count;
        var removed = 0;
        foreach (var found in surplus.Snapshots.Concat(surplus.Indexes).Concat(surplus.Packs))
        {
            (await replica.DeleteAsync(found.Name, _cancel)).ShouldBeTrue();
            if (removed++ % 3 == 0)
            {
                TestVault.Same(await vault.Through(replica).ReadBackAsync(snapshots[2]), files[2]).ShouldBeTrue();
            }
        }

        TestVault.Same(await vault.Through(replica).ReadBackAsync(snapshots[2]), files[2]).ShouldBeTrue();
        (await replica.ListReplicaAsync(_cancel)).Count.ShouldBe(before - removed);
        (await replica.ListReplicaAsync(_cancel)).Select(o => o.Name).ShouldBe(manifest.Entries.Select(e => e.Name), ignoreOrder: true);
    }

    [Fact]
    public async Task Decide_VaultLostWhatLives_RemovesNothing()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica);
        var listing = await replica.ListReplicaAsync(_cancel);

        // The first snapshot's point lives, as far as the catalog knows: somebody dropped it from the vault behind its back.
        var query = await QueryAsync(vault, live: snapshots, givenUp: [snapshots[1]]);
        Should.Throw<VaultException>(() => ReplicaSurplus.Decide(manifest, listing, query)).Fault.ShouldBe(VaultFault.Inconsistent);
    }

    [Fact]
    public async Task Decide_ReplicaLacksWhatTheVaultHas_RemovesNothing()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica);
        await replica.DeleteAsync(manifest.Entries.First(e => e.Name.Kind == ObjectKind.DataPack).Name, _cancel);
        var listing = await replica.ListReplicaAsync(_cancel);
        var query = await QueryAsync(vault, live: snapshots[2..], givenUp: snapshots[..2]);
        Should.Throw<VaultException>(() => ReplicaSurplus.Decide(manifest, listing, query)).Fault.ShouldBe(VaultFault.Inconsistent);
    }

    [Fact]
    public async Task Decide_NobodySaidSo_RemovesOnlyReplacedIndexes()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica);
        var surplus = ReplicaSurplus.Decide(manifest, await replica.ListReplicaAsync(_cancel), new SurplusQuery { Live = [snapshots[2]], GivenUp = [], Pruned = [], OrderedAt = DateTimeOffset.UtcNow, IndexAgeMin = TimeSpan.FromDays(-36500) });
        (surplus.Snapshots.Count, surplus.Packs.Count).ShouldBe((0, 0));
    }

    [Fact]
    public async Task Decide_AnIndexIsYoung_KeepsItAndAllPacks()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica);
        var query = await QueryAsync(vault, live: snapshots[2..], givenUp: snapshots[..2]) with { IndexAgeMin = TimeSpan.FromDays(36500) };
        var surplus = ReplicaSurplus.Decide(manifest, await replica.ListReplicaAsync(_cancel), query);
        (surplus.Snapshots.Count, surplus.Indexes.Count, surplus.Packs.Count).ShouldBe((2, 0, 0));
    }

    [Fact]
    public async Task Decide_AgentsClockIsYearsAhead_AYoungIndexStaysYoung()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var manifest = await PruneAsync(vault, snapshots[..2], replica) with { CreatedAt = DateTimeOffset.UtcNow.AddYears(10) };
        var query = await QueryAsync(vault, live: snapshots[2..], givenUp: snapshots[..2]) with { IndexAgeMin = TimeSpan.FromHours(1) };
        var surplus = ReplicaSurplus.Decide(manifest, await replica.ListReplicaAsync(_cancel), query);
        (surplus.Snapshots.Count, surplus.Indexes.Count, surplus.Packs.Count).ShouldBe((2, 0, 0));
    }

    [Fact]
    public async Task RemoveManifests_KeepsTheNamedAndTheYoung()
    {
        var (vault, snapshots, _, replica) = await ReplicatedAsync();
        var outcome = await new Replication(vault.Store, replica, TimeProvider.System).RunAsync(snapshots[2], null, _cancel);
        (await replica.RemoveManifestsAsync([outcome.ManifestName], DateTimeOffset.UtcNow.AddDays(-1), _cancel)).ShouldBe(0);
        (await replica.RemoveManifestsAsync([outcome.ManifestName], DateTimeOffset.UtcNow.AddDays(1), _cancel)).ShouldBe(3);
        (await replica.RemoveManifestsAsync([], DateTimeOffset.UtcNow.AddDays(1), _cancel)).ShouldBe(1);
    }

    private async Task<(TestVault Vault, SnapshotId[] Snapshots, Dictionary<string, byte[]>[] Files, AzureBlobObjectStore Replica)> ReplicatedAsync()
    {
        var vault = await TestVault.CreateAsync(new MemoryObjectStore(), TimeProvider.System);
        var replica = Replica.Open(await azurite.NewAsync(), vault.Keys.RestoreKey.Vault, azurite.Credential());
        var files = Enumerable.Range(0, 3).Select(i => new Dictionary<string, byte[]> { ["same"] = TestVault.Bytes(1, 300_000), [$"own-{i}"] = TestVault.Bytes(10 + i, 500_000) }).ToArray();
        var snapshots = new List<SnapshotId>();
        foreach (var tree in files)
        {
            snapshots.Add((await vault.BackupAsync(tree)).Id);
            await new Replication(vault.Store, replica, TimeProvider.System).RunAsync(snapshots[^1], null, _cancel);
        }

        return (vault, [.. snapshots], files, replica);
    }

    private async Task<ReplicaManifest> PruneAsync(TestVault vault, SnapshotId[] drop, AzureBlobObjectStore replica)
    {
        var open = await vault.OpenAsync();
        await Pruner.ExecuteAsync(open, await Pruner.PlanAsync(open, new PruneRequest { Drop = drop, Grace = TimeSpan.Zero, NoWriterIsRunning = true }, _cancel), null, _cancel);
        var left = (await open.ListSnapshotsAsync(_cancel))[0].Id;
        var outcome = await new Replication(vault.Store, replica, TimeProvider.System).RunAsync(left, null, _cancel);
        return await ReplicaCheck.ReadManifestAsync(replica, open.Id, outcome.ManifestName, outcome.ManifestHash.ToString(), _cancel);
    }

    private async Task<SurplusQuery> QueryAsync(TestVault vault, SnapshotId[] live, SnapshotId[] givenUp) => new()
    {
        Live = live,
        GivenUp = givenUp,
        Pruned = await PruneNotes.DeletedPacksAsync(vault.Store, _cancel),
        OrderedAt = DateTimeOffset.UtcNow,
        IndexAgeMin = TimeSpan.FromDays(-36500),
    };
}
