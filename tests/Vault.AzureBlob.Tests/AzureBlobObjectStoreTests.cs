using System.Security.Cryptography;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using Backup.Services.Testing;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests;

/// <summary>What the store contract does not ask: tiers, credentials, blocks, and how failures are told.</summary>
public sealed class AzureBlobObjectStoreTests(AzuriteFixture azurite)
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Create_ContentOfManyBlocks_ReadsBackWholeAndInRanges()
    {
        var store = new AzureBlobObjectStore(await azurite.NewAsync(), azurite.Credential(), new BlobStoreOptions { BlockBytes = 1 << 20 });
        var content = RandomNumberGenerator.GetBytes((9 << 20) + 17);
        var name = ObjectName.For(ObjectKind.DataPack, content);

        (await store.CreateAsync(name, content, _cancel)).ShouldBe(CreateOutcome.Created);

        (await store.ReadAsync(name, _cancel)).ShouldBe(content);
        var part = new byte[100];
        await store.ReadRangeAsync(name, content.Length - 100, part, _cancel);
        part.ShouldBe(content[^100..]);
    }

    [Fact]
    public async Task Create_ManyWritersOfOneObjectInBlocks_CommitOneWholeObject()
    {
        var store = new AzureBlobObjectStore(await azurite.NewAsync(), azurite.Credential(), new BlobStoreOptions { BlockBytes = 256 << 10 });
        var content = RandomNumberGenerator.GetBytes(900 << 10);
        var name = ObjectName.For(ObjectKind.MetaPack, content);

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => store.CreateAsync(name, content, _cancel)));

        outcomes.Count(o => o == CreateOutcome.Created).ShouldBe(1);
        (await store.ReadAsync(name, _cancel)).ShouldBe(content);
    }

    [Fact]
    public async Task Create_WithATier_SetsItOnDataPacksOnly()
    {
        var location = await azurite.NewAsync();
        var store = new AzureBlobObjectStore(location, azurite.Credential(), new BlobStoreOptions { DataPackTier = AccessTier.Cool });
        byte[] content = [1, 2, 3];
        foreach (var kind in (ObjectKind[])[ObjectKind.DataPack, ObjectKind.MetaPack])
        {
            await store.CreateAsync(ObjectName.For(kind, content), content, _cancel);
        }

        var tiers = new Dictionary<string, AccessTier?>();
        await foreach (var blob in azurite.Client(location).GetBlobsAsync(cancellationToken: _cancel))
        {
            tiers[blob.Name.Split('/')[0]] = blob.Properties.AccessTier;
        }

        tiers.ShouldBe(new Dictionary<string, AccessTier?> { ["data"] = AccessTier.Cool, ["meta"] = AccessTier.Hot }, ignoreOrder: true);
    }

    [Fact]
    public async Task List_FolderOfAContainer_ShowsOnlyItsOwnObjects()
    {
        var location = await azurite.NewAsync();
        var outer = new AzureBlobObjectStore(location, azurite.Credential());
        var inner = new AzureBlobObjectStore(location.Below("inner"), azurite.Credential());
        byte[] content = [7];
        await inner.CreateAsync(ObjectName.For(ObjectKind.DataPack, content), content, _cancel);
        await azurite.Client(location).UploadBlobAsync("inner/data/not-an-object", BinaryData.FromString("x"), _cancel);

        (await inner.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel)).ShouldBe([new StoreObject(ObjectName.For(ObjectKind.DataPack, content), 1)]);
        (await outer.ListAsync(ObjectKind.DataPack, _cancel).ToListAsync(_cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Create_WithASasThatMayCreateButNotWrite_TakesLargeObjectsAndOverwritesNothing()
    {
        var location = await azurite.NewAsync();
        var store = new AzureBlobObjectStore(location, BlobCredential.FromSas(azurite.SasToReplicate(location)), new BlobStoreOptions { BlockBytes = 256 << 10 });
        for (var round = 0; round < 2; round++)
        {
            var content = RandomNumberGenerator.GetBytes(2 << 20);
            var name = ObjectName.For(ObjectKind.DataPack, content);
            (await store.CreateAsync(name, content, _cancel)).ShouldBe(CreateOutcome.Created);
            (await store.CreateAsync(name, RandomNumberGenerator.GetBytes(2 << 20), _cancel)).ShouldBe(CreateOutcome.AlreadyExists);
            (await store.ReadAsync(name, _cancel)).ShouldBe(content);
        }
    }

    [Fact]
    public async Task Create_OfASmallObjectThatAnotherReplicationWasFasterWith_SaysThatItExists()
    {
        var location = await azurite.NewAsync();
        var store = new AzureBlobObjectStore(location, BlobCredential.FromSas(azurite.SasToReplicate(location)), Containers.Impatient);
        byte[] content = [1, 2, 3];
        var name = ObjectName.For(ObjectKind.MetaPack, content);

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => store.CreateAsync(name, content, _cancel)));
        var later = await store.CreateAsync(name, content, _cancel);

        outcomes.Count(o => o is CreateOutcome.Created).ShouldBe(1);
        later.ShouldBe(CreateOutcome.AlreadyExists);
    }

    [Fact]
    public async Task Delete_WithASasThatMayOnlyAdd_IsDeniedAndTheObjectStays()
    {
        var location = await azurite.NewAsync();
        var sas = azurite.Client(location).GenerateSasUri(
            BlobContainerSasPermissions.Create | BlobContainerSasPermissions.Write | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read,
            DateTimeOffset.UtcNow.AddHours(1)).Query;
        var store = new AzureBlobObjectStore(location, BlobCredential.FromSas(sas), Containers.Impatient);
        byte[] content = [1];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        (await store.CreateAsync(name, content, _cancel)).ShouldBe(CreateOutcome.Created);

        var e = await Should.ThrowAsync<VaultException>(() => store.DeleteAsync(name, _cancel));

        e.Fault.ShouldBe(VaultFault.AccessDenied);
        (await store.FindLengthAsync(name, _cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task AnyCall_ExpiredSas_IsDeniedAndTellsNoSignature()
    {
        var location = await azurite.NewAsync();
        var sas = azurite.Client(location).GenerateSasUri(BlobContainerSasPermissions.Read, DateTimeOffset.UtcNow.AddHours(-1)).Query;
        var signature = sas.Split("sig=")[1].Split('&')[0];
        var store = new AzureBlobObjectStore(location, BlobCredential.FromSas(sas), Containers.Impatient);

        var e = await Should.ThrowAsync<VaultException>(() => store.ReadAsync(ObjectName.For(ObjectKind.DataPack, [1]), _cancel));

        e.Fault.ShouldBe(VaultFault.AccessDenied);
        e.ToString().ShouldNotContain(signature);
        e.ToString().ShouldNotContain(Uri.UnescapeDataString(signature));
    }

    [Fact]
    public async Task AnyCall_NobodyListens_IsUnavailableAfterItsRetries()
    {
        // Port 9 (discard) of this machine: refused at once.
        var store = new AzureBlobObjectStore(BlobLocation.Parse("http://127.0.0.1:9/acc/vault"), BlobCredential.FromSas("sv=1&sig=x"), Containers.Impatient);

        var e = await Should.ThrowAsync<VaultException>(() => store.CreateAsync(ObjectName.For(ObjectKind.DataPack, [1]), new byte[] { 1 }, _cancel));

        e.Fault.ShouldBe(VaultFault.StoreUnavailable);
        e.IsTransient.ShouldBeTrue();
    }

    [Fact]
    public async Task AnyCall_NoContainer_SaysSo()
    {
        var store = new AzureBlobObjectStore(BlobLocation.Parse($"{azurite.BlobEndpoint}/missing"), azurite.Credential(), Containers.Impatient);

        var e = await Should.ThrowAsync<VaultException>(() => store.FindLengthAsync(ObjectName.For(ObjectKind.DataPack, [1]), _cancel));
        e.Fault.ShouldBe(VaultFault.NotFound);
        e.Message.ShouldContain("ContainerNotFound");
    }

    [Fact]
    public async Task Read_ArchivedObject_SaysThatItMustBeRehydrated()
    {
        var location = await azurite.NewAsync();
        var store = new AzureBlobObjectStore(location, azurite.Credential(), Containers.Impatient with { DataPackTier = AccessTier.Archive });
        byte[] content = [1];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        await store.CreateAsync(name, content, _cancel);

        var e = await Should.ThrowAsync<VaultException>(() => store.ReadAsync(name, _cancel));

        e.Hint.ShouldContain("Rehydrate");
        (await store.CreateAsync(name, content, _cancel)).ShouldBe(CreateOutcome.AlreadyExists);
    }
}
