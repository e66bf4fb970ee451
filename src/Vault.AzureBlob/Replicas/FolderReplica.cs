using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>
/// A vault's copy on a disk or a mounted share of another node: a folder named by the vault's id in a folder that copies of several vaults share.
/// It is a vault by itself: whoever has its keys restores from it with <c>backupctl</c>.
/// </summary>
public sealed class FolderReplica : IReplicaStore
{
    private readonly FileSystemObjectStore _store;
    private readonly VaultId _vault;

    /// <summary>Uses the copy of a vault; its folder is made at the first write.</summary>
    /// <param name="copies">The folder that holds the copies.</param>
    /// <param name="vault">Whose copy.</param>
    public FolderReplica(string copies, VaultId vault)
    {
        _store = new FileSystemObjectStore(Path.Combine(copies, vault.ToString()));
        _vault = vault;
    }

    /// <inheritdoc/>
    public string Description => _store.Description;

    /// <inheritdoc/>
    public bool ReadsPiecesFreely => _store.ReadsPiecesFreely;

    /// <inheritdoc/>
    public string ManifestPathOf(ContentHash hash) => $"{_vault}/{ReplicaManifest.NameOf(hash)}";

    /// <inheritdoc/>
    public Task CreateManifestAsync(ContentHash hash, ReadOnlyMemory<byte> content, CancellationToken cancel) => _store.CreateBesideAsync(ReplicaManifest.NameOf(hash), content, cancel);

    /// <inheritdoc/>
    public Task<byte[]> ReadManifestAsync(ContentHash hash, CancellationToken cancel) => _store.ReadBesideAsync(ReplicaManifest.NameOf(hash), ReplicaManifest.BytesMax, cancel);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ReplicaObject>> ListReplicaAsync(CancellationToken cancel)
    {
        var objects = new List<ReplicaObject>();
        foreach (var kind in Replica.Kinds)
        {
            await foreach (var found in _store.ListAsync(kind, cancel).ConfigureAwait(false))
            {
                if (_store.WrittenAt(found.Name) is { } since)
                {
                    objects.Add(new ReplicaObject(found.Name, found.Length, since));
                }
            }
        }

        return objects;
    }

    /// <inheritdoc/>
    public async Task<int> RemoveManifestsAsync(IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel)
    {
        var removed = 0;
        foreach (var (name, writtenAt) in await _store.ListBesideAsync(ReplicaManifest.Folder, cancel).ConfigureAwait(false))
        {
            var path = $"{ReplicaManifest.Folder}/{name}";
            if (writtenAt < olderThan && !kept.Contains($"{_vault}/{path}"))
            {
                removed += await _store.DeleteBesideAsync(path, cancel).ConfigureAwait(false) ? 1 : 0;
            }
        }

        return removed;
    }

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel) => _store.CreateAsync(name, content, cancel);

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, Stream content, CancellationToken cancel) => _store.CreateAsync(name, content, cancel);

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => _store.ReadAsync(name, cancel);

    /// <inheritdoc/>
    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel) => _store.ReadRangeAsync(name, offset, destination, cancel);

    /// <inheritdoc/>
    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => _store.FindLengthAsync(name, cancel);

    /// <inheritdoc/>
    public IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, CancellationToken cancel) => _store.ListAsync(kind, cancel);

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => _store.DeleteAsync(name, cancel);

    /// <inheritdoc/>
    public Task<bool> QuarantineAsync(ObjectName name, CancellationToken cancel) => _store.QuarantineAsync(name, cancel);
}
