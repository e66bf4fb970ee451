using System.Security.Cryptography;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using Backup.Services.Testing;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Archive;

/// <summary>
/// Against Azurite, which keeps archived blobs unreadable as Azure does, but completes a copy out of the archive at once and knows no priorities: hours of waiting
/// are tested with the orchestrations, whose storage can be slow.
/// </summary>
public sealed class RehydratedCopiesTests(AzuriteFixture azurite) : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private readonly VaultId _vault = new(RandomNumberGenerator.GetBytes(VaultId.Length));
    private BlobLocation _container = null!;

    public async ValueTask InitializeAsync() => _container = await azurite.NewAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Azurite_ArchivedBlob_CannotBeRead()
    {
        var pack = await AddAsync(AccessTier.Archive);
        var refusal = await Should.ThrowAsync<RequestFailedException>(() => BlobOf(pack).DownloadContentAsync(_cancel));
        (refusal.Status, refusal.ErrorCode).ShouldBe((409, "BlobArchived"));
        (await Should.ThrowAsync<VaultException>(() => Replica.Open(_container, _vault, azurite.Credential()).ReadAsync(pack, _cancel))).Message.ShouldContain("archive tier");
    }

    [Fact]
    public async Task Request_ArchivedPacks_AreReadFromTheirCopiesAndStayWhereTheyAre()
    {
        var (archived, hot) = (await AddAsync(AccessTier.Archive), await AddAsync(AccessTier.Hot));
        var copies = new RehydratedCopies(_container, _vault, BlobCredential.OfService(new BlobServiceClient(azurite.ConnectionString)));
        var before = await copies.ListAsync(_cancel);
        (before[archived].Presence, before[hot].Presence, before.Count).ShouldBe((PackPresence.Archived, PackPresence.Online, 2));

        await copies.RequestAsync([archived], isHighPriority: true, _cancel);
        await copies.RequestAsync([archived], isHighPriority: false, _cancel);

        var after = (await copies.ListAsync(_cancel))[archived];
        (after.Presence, after.IsCopy).ShouldBe((PackPresence.Online, true));
        var read = await RehydratedReplica.OpenAsync(_container, _vault, BlobCredential.FromSas(Sas(BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read)), _cancel);
        archived.Matches(await read.ReadAsync(archived, _cancel)).ShouldBeTrue();
        hot.Matches(await read.ReadAsync(hot, _cancel)).ShouldBeTrue();
        var part = new byte[10];
        await read.ReadRangeAsync(archived, 5, part, _cancel);
        part.ShouldBe((await read.ReadAsync(archived, _cancel))[5..15]);
        read.IsWaiting(archived).ShouldBeFalse();
        (await BlobOf(archived).GetPropertiesAsync(cancellationToken: _cancel)).Value.AccessTier.ShouldBe("Archive");
    }

    [Fact]
    public async Task Remove_Copies_LeavesTheArchive_AndRequestingAgainBringsThemBack()
    {
        var pack = await AddAsync(AccessTier.Archive);
        var copies = new RehydratedCopies(_container, _vault, azurite.Credential());
        await copies.RequestAsync([pack], isHighPriority: false, _cancel);
        await copies.RemoveAsync([pack], _cancel);
        await copies.RemoveAsync([pack], _cancel);
        (await copies.ListAsync(_cancel))[pack].Presence.ShouldBe(PackPresence.Archived);
        (await BlobOf(pack).ExistsAsync(_cancel)).Value.ShouldBeTrue();
        (await RehydratedReplica.OpenAsync(_container, _vault, azurite.Credential(), _cancel)).IsWaiting(pack).ShouldBeTrue();
        await copies.RequestAsync([pack], isHighPriority: false, _cancel);
        (await copies.ListAsync(_cancel))[pack].Presence.ShouldBe(PackPresence.Online);
    }

    [Fact]
    public async Task Request_WithAnAgentsRights_IsRefused()
    {
        var pack = await AddAsync(AccessTier.Archive);
        var copies = new RehydratedCopies(_container, _vault, BlobCredential.FromSas(Sas(BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read)));
        (await Should.ThrowAsync<VaultException>(() => copies.RequestAsync([pack], isHighPriority: true, _cancel))).Fault.ShouldBe(VaultFault.AccessDenied);
        (await copies.ListAsync(_cancel))[pack].Presence.ShouldBe(PackPresence.Archived);
    }

    [Fact]
    public async Task List_BlobThatIsNoCopy_IsNotBelieved_AndIsReplaced()
    {
        var pack = await AddAsync(AccessTier.Archive);
        var copies = new RehydratedCopies(_container, _vault, azurite.Credential());
        var place = azurite.Client(_container).GetBlobClient($"rehydrated/{_vault}/{pack}");
        await place.UploadAsync(BinaryData.FromBytes(RandomNumberGenerator.GetBytes(1000)), _cancel);
        (await copies.ListAsync(_cancel))[pack].Presence.ShouldBe(PackPresence.Archived);

        // Nor is a copy of something else.
        await azurite.Client(_container).GetBlobClient("other").UploadAsync(BinaryData.FromBytes(new byte[1000]), _cancel);
        await place.StartCopyFromUriAsync(azurite.Client(_container).GetBlobClient("other").Uri, cancellationToken: _cancel);
        (await copies.ListAsync(_cancel))[pack].Presence.ShouldBe(PackPresence.Archived);
        await copies.RequestAsync([pack], isHighPriority: false, _cancel);
        pack.Matches(await (await RehydratedReplica.OpenAsync(_container, _vault, azurite.Credential(), _cancel)).ReadAsync(pack, _cancel)).ShouldBeTrue();
    }

    private string Sas(BlobContainerSasPermissions permissions) =>
        azurite.Client(_container).GenerateSasUri(permissions, DateTimeOffset.UtcNow.AddHours(1)).Query.TrimStart('?');

    private BlobClient BlobOf(ObjectName pack) => azurite.Client(_container).GetBlobClient($"{Replica.LocationOf(_container, _vault).Prefix}{pack}");

    private async Task<ObjectName> AddAsync(AccessTier tier)
    {
        var content = RandomNumberGenerator.GetBytes(1000);
        var name = new ObjectName(ObjectKind.DataPack, ContentHash.Of(content));
        await BlobOf(name).UploadAsync(BinaryData.FromBytes(content), new BlobUploadOptions { AccessTier = tier }, _cancel);
        return name;
    }
}
