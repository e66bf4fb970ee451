using Backup.Vault.Replicating;
using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

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

    /// <summary>The manifest's name, from the root of the container or of the folder of copies.</summary>
    public required string ManifestName { get; init; }

    /// <summary>SHA-256 of the manifest's bytes.</summary>
    public required ContentHash ManifestHash { get; init; }
}

/// <summary>Brings a vault's copy up to date, and adds the manifest by which it can be checked without keys.</summary>
/// <remarks>
/// The copy is <see cref="Replicator"/>'s: safe to repeat and to stop anywhere, snapshots after all that they refer to. The manifest
/// comes last. Needs create, list and read on the replica; never deletes or replaces.
/// </remarks>
/// <param name="source">The vault's store.</param>
/// <param name="replica">Its place: from <see cref="Replica.Open"/>, or a <see cref="FolderReplica"/>.</param>
/// <param name="time">The clock, for the manifest.</param>
public sealed class Replication(IObjectStore source, IReplicaStore replica, TimeProvider time)
{
    /// <summary>How to copy.</summary>
    public CopyRequest Copy { get; init; } = new();

    /// <summary>Makes the replica hold everything the vault holds as of a snapshot, and writes the manifest.</summary>
    /// <exception cref="VaultException">
    /// NotFound: the vault has no such snapshot. Damaged: an object of the vault is not what its name says, or the replica holds one of
    /// another length; then no snapshot and no manifest are written. Otherwise what the stores report.
    /// </exception>
    public async Task<ReplicationOutcome> RunAsync(SnapshotId snapshot, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        if (await source.FindLengthAsync(snapshot.Name, cancel).ConfigureAwait(false) is null) throw Missing(snapshot);
        var copy = await Replicator.CopyAsync(source, replica, Copy, progress, cancel).ConfigureAwait(false);
        Check(copy);

        // Dropped since the look above: the replica is whole, but not for the snapshot that was asked for.
        if (copy.Inventory.All(o => o.Name != snapshot.Name)) throw Missing(snapshot);
        var copied = copy.Copied.Select(o => o.Name).ToHashSet();
        return await new ReplicaManifest
        {
            Vault = copy.Vault,
            Snapshot = snapshot,
            CreatedAt = time.GetUtcNow(),
            Entries = [.. copy.Inventory.Select(o => new ReplicaManifestEntry(o.Name, o.Length, copied.Contains(o.Name)))],
        }.PublishAsync(replica, cancel).ConfigureAwait(false);
    }

    private static void Check(CopyReport copy)
    {
        if (copy.DamagedInSource is [var damaged, ..])
        {
            throw new VaultException(
                VaultFault.Damaged, $"{damaged} of the vault is damaged: its bytes are not those of its name.", "Run 'vault verify', then 'vault repair' from another replica.");
        }

        if (copy.DamagedInTarget is [var altered, ..])
        {
            throw new VaultException(
                VaultFault.Damaged, $"The replica holds {altered} with another length than the vault does.",
                "Find out who wrote there. Verification puts the object into quarantine; or remove it with a credential that may delete, then replicate again.");
        }
    }

    private static VaultException Missing(SnapshotId snapshot) =>
        new(VaultFault.NotFound, $"The vault holds no snapshot {snapshot}.", "List the vault's snapshots; it may have been deleted.");
}
