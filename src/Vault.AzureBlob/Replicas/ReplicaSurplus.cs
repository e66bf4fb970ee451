using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>A store object of a replica.</summary>
/// <param name="Name">The store object.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="TierSince">Since when it has been in its access tier, by the store's clock.</param>
public readonly record struct ReplicaObject(ObjectName Name, long Length, DateTimeOffset TierSince)
{
    /// <summary>It lies in the archive tier and cannot be read.</summary>
    public bool IsArchived { get; init; }
}

/// <summary>What a decision about a replica's surplus goes by, besides its listing and its manifest.</summary>
public sealed record SurplusQuery
{
    /// <summary>Snapshots that the replica must go on holding.</summary>
    public required IReadOnlyCollection<SnapshotId> Live { get; init; }

    /// <summary>Snapshots that retention gave up and the vault dropped.</summary>
    public required IReadOnlyCollection<SnapshotId> GivenUp { get; init; }

    /// <summary>Packs that the vault's prune deleted.</summary>
    public required IReadOnlyCollection<ObjectName> Pruned { get; init; }

    /// <summary>When the manifest was ordered, by the clock of who decides. Never the agent's, which may be wrong.</summary>
    public required DateTimeOffset OrderedAt { get; init; }

    /// <summary>An index object younger than this when the manifest was ordered may belong to a replication that is under way.</summary>
    /// <value>By default an hour.</value>
    public TimeSpan IndexAgeMin { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>Objects that a replica needs no longer. Decided, not removed.</summary>
/// <param name="Snapshots">Given-up snapshots; they go first, so that none is ever without what it refers to.</param>
/// <param name="Indexes">Index objects that the vault has replaced; they go before packs, so that none lists a pack that is gone.</param>
/// <param name="Packs">Packs that prune deleted from the vault; none while an index object that may list them has to stay.</param>
public sealed record ReplicaSurplus(IReadOnlyList<ReplicaObject> Snapshots, IReadOnlyList<ReplicaObject> Indexes, IReadOnlyList<ReplicaObject> Packs)
{
    /// <summary>Decides. Pure. What the manifest lists stays whatever else was said, and nothing goes that nobody gave up.</summary>
    /// <param name="manifest">The newest one: what the vault held after its prune.</param>
    /// <param name="listing">What the replica holds.</param>
    /// <param name="query">What was given up.</param>
    /// <exception cref="VaultException">
    /// Inconsistent: the vault lacks a snapshot that lives, or the replica lacks something that the vault has. Then nothing may be removed: whatever
    /// happened to the vault, the replica may be the last good copy.
    /// </exception>
    public static ReplicaSurplus Decide(ReplicaManifest manifest, IReadOnlyCollection<ReplicaObject> listing, SurplusQuery query)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(listing);
        ArgumentNullException.ThrowIfNull(query);
        var wanted = manifest.Entries.ToDictionary(e => e.Name, e => e.Length);
        if (query.Live.Where(id => !wanted.ContainsKey(id.Name)).Select(id => (SnapshotId?)id).FirstOrDefault() is { } lost)
        {
            throw Refuse($"the vault no longer holds snapshot {lost}, whose recovery point lives");
        }

        var present = listing.ToDictionary(o => o.Name);
        if (manifest.Entries.Where(e => !present.TryGetValue(e.Name, out var found) || found.Length != e.Length).Select(e => (ObjectName?)e.Name).FirstOrDefault() is { } missing)
        {
            throw Refuse($"the replica does not hold {missing} as the vault does");
        }

        var surplus = listing.Where(o => !wanted.ContainsKey(o.Name)).OrderBy(o => o.Name.ToString(), StringComparer.Ordinal).ToArray();
        var givenUp = query.GivenUp.Select(id => id.Name).ToHashSet();
        var indexes = surplus.Where(o => o.Name.Kind is ObjectKind.ChunkMap).ToArray();
        var stale = indexes.Where(o => o.TierSince < query.OrderedAt - query.IndexAgeMin).ToArray();
        var pruned = query.Pruned.ToHashSet();
        return new ReplicaSurplus(
            [.. surplus.Where(o => o.Name.Kind is ObjectKind.Snapshot && givenUp.Contains(o.Name))],
            stale,
            stale.Length < indexes.Length ? [] : [.. surplus.Where(o => o.Name.Kind is ObjectKind.DataPack or ObjectKind.MetaPack && pruned.Contains(o.Name))]);
    }

    private static VaultException Refuse(string why) => new(
        VaultFault.Inconsistent, $"Nothing is removed from the replica: {why}.", "Verify the vault and the replica, repair the one from the other, then let retention run again.");
}
