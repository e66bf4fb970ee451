using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Replicas;
using Backup.Policy;

namespace Backup.Catalog.Retention;

/// <summary>A vault's copy in a container.</summary>
/// <param name="Container">Its address, without credentials.</param>
/// <param name="VaultId">Whose copy.</param>
/// <param name="Tier">The tier's name.</param>
public sealed record ReplicaPlaceId(Uri Container, string VaultId, TierName Tier);

/// <summary>A store object that a replica no longer needs.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="FreeAt">From when on deleting it costs no more than keeping it.</param>
public sealed record RemovableObject(string Name, long Bytes, DateTimeOffset FreeAt);

/// <summary>What the catalog knows about a replica's snapshots.</summary>
/// <param name="Live">Snapshots of points that live: the replica must go on holding them.</param>
/// <param name="GivenUp">Snapshots of points that retention gave up and the vault holds no more.</param>
/// <param name="Manifests">Manifests that rows of living replicas name.</param>
public sealed record ReplicaSnapshots(IReadOnlyList<string> Live, IReadOnlyList<string> GivenUp, IReadOnlyList<string> Manifests);

/// <summary>What has to leave replicas after vaults were pruned. Writes are idempotent.</summary>
public sealed class RemovalStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    /// <summary>Those of the snapshots that are recovery points, given up or not.</summary>
    public Task<IReadOnlyList<string>> KnownSnapshotsAsync(IReadOnlyCollection<string> snapshots, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<string>>(
        async session => await session.QueryAsync("select snapshot_id from recovery_point where snapshot_id = any($1)", row => row.GetString(0), cancel, (object)snapshots.ToArray()).ConfigureAwait(false), cancel);

    /// <summary>The snapshots of a replica.</summary>
    /// <param name="place">The replica.</param>
    /// <param name="publishedBefore">Points published later are left out.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<ReplicaSnapshots> SnapshotsAsync(ReplicaPlaceId place, DateTimeOffset? publishedBefore, CancellationToken cancel) => database.ReadAsync(
        async session =>
        {
            var rows = await session.QueryAsync(
                """
                select p.snapshot_id, p.expired_at is null as lives, p.removed_at is not null as is_removed, r.manifest_name from recovery_point p
                join replica r on r.recovery_point_id = p.id and r.container_uri = $1
                where p.vault_id = $2 and r.state not in ('failed', 'removed') and p.missing_since is null and ($3::timestamptz is null or p.published_at < $3)
                """,
                row => (Id: row.Text("snapshot_id"), Lives: row.Flag("lives"), IsRemoved: row.Flag("is_removed"), Manifest: row.TextOrNull("manifest_name")),
                cancel,
                place.Container.ToString(),
                place.VaultId,
                publishedBefore?.ToUniversalTime()).ConfigureAwait(false);
            return new ReplicaSnapshots(
                [.. rows.Where(r => r.Lives).Select(r => r.Id)],
                [.. rows.Where(r => !r.Lives && r.IsRemoved).Select(r => r.Id)],
                [.. rows.Where(r => r.Lives).Select(r => r.Manifest).OfType<string>().Distinct()]);
        },
        cancel);

    /// <summary>Takes note of objects that may go. What was noted before keeps its time.</summary>
    public Task<int> NoteAsync(ReplicaPlaceId place, IReadOnlyCollection<RemovableObject> objects, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            insert into replica_removal (container_uri, vault_id, tier, object_name, bytes, free_at, noted_at)
            select $1, $2, $3, u.name, u.bytes, u.free_at, $7 from unnest($4::text[], $5::bigint[], $6::timestamptz[]) as u (name, bytes, free_at)
            on conflict do nothing
            """,
            cancel,
            place.Container.ToString(),
            place.VaultId,
            place.Tier.Value,
            objects.Select(o => o.Name).ToArray(),
            objects.Select(o => o.Bytes).ToArray(),
            objects.Select(o => o.FreeAt.UtcDateTime).ToArray(),
            clock.GetUtcNow()),
        cancel);

    /// <summary>Noted objects that are still there, whether they may go yet or not.</summary>
    public Task<IReadOnlyList<RemovableObject>> ListAsync(ReplicaPlaceId place, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<RemovableObject>>(
        async session => await session.QueryAsync(
            "select object_name, bytes, free_at from replica_removal where container_uri = $1 and vault_id = $2 and removed_at is null",
            row => new RemovableObject(row.Text("object_name"), row.Number("bytes"), row.Instant("free_at")),
            cancel,
            place.Container.ToString(),
            place.VaultId).ConfigureAwait(false),
        cancel);

    /// <summary>
    /// Notes what was removed. Replicas of given-up points become removed, and those that live are from now on vouched for by the manifest that
    /// the removal went by: their own manifests may list objects that are gone. Points that were published after it was ordered keep theirs, since it need not
    /// list what they need.
    /// </summary>
    /// <param name="place">The replica.</param>
    /// <param name="objects">Store objects that are gone.</param>
    /// <param name="snapshots">Snapshots that are gone.</param>
    /// <param name="manifest">What the removal went by.</param>
    /// <param name="orderedAt">When that manifest was ordered.</param>
    /// <param name="actor">Who removed.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    /// <returns>True when replicas became removed.</returns>
    public Task<bool> RecordAsync(
        ReplicaPlaceId place, IReadOnlyCollection<string> objects, IReadOnlyCollection<string> snapshots, ReplicaCopy manifest, DateTimeOffset orderedAt, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var now = clock.GetUtcNow();
            var container = place.Container.ToString();
            await session.ExecuteAsync(
                "update replica_removal set removed_at = $4 where container_uri = $1 and vault_id = $2 and object_name = any($3) and removed_at is null", cancel, container, place.VaultId, objects.ToArray(), now).ConfigureAwait(false);
            var removed = await session.ExecuteAsync(
                """
                update replica r set state = 'removed', changed_at = $4, reason_code = null, reason = null from recovery_point p
                where p.id = r.recovery_point_id and r.container_uri = $1 and p.vault_id = $2 and p.snapshot_id = any($3) and p.expired_at is not null and r.state <> 'removed'
                """,
                cancel,
                container,
                place.VaultId,
                snapshots.ToArray(),
                now).ConfigureAwait(false);
            await session.ExecuteAsync(
                """
                update replica r set manifest_name = $3, manifest_sha256 = $4, objects_total = $5, bytes_total = $6 from recovery_point p
                where p.id = r.recovery_point_id and r.container_uri = $1 and p.vault_id = $2 and p.expired_at is null and r.state in ('copied', 'checked', 'damaged') and p.published_at < $7
                """,
                cancel,
                container,
                place.VaultId,
                manifest.ManifestName,
                manifest.ManifestSha256,
                manifest.ObjectsTotal,
                manifest.BytesTotal,
                orderedAt.ToUniversalTime()).ConfigureAwait(false);
            if (objects.Count + removed > 0)
            {
                await audit.AppendAsync(session, actor, "replica.removed", $"{place.Tier}/{place.VaultId}", $"{objects.Count} objects, among them {snapshots.Count} snapshots", cancel).ConfigureAwait(false);
            }

            return removed > 0;
        },
        cancel);
}
