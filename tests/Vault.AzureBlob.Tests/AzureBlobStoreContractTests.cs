using Backup.Services.Testing;
using Backup.Vault.Storage;
using Backup.Vault.Testing;

namespace Backup.Vault.AzureBlob.Tests;

/// <summary>The contract of every store, against a container and against a folder of one.</summary>
public sealed class AzureBlobStoreContractTests(AzuriteFixture azurite) : ObjectStoreContract
{
    protected override async Task<IObjectStore> NewStoreAsync() => new AzureBlobObjectStore(await azurite.NewAsync(), azurite.Credential());
}

public sealed class AzureBlobFolderContractTests(AzuriteFixture azurite) : ObjectStoreContract
{
    protected override async Task<IObjectStore> NewStoreAsync() => new AzureBlobObjectStore((await azurite.NewAsync()).Below("site/vault"), azurite.Credential());
}
