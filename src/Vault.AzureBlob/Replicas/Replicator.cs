using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>How far a replication is.</summary>
/// <param name="ObjectsDone">Objects copied so far.</param>
/// <param name="BytesDone">Bytes copied so far.</param>
/// <param name="BytesTotal">Bytes that the replica lacked at the start.</param>
public readonly record struct ReplicationProgress(long ObjectsDone, long BytesDone, long BytesTotal);

/// <summary>What a replication did.</summary>
public sealed record ReplicationOutcome
{
    /// <summary>Objects the replica holds.</summary>
    public required long ObjectsTotal { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesTotal { get; init; }

    /// <summary>Objects copied now.</summary>
    public required long ObjectsCopied { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesCopied { get; init; }

    /// <summary>The manifest's blob name, from the container's root.</summary>
    public required string ManifestName { get; init; }

    /// <summary>SHA-256 of the manifest's bytes.</summary>
    public required ContentHash ManifestHash { get; init; }
}

/// <summary>Copies what a replica lacks of a vault: the difference of two listings, because equal names mean equal bytes.</summary>
/// <remarks>
/// Safe to repeat and to stop anywhere: objects are copied whole, packs before index before snapshots, and the manifest last, so
/// a replica never holds a snapshot without what it refers to. Needs create, list and read on the replica; never deletes or replaces.
/// </remarks>
public sealed class Replicator
{
    /// <summary>Objects in flight at once; with objects of up to 32 MiB this bounds memory to about 128 MiB.</summary>
    public const int ObjectsInFlight = 4;

    private readonly IObjectStore _source;
    private readonly AzureBlobObjectStore _replica;
    private readonly TimeProvider _time;

    /// <summary>Between a vault's store and its place from <see cref="Replica.Open"/>.</summary>
    public Replicator(IObjectStore source, AzureBlobObjectStore replica, TimeProvider time)
    {
        _source = source;
        _replica = replica;
        _time = time;
    }

    /// <summary>Makes the replica hold everything the vault holds as of a snapshot, and writes the manifest.</summary>
    /// <exception cref="VaultException">
    /// NotFound: the vault has no such snapshot, or an object was pruned meanwhile (repeat). Damaged: an object of the vault is not what its
    /// name says, or the replica holds one of another length. Otherwise what the stores report.
    /// </exception>
    public async Task<ReplicationOutcome> RunAsync(VaultId vault, SnapshotId snapshot, IProgress<ReplicationProgress>? progress, CancellationToken cancel)
    {
        var wanted = await ListSourceAsync(snapshot, cancel).ConfigureAwait(false);
        var missing = await FindMissingAsync(wanted, cancel).ConfigureAwait(false);
        var tally = new Tally(missing.Sum(o => o.Length), progress);
        foreach (var kind in Replica.Kinds)
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = ObjectsInFlight, CancellationToken = cancel };
            await Parallel.ForEachAsync(missing.Where(o => o.Name.Kind == kind), parallel, async (o, stop) => tally.Add(await CopyAsync(o, stop).ConfigureAwait(false)))
                .ConfigureAwait(false);
        }

        var copied = missing.Select(o => o.Name).ToHashSet();
        var manifest = new ReplicaManifest
        {
            Vault = vault,
            Snapshot = snapshot,
            CreatedAt = _time.GetUtcNow(),
            Entries = [.. wanted.Select(o => new ReplicaManifestEntry(o.Name, o.Length, copied.Contains(o.Name)))],
        };
        var bytes = manifest.ToBytes();
        var hash = ContentHash.Of(bytes);
        await _replica.CreateAsync(ReplicaManifest.NameOf(hash), bytes, tier: null, cancel).ConfigureAwait(false);
        return new ReplicationOutcome
        {
            ObjectsTotal = wanted.Count,
            BytesTotal = manifest.BytesTotal,
            ObjectsCopied = tally.Objects,
            BytesCopied = tally.Bytes,
            ManifestName = _replica.Location.Prefix + ReplicaManifest.NameOf(hash),
            ManifestHash = hash,
        };
    }

    /// <summary>
    /// Lists against the order of writing: whatever a listed snapshot refers to was written before it, so the later listings show it.
    /// </summary>
    private async Task<List<StoreObject>> ListSourceAsync(SnapshotId snapshot, CancellationToken cancel)
    {
        var found = new List<StoreObject>();
        foreach (var kind in Replica.Kinds.Reverse())
        {
            await foreach (var o in _source.ListAsync(kind, cancel).ConfigureAwait(false))
            {
                found.Add(o);
            }

            if (kind == ObjectKind.Snapshot && !found.Exists(o => o.Name == snapshot.Name))
            {
                throw new VaultException(VaultFault.NotFound, $"The vault holds no snapshot {snapshot}.", "List the vault's snapshots; it may have been deleted.");
            }
        }

        return found;
    }

    private async Task<List<StoreObject>> FindMissingAsync(List<StoreObject> wanted, CancellationToken cancel)
    {
        var held = new Dictionary<ObjectName, long>();
        foreach (var kind in Replica.Kinds)
        {
            await foreach (var o in _replica.ListAsync(kind, cancel).ConfigureAwait(false))
            {
                held[o.Name] = o.Length;
            }
        }

        var damaged = wanted.FirstOrDefault(o => held.TryGetValue(o.Name, out var length) && length != o.Length);
        return damaged == default
            ? [.. wanted.Where(o => !held.ContainsKey(o.Name))]
            : throw new VaultException(
                VaultFault.Damaged, $"The replica holds {damaged.Name} with {held[damaged.Name]} bytes; it must have {damaged.Length}.",
                "Find out who wrote to the container. Remove that blob with a credential that may delete, then replicate again.");
    }

    private async Task<StoreObject> CopyAsync(StoreObject o, CancellationToken cancel)
    {
        var content = await _source.ReadAsync(o.Name, cancel).ConfigureAwait(false);
        if (!o.Name.Matches(content))
        {
            throw new VaultException(
                VaultFault.Damaged, $"{o.Name} of the vault is damaged: its bytes are not those of its name.", "Run 'vault verify', then 'vault repair' from another replica.");
        }

        await _replica.CreateAsync(o.Name, content, cancel).ConfigureAwait(false);
        return o;
    }

    /// <summary>Counts what several copies finish at once.</summary>
    private sealed class Tally(long bytesTotal, IProgress<ReplicationProgress>? progress)
    {
        private readonly Lock _gate = new();

        public long Objects { get; private set; }

        public long Bytes { get; private set; }

        public void Add(StoreObject o)
        {
            lock (_gate)
            {
                Objects++;
                Bytes += o.Length;
                progress?.Report(new ReplicationProgress(Objects, Bytes, bytesTotal));
            }
        }
    }
}
