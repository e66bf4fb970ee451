using Backup.Policy;
using Backup.Policy.Archive;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;

namespace Backup.Functions.Replication;

/// <summary>A replica and the manifest to judge it by.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="Container">The container's name.</param>
/// <param name="VaultId">Whose copy.</param>
/// <param name="ManifestName">The newest manifest.</param>
/// <param name="ManifestSha256">Its hash.</param>
public sealed record OffsiteReplica(TierName Tier, string Container, string VaultId, string ManifestName, string ManifestSha256);

/// <summary>What may leave a replica.</summary>
/// <param name="Live">Snapshots that must stay; should the vault lack one of them, nothing is removed.</param>
/// <param name="GivenUp">Snapshots that retention gave up.</param>
/// <param name="Dropped">Names of other objects that the vault dropped by decision: packs, and snapshots of log.</param>
/// <param name="OrderedAt">When the manifest was ordered, by the control plane's clock.</param>
public sealed record OffsiteSurplusQuery(IReadOnlyCollection<string> Live, IReadOnlyCollection<string> GivenUp, IReadOnlyCollection<string> Dropped, DateTimeOffset OrderedAt);

/// <summary>What a replica holds and needs no longer.</summary>
/// <param name="Metadata">Small things, in the order in which to remove them: snapshots, index objects, metadata packs.</param>
/// <param name="DataPacks">Packs of data, which a tier may bill for a minimum time.</param>
public sealed record OffsiteSurplus(IReadOnlyList<TierObject> Metadata, IReadOnlyList<TierObject> DataPacks)
{
    /// <summary>The store object's name of a snapshot; null when that is no snapshot's id.</summary>
    public static string? SnapshotName(string snapshotId) => Vault.SnapshotId.TryParse(snapshotId, out var id) ? id.Name.ToString() : null;

    /// <summary>The id of a snapshot, of its store object's name; null when that is no snapshot's name.</summary>
    public static string? SnapshotId(string name) => ObjectName.TryParse(name, out var parsed) && parsed.Kind is ObjectKind.Snapshot ? parsed.Hash.ToString() : null;

    internal static SurplusQuery Parse(OffsiteSurplusQuery query)
    {
        var dropped = query.Dropped.Select(name => ObjectName.TryParse(name, out var parsed) ? parsed : (ObjectName?)null).OfType<ObjectName>().ToLookup(name => name.Kind is ObjectKind.Snapshot);
        return new SurplusQuery
        {
            Live = Snapshots(query.Live),
            GivenUp = [.. Snapshots(query.GivenUp), .. dropped[true].Select(name => new Vault.SnapshotId(name.Hash))],
            Pruned = [.. dropped[false]],
            OrderedAt = query.OrderedAt,
        };

        // Whatever is no id names nothing that a replica could hold.
        static List<Vault.SnapshotId> Snapshots(IEnumerable<string> ids) => [.. ids.Select(id => Vault.SnapshotId.TryParse(id, out var parsed) ? parsed : (Vault.SnapshotId?)null).OfType<Vault.SnapshotId>()];
    }

    internal static OffsiteSurplus Of(ReplicaSurplus surplus) => new(
        [.. surplus.Snapshots.Concat(surplus.Indexes).Concat(surplus.Packs.Where(p => p.Name.Kind is ObjectKind.MetaPack)).Select(Object)],
        [.. surplus.Packs.Where(p => p.Name.Kind is ObjectKind.DataPack).Select(Object)]);

    private static TierObject Object(ReplicaObject found) => new(found.Name.ToString(), found.Length, found.TierSince);
}
