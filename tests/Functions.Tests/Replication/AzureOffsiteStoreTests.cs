using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Services.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using AccessTier = Azure.Storage.Blobs.Models.AccessTier;

namespace Backup.Functions.Tests.Replication;

/// <summary>Against Azurite.</summary>
public sealed class AzureOffsiteStoreTests(AzuriteFixture azurite)
{
    private const string Vault = "00112233445566778899aabbccddeeff";
    private static readonly TierName Tier = new("offsite-hot");

    [Fact]
    public async Task Grant_Copy_MakesTheContainerAndMayCreateButNeitherOverwriteNorDelete()
    {
        var grant = await Store().GrantAsync(Tier, "grant-copy", ReplicaRights.Copy, CancellationToken.None);
        grant.Container.ToString().ShouldEndWith("/grant-copy");
        grant.ToString().ShouldNotContain("sig=");
        var stolen = Client(grant);
        await stolen.UploadBlobAsync("x", BinaryData.FromString("first"));
        var blob = stolen.GetBlobClient("x");
        await RefusedAsync(() => blob.UploadAsync(BinaryData.FromString("other"), overwrite: true));
        await RefusedAsync(() => blob.UploadAsync(BinaryData.FromString("other"), overwrite: false));
        await RefusedAsync(() => blob.DeleteAsync());
        await RefusedAsync(() => blob.SetMetadataAsync(new Dictionary<string, string> { ["x"] = "y" }));
        await RefusedAsync(() => blob.SetAccessTierAsync(AccessTier.Archive));
        await RefusedAsync(() => stolen.DeleteAsync());
        var before = (await blob.GetPropertiesAsync()).Value;
        await RefusedAsync(() => blob.SetAccessTierAsync(AccessTier.Cool));
        await RefusedAsync(() => blob.SetHttpHeadersAsync(new BlobHttpHeaders { ContentType = "text/plain" }));
        await RefusedAsync(() => blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots));
        await RefusedAsync(() => blob.GetBlobLeaseClient().AcquireAsync(TimeSpan.FromSeconds(15)));
        await RefusedAsync(() => stolen.GetBlobLeaseClient().AcquireAsync(TimeSpan.FromSeconds(15)));
        await RefusedAsync(() => stolen.SetMetadataAsync(new Dictionary<string, string> { ["x"] = "y" }));
        await RefusedAsync(() => stolen.SetAccessPolicyAsync(PublicAccessType.Blob));
        await RefusedAsync(() => stolen.GetAppendBlobClient("x").CreateAsync());
        await RefusedAsync(() => stolen.GetPageBlobClient("x").CreateAsync(512));
        await NotDoneAsync(() => blob.SetTagsAsync(new Dictionary<string, string> { ["x"] = "y" }));
        await NotDoneAsync(() => blob.SetImmutabilityPolicyAsync(new BlobImmutabilityPolicy { ExpiresOn = DateTimeOffset.UtcNow.AddDays(1), PolicyMode = BlobImmutabilityPolicyMode.Unlocked }));
        await NotDoneAsync(() => blob.DeleteImmutabilityPolicyAsync());
        await NotDoneAsync(() => blob.SetLegalHoldAsync(false));
        await stolen.UploadBlobAsync("source", BinaryData.FromString("other"));
        var source = new Uri($"{grant.Container}/source?{grant.Sas}");
        await NotDoneAsync(() => blob.SyncCopyFromUriAsync(source));
        await NotDoneAsync(async () => await (await blob.StartCopyFromUriAsync(source)).WaitForCompletionAsync());
        var other = new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient("somebody-elses");
        await other.CreateIfNotExistsAsync();
        var elsewhere = new BlobContainerClient(other.Uri, new AzureSasCredential(grant.Sas));
        await RefusedAsync(() => elsewhere.UploadBlobAsync("x", BinaryData.FromString("other")));
        await RefusedAsync(async () => await elsewhere.GetBlobsAsync().GetAsyncEnumerator().MoveNextAsync());
        var blocks = stolen.GetBlockBlobClient("x");
        await RefusedAsync(async () =>
        {
            await blocks.StageBlockAsync(Convert.ToBase64String("0001"u8), new MemoryStream("other"u8.ToArray()));
            await blocks.CommitBlockListAsync([Convert.ToBase64String("0001"u8)]);
        });
        (await blob.DownloadContentAsync()).Value.Content.ToString().ShouldBe("first");
        var after = (await blob.GetPropertiesAsync()).Value;
        (after.ETag, after.LastModified, after.AccessTier, after.Metadata.Count, after.ContentType).ShouldBe((before.ETag, before.LastModified, before.AccessTier, 0, before.ContentType));
        await Store().GrantAsync(Tier, "grant-copy", ReplicaRights.Copy, CancellationToken.None);
    }

    /// <summary>
    /// The right to create covers snapshots of blobs, too: no other right makes objects that cannot be overwritten. A snapshot changes nothing of its blob, and must not keep
    /// the app from removing what retention gave up.
    /// </summary>
    [Fact]
    public async Task Grant_Copy_StolenForSnapshotsLeasesAndUndeletion_ChangesNothingAndHoldsNothingUp()
    {
        const string Container = "grant-snapshots";
        var grant = await Store().GrantAsync(Tier, Container, ReplicaRights.Copy, CancellationToken.None);
        var stolen = Client(grant);
        var hash = new string('b', 64);
        var (pack, manifest) = ($"data/bb/{hash}", $"replica-manifests/{hash}");
        foreach (var name in (string[])[pack, manifest])
        {
            var blob = stolen.GetBlobClient($"{Vault}/{name}");
            await blob.UploadAsync(BinaryData.FromString("first"));
            var before = (await blob.GetPropertiesAsync()).Value;
            var snapshot = (await blob.CreateSnapshotAsync()).Value.Snapshot;
            await RefusedAsync(() => blob.WithSnapshot(snapshot).DeleteAsync());
            await RefusedAsync(() => blob.DeleteAsync(DeleteSnapshotsOption.OnlySnapshots));
            await RefusedAsync(() => blob.WithSnapshot(snapshot).SetAccessTierAsync(AccessTier.Archive));
            await NotDoneAsync(() => blob.SyncCopyFromUriAsync(new Uri($"{blob.Uri}?snapshot={snapshot}&{grant.Sas}")));
            await RefusedAsync(() => blob.GetBlobLeaseClient().AcquireAsync(BlobLeaseClient.InfiniteLeaseDuration));
            await RefusedAsync(() => blob.GetBlobLeaseClient().BreakAsync());
            await NotDoneAsync(() => blob.UndeleteAsync());
            var after = (await blob.GetPropertiesAsync()).Value;
            (after.ETag, after.LastModified, after.LeaseState).ShouldBe((before.ETag, before.LastModified, LeaseState.Available));
        }

        var replica = new OffsiteReplica(Tier, Container, Vault, $"{Vault}/{manifest}", hash);
        await Store().RemoveAsync(replica, [pack], CancellationToken.None);
        (await Store().RemoveManifestsAsync(replica, [], DateTimeOffset.UtcNow.AddDays(1), CancellationToken.None)).ShouldBe(1);
        await foreach (var left in new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient(Container).GetBlobsAsync(BlobTraits.None, BlobStates.Snapshots, "", CancellationToken.None))
        {
            left.Name.ShouldBeNull("nothing is left, no snapshot either");
        }
    }

    [Fact]
    public async Task Grant_Expired_OpensNothing()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow - AzureOffsiteStore.GrantLifetime - TimeSpan.FromMinutes(1));
        var grant = await Store(clock: clock).GrantAsync(Tier, "grant-expired", ReplicaRights.Copy, CancellationToken.None);
        await RefusedAsync(() => Client(grant).UploadBlobAsync("x", BinaryData.FromString("x")));
    }

    [Fact]
    public async Task Grant_Read_MayNotWrite()
    {
        await Store().GrantAsync(Tier, "grant-read", ReplicaRights.Copy, CancellationToken.None);
        var container = Client(await Store().GrantAsync(Tier, "grant-read", ReplicaRights.Read, CancellationToken.None));
        (await Should.ThrowAsync<RequestFailedException>(() => container.UploadBlobAsync("x", BinaryData.FromString("x")))).Status.ShouldBe(403);
    }

    [Fact]
    public async Task Grant_StorageIsAway_IsTransient()
    {
        var store = Store("DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;");
        var fault = await Should.ThrowAsync<ControlPlaneException>(() => store.GrantAsync(Tier, "x-y-z", ReplicaRights.Copy, new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token));
        (fault.Fault, fault.IsTransient).ShouldBe((ControlPlaneFault.OffsiteUnavailable, true));
    }

    [Fact]
    public async Task Grant_WrongKey_IsRefusedForGood()
    {
        var wrong = azurite.ConnectionString.Split(';').Select(p => p.StartsWith("AccountKey=", StringComparison.Ordinal) ? "AccountKey=AAAA" : p);
        var fault = await Should.ThrowAsync<ControlPlaneException>(() => Store(string.Join(';', wrong)).GrantAsync(Tier, "wrong-key", ReplicaRights.Copy, CancellationToken.None));
        (fault.Fault, fault.IsTransient).ShouldBe((ControlPlaneFault.OffsiteRefused, false));
    }

    [Fact]
    public async Task Check_ManifestIsNotThere_IsAFinding()
    {
        await Store().GrantAsync(Tier, "check-none", ReplicaRights.Copy, CancellationToken.None);
        var hash = new string('a', 64);
        var look = await Store().CheckAsync(Tier, "check-none", Vault, $"{Vault}/replica-manifests/{hash}", hash, CancellationToken.None);
        look.IsSound.ShouldBeFalse();
        look.Finding.Length.ShouldBeGreaterThan(10);
    }

    [Fact]
    public void Settings_OfATier_OverrideTheGeneralOnes() =>
        new AzureOffsiteStore(
            new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Offsite:ConnectionString"] = azurite.ConnectionString,
                [$"Offsite:{Tier}:ServiceUri"] = "https://account.blob.core.windows.net",
            }).Build(),
            TimeProvider.System).AddressOf(Tier, "c").ToString().ShouldBe("https://account.blob.core.windows.net/c");

    /// <summary>Without the library's retries: what Azurite does not know it answers with errors that look as if they might pass.</summary>
    private static BlobContainerClient Client(ReplicaGrant grant)
    {
        var options = new BlobClientOptions();
        options.Retry.MaxRetries = 0;
        return new BlobContainerClient(grant.Container, new AzureSasCredential(grant.Sas), options);
    }

    /// <summary>Refused for good: with a permission error or because the blob exists, never done.</summary>
    private static async Task RefusedAsync(Func<Task> call)
    {
        (await Should.ThrowAsync<RequestFailedException>(call)).Status.ShouldBeOneOf(403, 409, 412);
    }

    /// <summary>Azurite knows some of these not at all, and says so in its own ways; that nothing has changed is seen at the end.</summary>
    private static Task<RequestFailedException> NotDoneAsync(Func<Task> call) => Should.ThrowAsync<RequestFailedException>(call);

    private AzureOffsiteStore Store(string? connection = null, TimeProvider? clock = null) => new(
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Offsite:ConnectionString"] = connection ?? azurite.ConnectionString }).Build(), clock ?? TimeProvider.System);
}
