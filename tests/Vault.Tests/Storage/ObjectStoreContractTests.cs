using Backup.Vault.Storage;
using Backup.Vault.Testing;

namespace Backup.Vault.Tests.Storage;

public sealed class MemoryObjectStoreTests : ObjectStoreContract
{
    protected override Task<IObjectStore> NewStoreAsync() => Task.FromResult<IObjectStore>(new MemoryObjectStore());
}

public sealed class FileSystemObjectStoreContractTests : ObjectStoreContract, IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    protected override Task<IObjectStore> NewStoreAsync() => Task.FromResult<IObjectStore>(new FileSystemObjectStore(_scratch.At("store")));
}
