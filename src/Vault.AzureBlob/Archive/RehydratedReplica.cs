using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>
/// A replica whose data packs lie in the archive tier, to read from: each pack comes from where it can be read, as things stood when this was opened. Adding
/// and removing goes to the replica itself.
/// </summary>
public sealed class RehydratedReplica : IObjectStore
{
    private readonly AzureBlobObjectStore _replica;
    private readonly AzureBlobObjectStore _copies;
    private readonly IReadOnlyDictionary<ObjectName, ArchivedPack> _packs;

    private RehydratedReplica(AzureBlobObjectStore replica, AzureBlobObjectStore copies, IReadOnlyDictionary<ObjectName, ArchivedPack> packs) =>
        (_replica, _copies, _packs) = (replica, copies, packs);

    /// <inheritdoc/>
    public string Description => _replica.Description;

    /// <summary>Looks at what can be read.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public static async Task<RehydratedReplica> OpenAsync(BlobLocation container, VaultId vault, BlobCredential credential, CancellationToken cancel)
    {
        var copies = new RehydratedCopies(container, vault, credential);
        return new RehydratedReplica(Replica.Open(container, vault, credential), copies.Store, await copies.ListAsync(cancel).ConfigureAwait(false));
    }

    /// <summary>True when the pack is there, but could not be read when this was opened.</summary>
    public bool IsWaiting(ObjectName pack) => _packs.TryGetValue(pack, out var found) && found.Presence is not PackPresence.Online;

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel) => _replica.CreateAsync(name, content, cancel);

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => PlaceOf(name).ReadAsync(name, cancel);

    /// <inheritdoc/>
    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel) => PlaceOf(name).ReadRangeAsync(name, offset, destination, cancel);

    /// <inheritdoc/>
    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => _replica.FindLengthAsync(name, cancel);

    /// <inheritdoc/>
    public IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, CancellationToken cancel) => _replica.ListAsync(kind, cancel);

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => _replica.DeleteAsync(name, cancel);

    private AzureBlobObjectStore PlaceOf(ObjectName name) => _packs.TryGetValue(name, out var pack) && pack.IsCopy ? _copies : _replica;
}
