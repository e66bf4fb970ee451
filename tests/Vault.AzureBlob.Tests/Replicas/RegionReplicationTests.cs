using Azure.Storage.Blobs.Models;
using Backup.Services.Testing;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Replicas;

/// <summary>Copies that the storage makes by itself, between two containers of Azurite.</summary>
public sealed class RegionReplicationTests(AzuriteFixture azurite) : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private readonly DateTimeOffset _begun = DateTimeOffset.UtcNow;
    private TestVault _vault = null!;
    private BlobLocation _first = null!;
    private BlobLocation _second = null!;

    public async ValueTask InitializeAsync()
    {
        _vault = await TestVault.CreateAsync(new MemoryObjectStore(), TimeProvider.System);
        (_first, _second) = (await azurite.NewAsync(), await azurite.NewAsync());
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private VaultId Id => _vault.Keys.RestoreKey.Vault;

    [Fact]
    public async Task Copy_InSmallSteps_IsWholeChecksSoundAndNoSnapshotComesBeforeWhatItNeeds()
    {
        var (sent, _) = await ReplicatedAsync(1);
        var seen = new List<ObjectKind>();
        var outcome = await FinishAsync(sent, objectsMax: 2, seen.AddRange);
        seen.Count.ShouldBe((int)sent.ObjectsTotal);
        seen.IndexOf(ObjectKind.Snapshot).ShouldBe(seen.Count - 1);
        seen.IndexOf(ObjectKind.ChunkMap).ShouldBeGreaterThan(seen.LastIndexOf(ObjectKind.DataPack));
        (outcome.ObjectsTotal, outcome.ObjectsCopied, outcome.BytesTotal).ShouldBe((sent.ObjectsTotal, sent.ObjectsTotal, sent.BytesTotal));
        var report = await ReplicaCheck.RunAsync(_second, Id, azurite.Credential(), outcome.ManifestName, outcome.ManifestHash.ToString(), null, _cancel);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Faults));
        report.ObjectsHashed.ShouldBe(sent.ObjectsTotal);
    }

    [Fact]
    public async Task Copy_OfALaterSnapshot_CopiesTheDifference()
    {
        var (sent, _) = await ReplicatedAsync(1);
        await FinishAsync(sent);
        var (more, _) = await ReplicatedAsync(2);
        var seen = new List<ObjectKind>();
        await FinishAsync(more, seen: seen.AddRange);
        seen.Count.ShouldBe((int)more.ObjectsCopied);
    }

    [Fact]
    public async Task Copy_WhatIsThereAlready_IsNeverOverwritten()
    {
        var (sent, files) = await ReplicatedAsync(1);
        var pack = (await Regions().NextAsync(sent.ManifestName, sent.ManifestHash.ToString(), _begun, 1, _cancel)).Lacking.Single();
        var client = azurite.Client(_second).GetBlobClient($"{Id}/{pack}");
        await client.UploadAsync(BinaryData.FromString("somebody's"), _cancel);
        await Regions().CopyAsync([pack], _cancel);
        (await client.DownloadContentAsync(_cancel)).Value.Content.ToString().ShouldBe("somebody's");
        var fault = await Should.ThrowAsync<VaultException>(() => FinishAsync(sent));
        (fault.Fault, fault.Message.Contains(pack.ToString(), StringComparison.Ordinal)).ShouldBe((VaultFault.Damaged, true));
        (await azurite.Client(_second).GetBlobsAsync(BlobTraits.None, BlobStates.None, $"{Id}/snapshots/", _cancel).ToListAsync(_cancel)).ShouldBeEmpty();
        files.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Copy_IntoAColdTier_LeavesEverythingButDataPacksHot()
    {
        var (sent, _) = await ReplicatedAsync(1);
        await FinishAsync(sent);
        await TiersOf(_second).ShouldBeColdForDataOnlyAsync(_cancel);
    }

    [Fact]
    public async Task Send_IntoAColdTier_LeavesEverythingButDataPacksHot()
    {
        var snapshot = await _vault.BackupAsync(new Dictionary<string, byte[]> { ["a"] = TestVault.Bytes(1, 400_000) });
        await new Replication(_vault.Store, Replica.Open(_first, Id, azurite.Credential(), Cold), TimeProvider.System).RunAsync(snapshot.Id, null, _cancel);
        await TiersOf(_first).ShouldBeColdForDataOnlyAsync(_cancel);
    }

    [Fact]
    public async Task Copy_RightsToReadHaveExpired_IsRefusedAndCopiesNothing()
    {
        var (sent, _) = await ReplicatedAsync(1);
        var next = await Regions().NextAsync(sent.ManifestName, sent.ManifestHash.ToString(), _begun, 10, _cancel);
        var expired = azurite.SasToReplicate(_first, DateTimeOffset.UtcNow.AddHours(-1)).TrimStart('?');
        var other = new RegionReplication(Replica.Open(_first, Id, azurite.Credential()), expired, Replica.Open(OtherAccount(), Id, OtherCredential(), Containers.Impatient), Id, TimeProvider.System);
        (await Should.ThrowAsync<VaultException>(() => other.CopyAsync([next.Lacking[0]], _cancel))).Fault.ShouldNotBe(VaultFault.Damaged);
    }

    private static BlobStoreOptions Cold { get; } = new() { DataPackTier = AccessTier.Cold };

    // Azurite trusts any source within one account, so the right to read is tried from another account, which does not exist.
    private BlobLocation OtherAccount() => BlobLocation.Parse($"{azurite.BlobEndpoint.GetLeftPart(UriPartial.Authority)}/another/{_second.Container.Segments[^1]}");

    private static BlobCredential OtherCredential() => BlobCredential.Parse("AccountName=another;AccountKey=AAAA");

    private AsyncTiers TiersOf(BlobLocation place) => new(azurite, place, Id);

    private RegionReplication Regions() => new(
        Replica.Open(_first, Id, azurite.Credential()), azurite.SasToReplicate(_first).TrimStart('?'),
        Replica.Open(_second, Id, BlobCredential.FromSas(azurite.SasToReplicate(_second)), Cold), Id, TimeProvider.System);

    private async Task<(ReplicationOutcome Sent, Dictionary<string, byte[]> Files)> ReplicatedAsync(int seed)
    {
        var files = new Dictionary<string, byte[]> { ["same"] = TestVault.Bytes(100, 300_000), [$"own-{seed}"] = TestVault.Bytes(seed, 500_000) };
        var snapshot = await _vault.BackupAsync(files);
        return (await new Replication(_vault.Store, Replica.Open(_first, Id, azurite.Credential()), TimeProvider.System).RunAsync(snapshot.Id, null, _cancel), files);
    }

    private async Task<ReplicationOutcome> FinishAsync(ReplicationOutcome sent, int objectsMax = 100, Action<IEnumerable<ObjectKind>>? seen = null)
    {
        while (true)
        {
            var step = await Regions().NextAsync(sent.ManifestName, sent.ManifestHash.ToString(), _begun, objectsMax, _cancel);
            if (step.Outcome is { } outcome)
            {
                return outcome;
            }

            step.Lacking.Count.ShouldBeInRange(1, objectsMax);
            seen?.Invoke(step.Lacking.Select(name => name.Kind));
            await Regions().CopyAsync(step.Lacking, _cancel);
        }
    }

    private sealed class AsyncTiers(AzuriteFixture azurite, BlobLocation place, VaultId vault)
    {
        public async Task ShouldBeColdForDataOnlyAsync(CancellationToken cancel)
        {
            var tiers = new List<(bool IsData, AccessTier? Tier)>();
            await foreach (var blob in azurite.Client(place).GetBlobsAsync(BlobTraits.None, BlobStates.None, $"{vault}/", cancel))
            {
                tiers.Add((blob.Name.StartsWith($"{vault}/data/", StringComparison.Ordinal), blob.Properties.AccessTier));
            }

            tiers.Where(t => t.IsData).Select(t => t.Tier).Distinct().ShouldBe([AccessTier.Cold]);
            tiers.Where(t => !t.IsData).Select(t => t.Tier).Distinct().ShouldBe([AccessTier.Hot]);
        }
    }
}
