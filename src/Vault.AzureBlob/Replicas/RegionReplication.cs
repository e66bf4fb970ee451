using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>What is left to do of a copy between regions: exactly one of these.</summary>
/// <param name="Lacking">Objects to copy next; none of them refers to another one that is lacking.</param>
/// <param name="Outcome">Set when nothing is lacking: the manifest is written.</param>
public sealed record RegionStep(IReadOnlyList<ObjectName> Lacking, ReplicationOutcome? Outcome);

/// <summary>Brings a replica up to date from another one inside the cloud: the storage copies, and this class decides what and in which order.</summary>
/// <remarks>
/// What to copy is the difference between the source's manifest and a listing of the target, so it may stop anywhere and go on. Packs, config and keys
/// go first, then index objects, then snapshots, the manifest last (<c>WRITE_ORDER.md</c>, Copying): a snapshot in the target is complete. Needs list and read on
/// the source, create, list and read on the target; never deletes or replaces.
/// </remarks>
/// <param name="source">The replica to copy from.</param>
/// <param name="sourceSas">A signature that allows reading it.</param>
/// <param name="target">The replica to bring up to date.</param>
/// <param name="vault">Whose copies they are.</param>
/// <param name="time">The clock, for the manifest.</param>
public sealed class RegionReplication(AzureBlobObjectStore source, string sourceSas, AzureBlobObjectStore target, VaultId vault, TimeProvider time)
{
    private const int CopiesInFlight = 8;

    /// <summary>The clocks of storage and caller may differ by so much.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(10);

    /// <summary>Finds what to copy next, or writes the manifest when nothing is lacking.</summary>
    /// <param name="manifestName">The source's manifest.</param>
    /// <param name="manifestSha256">Its hash.</param>
    /// <param name="since">When this copy began: what came into the target since counts as copied now, and is looked at by the check that follows.</param>
    /// <param name="objectsMax">How many objects to name at most.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">Damaged: the manifest is not the one the source's replication wrote, or the target has an object of another length.</exception>
    public async Task<RegionStep> NextAsync(string manifestName, string manifestSha256, DateTimeOffset since, int objectsMax, CancellationToken cancel)
    {
        var manifest = await ReplicaCheck.ReadManifestAsync(source, vault, manifestName, manifestSha256, cancel).ConfigureAwait(false);
        var present = (await target.ListReplicaAsync(cancel).ConfigureAwait(false)).ToDictionary(o => o.Name);
        if (manifest.Entries.Where(e => present.TryGetValue(e.Name, out var found) && found.Length != e.Length).Select(e => (ObjectName?)e.Name).FirstOrDefault() is { } altered)
        {
            throw new VaultException(
                VaultFault.Damaged, $"The replica holds {altered} with another length than the one it is copied from.",
                "Find out who wrote to the container. Verification puts the object into quarantine; then copy again.");
        }

        var lacking = manifest.Entries.Where(e => !present.ContainsKey(e.Name)).Select(e => e.Name).ToArray();
        if (lacking.Length > 0)
        {
            var first = lacking.Min(RankOf);
            return new RegionStep([.. lacking.Where(name => RankOf(name) == first).Take(objectsMax)], null);
        }

        var copied = present.Values.Where(o => o.TierSince >= since - ClockSkew).Select(o => o.Name).ToHashSet();
        var own = manifest with { CreatedAt = time.GetUtcNow(), Entries = [.. manifest.Entries.Select(e => e with { IsNew = copied.Contains(e.Name) })] };
        return new RegionStep([], await own.PublishAsync(target, cancel).ConfigureAwait(false));
    }

    /// <summary>Has the storage copy these objects. What is there already is left as it is.</summary>
    /// <exception cref="VaultException">StoreUnavailable: the service asked for patience, or was away; what was copied stays.</exception>
    public Task CopyAsync(IReadOnlyCollection<ObjectName> names, CancellationToken cancel) => Parallel.ForEachAsync(
        names,
        new ParallelOptions { MaxDegreeOfParallelism = CopiesInFlight, CancellationToken = cancel },
        async (name, stop) => await target.CopyFromAsync(name, source.Location, sourceSas, stop).ConfigureAwait(false));

    private static int RankOf(ObjectName name) => name.Kind switch
    {
        ObjectKind.Snapshot => 2,
        ObjectKind.ChunkMap => 1,
        _ => 0,
    };
}
