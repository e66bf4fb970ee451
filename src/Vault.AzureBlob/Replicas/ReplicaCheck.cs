using System.Buffers.Binary;
using System.Security.Cryptography;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>One of several equal parts of all objects, by their names' hashes: whoever checks every part once has read everything.</summary>
/// <param name="Number">From 0.</param>
/// <param name="Of">How many parts there are.</param>
public readonly record struct HashSlice(int Number, int Of)
{
    internal bool Holds(ObjectName name)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        name.Hash.CopyTo(hash);
        return BinaryPrimitives.ReadUInt32BigEndian(hash) % (uint)Of == (uint)Number;
    }
}

/// <summary>How thorough a check of a replica is.</summary>
public sealed record ReplicaCheckOptions
{
    /// <summary>
    /// Bytes to read and hash at most. When the newly copied objects have more, a random sample of them that fits is read instead.
    /// </summary>
    /// <value>By default 1 GiB.</value>
    public long HashedBytesMax { get; init; } = 1L << 30;

    /// <summary>Which objects to read and hash; null for those that the manifest's replication copied.</summary>
    public HashSlice? Slice { get; init; }

    /// <summary>How many faulty objects are named, for repair.</summary>
    public const int FaultyObjectsListed = 10_000;

    /// <summary>How many faults are described; all are counted.</summary>
    public const int FaultsListed = 20;
}

/// <summary>What a check of a replica found, without keys.</summary>
public sealed record ReplicaCheckReport
{
    /// <summary>Objects the manifest lists.</summary>
    public required long ObjectsTotal { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesTotal { get; init; }

    /// <summary>Objects copied by the replication that wrote the manifest.</summary>
    public required long ObjectsNew { get; init; }

    /// <summary>Objects whose stored bytes were read and hashed.</summary>
    public required long ObjectsHashed { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesHashed { get; init; }

    /// <summary>New objects that could not be read because they lie in the archive tier; their presence and length were checked.</summary>
    public required long ObjectsArchived { get; init; }

    /// <summary>How many objects are missing, of another length, or not what their name says.</summary>
    public required long FaultsTotal { get; init; }

    /// <summary>The first <see cref="ReplicaCheckOptions.FaultsListed"/> of them, for people.</summary>
    public required IReadOnlyList<string> Faults { get; init; }

    /// <summary>The first <see cref="ReplicaCheckOptions.FaultyObjectsListed"/> objects that are missing or wrong.</summary>
    public required IReadOnlyList<ObjectName> FaultyObjects { get; init; }

    /// <summary>True when nothing was found wrong.</summary>
    public bool IsSound => FaultsTotal == 0;

    /// <summary>True when every new object that can be read was hashed, false when a sample was.</summary>
    public bool IsComplete => ObjectsHashed + ObjectsArchived >= ObjectsNew;
}

/// <summary>Checks a replica without any key: the manifest is intact, every object it lists is there, and new ones are what their names say.</summary>
public static class ReplicaCheck
{
    private const int ObjectsInFlight = 4;

    /// <summary>Checks one replica in a container against the manifest of its last replication.</summary>
    /// <param name="container">The replica's container (the one the order named).</param>
    /// <param name="vault">The vault whose copy it is.</param>
    /// <param name="credential">Needs read and list.</param>
    /// <param name="manifestName">From the replication's result.</param>
    /// <param name="manifestSha256">From the replication's result: 64 lower-case hexadecimal digits.</param>
    /// <param name="options">How thorough; null for the defaults.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>What was found. A missing or altered object is a finding, not an exception.</returns>
    /// <exception cref="VaultException">The container cannot be read; or Damaged: the manifest is not the one the replication wrote.</exception>
    public static Task<ReplicaCheckReport> RunAsync(
        BlobLocation container, VaultId vault, BlobCredential credential, string manifestName, string manifestSha256, ReplicaCheckOptions? options, CancellationToken cancel) =>
        RunAsync(Replica.Open(container, vault, credential), vault, manifestName, manifestSha256, options, cancel);

    /// <summary>Checks one replica, wherever it is, against the manifest of its last replication.</summary>
    /// <returns>What was found. A missing or altered object is a finding, not an exception.</returns>
    /// <exception cref="VaultException">The replica cannot be read; or Damaged: the manifest is not the one the replication wrote.</exception>
    public static async Task<ReplicaCheckReport> RunAsync(
        IReplicaStore replica, VaultId vault, string manifestName, string manifestSha256, ReplicaCheckOptions? options, CancellationToken cancel)
    {
        var manifest = await ReadManifestAsync(replica, vault, manifestName, manifestSha256, cancel).ConfigureAwait(false);
        return await new Check(replica, manifest, options ?? new ReplicaCheckOptions()).RunAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Reads a replica's manifest and proves that it is the one its replication wrote.</summary>
    /// <exception cref="VaultException">NotFound, or Damaged when its hash, name or vault is another.</exception>
    public static async Task<ReplicaManifest> ReadManifestAsync(
        IReplicaStore replica, VaultId vault, string manifestName, string manifestSha256, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(replica);
        if (!ContentHash.TryParse(manifestSha256, out var expected) || manifestName != replica.ManifestPathOf(expected))
        {
            throw Foreign("its name and hash do not belong together");
        }

        var bytes = await replica.ReadManifestAsync(expected, cancel).ConfigureAwait(false);
        if (ContentHash.Of(bytes) != expected)
        {
            throw Foreign("its bytes were altered");
        }

        var manifest = ReplicaManifest.Parse(bytes);
        return manifest.Vault == vault ? manifest : throw Foreign("it belongs to another vault");
    }

    private static VaultException Foreign(string problem) => new(
        VaultFault.Damaged, $"The replica manifest cannot be relied on: {problem}.", "Replicate again, and find out who wrote to the container.");

    /// <summary>One check under way.</summary>
    private sealed class Check(IReplicaStore store, ReplicaManifest manifest, ReplicaCheckOptions options)
    {
        private readonly Lock _gate = new();
        private readonly List<string> _faults = [];
        private readonly HashSet<ObjectName> _faulty = [];
        private long _faultsTotal;
        private long _hashedObjects;
        private long _hashedBytes;

        public async Task<ReplicaCheckReport> RunAsync(CancellationToken cancel)
        {
            var archived = await CompareListingAsync(cancel).ConfigureAwait(false);
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = ObjectsInFlight, CancellationToken = cancel };
            await Parallel.ForEachAsync(Sample(archived), parallel, async (entry, stop) => await HashAsync(entry, stop).ConfigureAwait(false)).ConfigureAwait(false);
            return new ReplicaCheckReport
            {
                ObjectsTotal = manifest.Entries.Count,
                BytesTotal = manifest.BytesTotal,
                ObjectsNew = manifest.Entries.Count(e => e.IsNew),
                ObjectsHashed = _hashedObjects,
                BytesHashed = _hashedBytes,
                ObjectsArchived = manifest.Entries.Count(e => e.IsNew && archived.Contains(e.Name)),
                FaultsTotal = _faultsTotal,
                Faults = _faults,
                FaultyObjects = [.. _faulty],
            };
        }

        /// <summary>Every listed object present with its length; answers which lie in the archive tier.</summary>
        private async Task<HashSet<ObjectName>> CompareListingAsync(CancellationToken cancel)
        {
            var expected = manifest.Entries.ToDictionary(e => e.Name, e => e.Length);
            var archived = new HashSet<ObjectName>();
            foreach (var found in await store.ListReplicaAsync(cancel).ConfigureAwait(false))
            {
                if (!expected.Remove(found.Name, out var length))
                {
                    continue; // Objects of other snapshots: more than the manifest asks for is fine.
                }

                if (found.Length != length)
                {
                    AddFault(found.Name, $"{found.Name} has {found.Length} bytes instead of {length}");
                }

                if (found.IsArchived)
                {
                    archived.Add(found.Name);
                }
            }

            foreach (var name in expected.Keys)
            {
                AddFault(name, $"{name} is missing");
            }

            return archived;
        }

        /// <summary>All readable objects of the slice, or else all new ones; or as many in random order as the bound allows: nobody can know which will be read.</summary>
        private List<ReplicaManifestEntry> Sample(HashSet<ObjectName> archived)
        {
            var candidates = manifest.Entries.Where(e => (options.Slice is { } slice ? slice.Holds(e.Name) : e.IsNew) && !archived.Contains(e.Name)).ToArray();
            RandomNumberGenerator.Shuffle(candidates.AsSpan());
            var sample = new List<ReplicaManifestEntry>();
            var bytes = 0L;
            foreach (var entry in candidates.Where(e => bytes + e.Length <= options.HashedBytesMax))
            {
                bytes += entry.Length;
                sample.Add(entry);
            }

            return sample;
        }

        private async Task HashAsync(ReplicaManifestEntry entry, CancellationToken cancel)
        {
            byte[] content;
            try
            {
                content = await store.ReadAsync(entry.Name, cancel).ConfigureAwait(false);
            }
            catch (VaultException e) when (e.Fault == VaultFault.NotFound)
            {
                return; // The listing has reported it already.
            }

            lock (_gate)
            {
                _hashedObjects++;
                _hashedBytes += content.Length;
            }

            if (!entry.Name.Matches(content))
            {
                AddFault(entry.Name, $"{entry.Name} is not what its name says");
            }
        }

        private void AddFault(ObjectName name, string fault)
        {
            lock (_gate)
            {
                // An object of the wrong length has the wrong hash as well: one fault.
                if (_faulty.Count < ReplicaCheckOptions.FaultyObjectsListed && !_faulty.Add(name)) return;
                _faultsTotal++;
                if (_faults.Count < ReplicaCheckOptions.FaultsListed)
                {
                    _faults.Add(fault);
                }
            }
        }
    }
}
