using System.Runtime.CompilerServices;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>A store in a container of Azure Blob Storage (or Azurite), or in a folder of one.</summary>
/// <remarks>
/// A create is one conditional request (<c>If-None-Match: *</c>) or parallel blocks followed by one conditional commit, each with an
/// MD5 transfer checksum that the service verifies (but not to a server on this machine): an object appears whole or not at all and is never overwritten. The service
/// acknowledges only what is durable. A credential that may create but not write (the one for agents: it cannot overwrite either) may not
/// send blocks; objects then go in one request each. Passing faults are retried by the SDK within <see cref="BlobStoreOptions"/>; a conditional create
/// whose first answer was lost is then answered as already existing.
/// The file is long because what each request means when it is refused (taken, forbidden, gone) depends on the others: they are read together.
/// </remarks>
public sealed class AzureBlobObjectStore : IReplicaStore
{
    private const int ListingPageItems = 5000;
    private const int LookFirstBytes = 1 << 20;

    private readonly BlobContainerClient _container;
    private readonly BlobStoreOptions _options;
    private volatile bool _maySendBlocks;

    /// <summary>Uses a place in blob storage; nothing is sent yet.</summary>
    public AzureBlobObjectStore(BlobLocation location, BlobCredential credential, BlobStoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(credential);
        _options = options ?? new BlobStoreOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.BlocksInFlight, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.BlocksInFlight, 32, nameof(options));
        Location = location;
        _maySendBlocks = credential.MaySendBlocks;
        _container = location.Connect(credential, _options.ToClientOptions());
    }

    /// <summary>Where the objects are.</summary>
    public BlobLocation Location { get; }

    /// <inheritdoc/>
    public string Description => Location.ToString();

    /// <inheritdoc/>
    public int WritesAtOnce => 2;

    /// <summary>Creates the container when it does not exist. Needs more rights than any other member.</summary>
    /// <exception cref="VaultException">AccessDenied or StoreUnavailable.</exception>
    public Task EnsureContainerAsync(CancellationToken cancel) => GuardAsync(
        $"the container {Location.Container}", "create", async () => await _container.CreateIfNotExistsAsync(cancellationToken: cancel).ConfigureAwait(false), cancel);

    /// <summary>What the service says of the container.</summary>
    internal Task<BlobContainerProperties> ContainerAsync(CancellationToken cancel) => GuardAsync(
        $"the container {Location.Container}", "inspect", async () => (await _container.GetPropertiesAsync(cancellationToken: cancel).ConfigureAwait(false)).Value, cancel);

    /// <inheritdoc/>
    public async Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (content.Length is 0 or > IObjectStore.ObjectBytesMax)
        {
            throw new ArgumentException($"An object has 1 to {IObjectStore.ObjectBytesMax} bytes.", nameof(content));
        }

        // A look first saves sending much for nothing; the condition below decides for certain.
        if (content.Length >= LookFirstBytes && await FindLengthAsync(name, cancel).ConfigureAwait(false) is not null)
        {
            return CreateOutcome.AlreadyExists;
        }

        return await CreateAsync(name.ToString(), content, TierOf(name), cancel).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <remarks>In one request: blocks would each be held in memory. The service lets nothing appear before all bytes are there.</remarks>
    public Task<CreateOutcome> CreateAsync(ObjectName name, Stream content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        return CreateAsync(name.ToString(), () => content, content.Length, TierOf(name), mayUseBlocks: false, cancel);
    }

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => ReadAsync(name.ToString(), IObjectStore.ObjectBytesMax, cancel);

    /// <inheritdoc/>
    public async Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (destination.Length == 0)
        {
            _ = await FindLengthAsync(name, cancel).ConfigureAwait(false)
                ?? throw new VaultException(VaultFault.NotFound, $"{name} does not exist.", "If a replica has it, run 'vault repair'.");
            return;
        }

        try
        {
            var range = new Azure.HttpRange(offset, destination.Length);
            using var download = (await Client(name.ToString()).DownloadStreamingAsync(new BlobDownloadOptions { Range = range }, cancel).ConfigureAwait(false)).Value;
            await download.Content.ReadExactlyAsync(destination, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is EndOfStreamException || BlobFailures.FindRequestFailure(e)?.Status == 416)
        {
            throw new VaultException(
                VaultFault.Damaged, $"{name} ends before the range asked for does.", "Run 'vault verify', then 'vault repair' from a replica.", e);
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            throw BlobFailures.Explain(e, name.ToString(), "read");
        }
    }

    /// <inheritdoc/>
    public async Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel)
    {
        try
        {
            var properties = await Client(name.ToString()).GetPropertiesAsync(cancellationToken: cancel).ConfigureAwait(false);
            return properties.Value.ContentLength;
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            var failure = BlobFailures.FindRequestFailure(e);
            return failure is { Status: 404 } && failure.ErrorCode != BlobErrorCode.ContainerNotFound
                ? null
                : throw BlobFailures.Explain(e, name.ToString(), "inspect");
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var (name, blob) in ListObjectsAsync(kind, cancel).ConfigureAwait(false))
        {
            yield return new StoreObject(name, blob.ContentLength ?? 0);
        }
    }

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => GuardAsync(
        name.ToString(), "delete",
        async () => (await Client(name.ToString()).DeleteIfExistsAsync(DeleteSnapshotsOption.IncludeSnapshots, cancellationToken: cancel).ConfigureAwait(false)).Value,
        cancel);

    /// <summary>
    /// Has the storage copy an object from another container or account, byte for byte and never over an existing one; its bytes do not pass through this process.
    /// </summary>
    /// <param name="name">The object.</param>
    /// <param name="from">The place that holds it.</param>
    /// <param name="sas">A signature that allows reading there; it goes to this store's service only.</param>
    /// <param name="cancel">Gives up; the outcome is then unknown.</param>
    /// <remarks>On return the object is complete: one synchronous request of the service (Copy Blob From URL), which takes up to 256 MiB.</remarks>
    /// <exception cref="VaultException">NotFound when the other place lacks it; otherwise what the store reports.</exception>
    public async Task<CreateOutcome> CopyFromAsync(ObjectName name, BlobLocation from, string sas, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(from);
        var source = new Uri($"{from.Container}/{from.Prefix}{name}?{sas}");
        var options = new BlobCopyFromUriOptions { AccessTier = TierOf(name), DestinationConditions = new BlobRequestConditions { IfNoneMatch = Azure.ETag.All } };
        try
        {
            await Client(name.ToString()).SyncCopyFromUriAsync(source, options, cancel).ConfigureAwait(false);
            return CreateOutcome.Created;
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            return await IsTakenAsync(name.ToString(), BlobFailures.FindRequestFailure(e), cancel).ConfigureAwait(false)
                ? CreateOutcome.AlreadyExists
                : throw BlobFailures.Explain(e, name.ToString(), "copy");
        }
    }

    /// <inheritdoc/>
    public string ManifestPathOf(ContentHash hash) => Location.Prefix + ReplicaManifest.NameOf(hash);

    /// <inheritdoc/>
    public Task CreateManifestAsync(ContentHash hash, ReadOnlyMemory<byte> content, CancellationToken cancel) => CreateAsync(ReplicaManifest.NameOf(hash), content, MetadataTier, cancel);

    /// <inheritdoc/>
    public Task<byte[]> ReadManifestAsync(ContentHash hash, CancellationToken cancel) => ReadAsync(ReplicaManifest.NameOf(hash), ReplicaManifest.BytesMax, cancel);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ReplicaObject>> ListReplicaAsync(CancellationToken cancel)
    {
        var objects = new List<ReplicaObject>();
        foreach (var kind in Replica.Kinds)
        {
            await foreach (var (name, blob) in ListObjectsAsync(kind, cancel).ConfigureAwait(false))
            {
                objects.Add(new ReplicaObject(name, blob.ContentLength ?? 0, blob.AccessTierChangedOn ?? blob.CreatedOn ?? DateTimeOffset.MaxValue) { IsArchived = blob.AccessTier == AccessTier.Archive });
            }
        }

        return objects;
    }

    /// <inheritdoc/>
    public async Task<int> RemoveManifestsAsync(IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel)
    {
        var removed = 0;
        var old = new List<string>();
        await foreach (var blob in ListBlobsAsync(ReplicaManifest.Folder + "/", BlobTraits.None, cancel).ConfigureAwait(false))
        {
            if (!kept.Contains(blob.Name) && blob.Properties.CreatedOn < olderThan)
            {
                old.Add(blob.Name);
            }
        }

        foreach (var name in old)
        {
            removed += await GuardAsync(name, "delete", async () => (await _container.DeleteBlobIfExistsAsync(name, DeleteSnapshotsOption.IncludeSnapshots, cancellationToken: cancel).ConfigureAwait(false)).Value, cancel).ConfigureAwait(false) ? 1 : 0;
        }

        return removed;
    }

    /// <inheritdoc/>
    public async Task<bool> QuarantineAsync(ObjectName name, CancellationToken cancel)
    {
        try
        {
            await using var content = await Client(name.ToString()).OpenReadAsync(new BlobOpenReadOptions(allowModifications: false), cancel).ConfigureAwait(false);
            if (await Quarantine.FindWrongAsync(name, content, cancel).ConfigureAwait(false) is not { } wrong)
            {
                return false;
            }

            // Written aside before its object goes, block by block: it may be longer than memory should hold.
            await CreateAsync(Quarantine.PathOf(name, wrong), () => FromStart(content), content.Length, tier: null, mayUseBlocks: true, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            return BlobFailures.FindRequestFailure(e)?.ErrorCode == BlobErrorCode.BlobNotFound ? false : throw BlobFailures.Explain(e, name.ToString(), "put aside");
        }

        return await DeleteAsync(name, cancel).ConfigureAwait(false);
    }

    private static Stream FromStart(Stream content)
    {
        content.Position = 0;
        return content;
    }

    /// <summary>Blobs of one kind that are named as store objects are; whatever else lies beside them is not ours.</summary>
    internal IAsyncEnumerable<(ObjectName Name, BlobItemProperties Blob)> ListObjectsAsync(ObjectKind kind, CancellationToken cancel) => ListObjectsAsync(kind, BlobTraits.None, cancel);

    /// <summary>As above, with more said of each blob.</summary>
    internal async IAsyncEnumerable<(ObjectName Name, BlobItemProperties Blob)> ListObjectsAsync(ObjectKind kind, BlobTraits traits, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var blob in ListBlobsAsync(ObjectName.FolderOf(kind) + "/", traits, cancel).ConfigureAwait(false))
        {
            if (ObjectName.TryParse(blob.Name.AsSpan(Location.Prefix.Length), out var name))
            {
                yield return (name, blob.Properties);
            }
        }
    }

    // Where data packs have a tier of their own, all else is hot whatever the account's default is: browsing and restoring begin with it.
    private AccessTier? MetadataTier => _options.DataPackTier is null ? (AccessTier?)null : AccessTier.Hot;

    private AccessTier? TierOf(ObjectName name) => name.Kind == ObjectKind.DataPack ? _options.DataPackTier : MetadataTier;

    /// <summary>Blobs below the place, in pages; failures in the vault's words.</summary>
    private async IAsyncEnumerable<BlobItem> ListBlobsAsync(string folder, BlobTraits traits, [EnumeratorCancellation] CancellationToken cancel)
    {
        await using var pages = _container.GetBlobsAsync(traits, BlobStates.None, Location.Prefix + folder, cancel)
            .AsPages(pageSizeHint: ListingPageItems).GetAsyncEnumerator(cancel);
        while (await GuardAsync($"{Description}/{folder}", "list", async () => await pages.MoveNextAsync().ConfigureAwait(false), cancel).ConfigureAwait(false))
        {
            foreach (var blob in pages.Current.Values)
            {
                yield return blob;
            }
        }
    }

    private Task<CreateOutcome> CreateAsync(string name, ReadOnlyMemory<byte> content, AccessTier? tier, CancellationToken cancel) =>
        CreateAsync(name, () => BinaryData.FromBytes(content).ToStream(), content.Length, tier, mayUseBlocks: true, cancel);

    private async Task<CreateOutcome> CreateAsync(string name, Func<Stream> open, long length, AccessTier? tier, bool mayUseBlocks, CancellationToken cancel)
    {
        var maySendBlocks = mayUseBlocks && _maySendBlocks;
        var upload = UploadOptions(tier, maySendBlocks ? _options.BlockBytes : IObjectStore.ObjectBytesMax);
        try
        {
            await Client(name).UploadAsync(open(), upload, cancel).ConfigureAwait(false);
            return CreateOutcome.Created;
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            var failure = BlobFailures.FindRequestFailure(e);
            if (await IsTakenAsync(name, failure, cancel).ConfigureAwait(false))
            {
                return CreateOutcome.AlreadyExists;
            }

            if (SaysExisting(failure))
            {
                throw new VaultException(VaultFault.StoreUnavailable, $"Could not write {name}: blob storage said that it exists, and it does not.", "Try again later.", e);
            }

            var sentBlocks = maySendBlocks && length > _options.BlockBytes;
            if (!SaysForbidden(failure) || !sentBlocks)
            {
                throw BlobFailures.Explain(e, name, "write");
            }
        }

        _maySendBlocks = false;
        return await CreateAsync(name, open, length, tier, mayUseBlocks: false, cancel).ConfigureAwait(false);
    }

    private BlobUploadOptions UploadOptions(AccessTier? tier, long firstBytes) => new()
    {
        Conditions = new BlobRequestConditions { IfNoneMatch = Azure.ETag.All },
        AccessTier = tier,
        TransferOptions = new StorageTransferOptions { MaximumConcurrency = _options.BlocksInFlight, InitialTransferSize = firstBytes, MaximumTransferSize = _options.BlockBytes },
        // The service refuses a body that changed on the way, so nothing damaged is ever committed. Within one machine there is no way to change on,
        // and an MD5 costs as much processor time as all the rest of sending.
        TransferValidation = new UploadTransferValidationOptions { ChecksumAlgorithm = Location.Container.IsLoopback ? StorageChecksumAlgorithm.None : StorageChecksumAlgorithm.MD5 },
    };

    /// <summary>
    /// Whether a refusal means that the name is taken. No answer is taken for that without a look: a replica whose manifest rests on a wrong word would miss the
    /// object for ever.
    /// </summary>
    private async Task<bool> IsTakenAsync(string name, Azure.RequestFailedException? failure, CancellationToken cancel) =>
        (SaysExisting(failure) && await ExistsAsync(name, cancel).ConfigureAwait(false)) || (SaysForbidden(failure) && await CanSeeAsync(name, cancel).ConfigureAwait(false));

    /// <summary>Whether the blob exists; false also where the credential may not look.</summary>
    private async Task<bool> CanSeeAsync(string name, CancellationToken cancel)
    {
        try
        {
            return await ExistsAsync(name, cancel).ConfigureAwait(false);
        }
        catch (VaultException e) when (e.Fault is VaultFault.AccessDenied)
        {
            return false;
        }
    }

    private Task<bool> ExistsAsync(string name, CancellationToken cancel) =>
        GuardAsync(name, "inspect", async () => (await Client(name).ExistsAsync(cancel).ConfigureAwait(false)).Value, cancel);

    private async Task<byte[]> ReadAsync(string name, int bytesMax, CancellationToken cancel)
    {
        try
        {
            using var download = (await Client(name).DownloadStreamingAsync(cancellationToken: cancel).ConfigureAwait(false)).Value;
            if (download.Details.ContentLength > bytesMax)
            {
                throw new VaultException(
                    VaultFault.LimitExceeded, $"{name} has {download.Details.ContentLength} bytes, more than it may have.", "It was not written by this software; verify the vault.");
            }

            var content = new byte[download.Details.ContentLength];
            await download.Content.ReadExactlyAsync(content, cancel).ConfigureAwait(false);
            return content;
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            throw BlobFailures.Explain(e, name, "read");
        }
    }

    // Azurite tells a credential that may only create nothing but this when the name is taken, as it is when two replications meet.
    private static bool SaysForbidden(Azure.RequestFailedException? failure) => failure?.ErrorCode == BlobErrorCode.AuthorizationPermissionMismatch;

    // An existing blob in the archive tier or under an immutability policy answers so before it answers "exists".
    private static bool SaysExisting(Azure.RequestFailedException? failure) =>
        failure is { Status: 412 }
        // What a credential that may create but not write is told instead of "exists".
        || (failure is { Status: 403 } && failure.ErrorCode == BlobErrorCode.UnauthorizedBlobOverwrite)
        || (failure is { Status: 409 } && (failure.ErrorCode == BlobErrorCode.BlobAlreadyExists
            || failure.ErrorCode == BlobErrorCode.BlobArchived
            || failure.ErrorCode == BlobErrorCode.BlobImmutableDueToPolicy));

    internal static async Task<T> GuardAsync<T>(string what, string verb, Func<Task<T>> call, CancellationToken cancel)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (Exception e) when (BlobFailures.IsFailure(e, cancel))
        {
            throw BlobFailures.Explain(e, what, verb);
        }
    }

    internal BlobClient ClientOf(ObjectName name) => Client(name.ToString());

    private BlobClient Client(string name) => _container.GetBlobClient(Location.Prefix + name);
}
