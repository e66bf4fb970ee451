using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>
/// Copies of archived packs in an online tier, for a restore: below <c>rehydrated/VAULT/</c> in the replica's own container, under the packs' own names.
/// </summary>
/// <remarks>
/// Copied rather than moved: a pack that leaves the archive tier before its 180 days is billed for them all the same, and would have to be written
/// there again. The copy costs its reading, and its keeping until it is removed; the archived pack stays as it was, its immutability too. The service works at a
/// copy for hours; until it is complete, its blob is there but cannot be read. A blob in a copy's place that the service did not make from that pack is none: an agent may create blobs.
/// </remarks>
/// <param name="container">The replica's container.</param>
/// <param name="vault">Whose copy.</param>
/// <param name="credential">
/// Listing needs the rights to list and read, <see cref="RemoveAsync"/> to delete. <see cref="RequestAsync"/> needs an account key or an identity: the service reads the
/// source by it, which it does not do by a SAS.
/// </param>
public sealed class RehydratedCopies(BlobLocation container, VaultId vault, BlobCredential credential)
{
    private const string Folder = "rehydrated";
    private const int RequestsAtOnce = 16;

    private readonly AzureBlobObjectStore _replica = Replica.Open(container, vault, credential);
    private readonly AzureBlobObjectStore _copies = new(container.Below(Folder).Below(vault.ToString()), credential);

    /// <summary>The copies as a place to read from.</summary>
    internal AzureBlobObjectStore Store => _copies;

    /// <summary>Every data pack of the replica.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public async Task<IReadOnlyDictionary<ObjectName, ArchivedPack>> ListAsync(CancellationToken cancel)
    {
        var copies = new Dictionary<ObjectName, (long Length, PackPresence Presence)>();
        await foreach (var (name, blob) in _copies.ListObjectsAsync(ObjectKind.DataPack, BlobTraits.CopyStatus, cancel).ConfigureAwait(false))
        {
            if (IsOf(name, blob.CopySource))
            {
                copies[name] = (blob.ContentLength ?? 0, PresenceOfCopy(blob));
            }
        }

        var packs = new Dictionary<ObjectName, ArchivedPack>();
        await foreach (var (name, blob) in _replica.ListObjectsAsync(ObjectKind.DataPack, cancel).ConfigureAwait(false))
        {
            var length = blob.ContentLength ?? 0;
            var hasCopy = copies.TryGetValue(name, out var copy);
            var presence = blob.AccessTier != AccessTier.Archive ? PackPresence.Online
                : !hasCopy || copy.Length != length ? PackPresence.Archived
                : copy.Presence;
            packs[name] = new ArchivedPack(name, length, presence, IsCopy: presence is PackPresence.Online && blob.AccessTier == AccessTier.Archive);
        }

        return packs;
    }

    /// <summary>Asks the service to copy packs to an online tier. What was asked for before, and has not failed, is left as it is.</summary>
    /// <param name="packs">Their names.</param>
    /// <param name="isHighPriority">Dearer, and mostly within an hour.</param>
    /// <param name="cancel">Gives up; what was asked for stays.</param>
    /// <exception cref="VaultException">The store failed or refused; some may have been asked for.</exception>
    public Task RequestAsync(IEnumerable<ObjectName> packs, bool isHighPriority, CancellationToken cancel) => Parallel.ForEachAsync(
        packs,
        new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = cancel },
        async (name, stop) => await RequestOneAsync(name, isHighPriority, stop).ConfigureAwait(false));

    /// <summary>Removes copies, complete or not; the archived packs stay. Those that are gone are no fault.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    public Task RemoveAsync(IEnumerable<ObjectName> packs, CancellationToken cancel) => Parallel.ForEachAsync(
        packs,
        new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = cancel },
        async (name, stop) => await _copies.DeleteAsync(name, stop).ConfigureAwait(false));

    private async Task RequestOneAsync(ObjectName name, bool isHighPriority, CancellationToken cancel)
    {
        var source = new BlobUriBuilder(_replica.Location.Container) { BlobName = _replica.Location.Prefix + name }.ToUri();
        var copy = _copies.ClientOf(name);
        var existing = await FindAsync(copy, name, cancel).ConfigureAwait(false);
        if (existing is { CopyStatus: not (CopyStatus.Failed or CopyStatus.Aborted) } && IsOf(name, existing.CopySource))
        {
            return;
        }

        await AzureBlobObjectStore.GuardAsync(
            name.ToString(),
            "rehydrate",
            () => copy.StartCopyFromUriAsync(
                source,
                new BlobCopyFromUriOptions
                {
                    AccessTier = AccessTier.Hot,
                    RehydratePriority = isHighPriority ? RehydratePriority.High : RehydratePriority.Standard,
                    // A failed copy is replaced, and what is none.
                    DestinationConditions = existing is null ? new BlobRequestConditions { IfNoneMatch = Azure.ETag.All } : new BlobRequestConditions { IfMatch = existing.ETag },
                },
                cancel),
            cancel).ConfigureAwait(false);
    }

    private static Task<BlobProperties?> FindAsync(BlobClient copy, ObjectName name, CancellationToken cancel) => AzureBlobObjectStore.GuardAsync(
        name.ToString(),
        "inspect",
        async () =>
        {
            try
            {
                return (await copy.GetPropertiesAsync(cancellationToken: cancel).ConfigureAwait(false)).Value;
            }
            catch (Azure.RequestFailedException e) when (e is { Status: 404 } && e.ErrorCode != BlobErrorCode.ContainerNotFound)
            {
                return null;
            }
        },
        cancel);

    private bool IsOf(ObjectName name, Uri? source) => source is not null && new BlobUriBuilder(source).BlobName == _replica.Location.Prefix + name;

    private static PackPresence PresenceOfCopy(BlobItemProperties copy) => copy.CopyStatus switch
    {
        CopyStatus.Failed or CopyStatus.Aborted => PackPresence.Archived,
        CopyStatus.Success when copy.AccessTier != AccessTier.Archive && copy.ArchiveStatus is null => PackPresence.Online,
        _ => PackPresence.Rehydrating,
    };
}
