using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Retention;
using Backup.Policy;
using Backup.Policy.Immutability;
using Npgsql;

namespace Backup.Catalog.Immutability;

/// <summary>Who keeps a replica's locks.</summary>
public enum LockKind
{
    /// <summary>Nobody: the container has no immutability of the scope that the policy wants.</summary>
    None,

    /// <summary>The storage itself, of each blob: nobody gets past them.</summary>
    Version,

    /// <summary>The storage itself, of the whole container.</summary>
    Container,

    /// <summary>This system's own list, heeded by its own removals only: for emulators.</summary>
    Emulated,
}

/// <summary>How far the locks of a vault's copy reach.</summary>
/// <param name="Place">The copy.</param>
/// <param name="Kind">Who keeps them.</param>
/// <param name="At">When that was looked at.</param>
/// <param name="Coverage">What was found.</param>
/// <param name="Note">For people.</param>
public sealed record ReplicaLocks(ReplicaPlaceId Place, LockKind Kind, DateTimeOffset At, LockCoverage Coverage, string Note);

/// <summary>A living point of a replica.</summary>
/// <param name="RecoveryPoint">The point.</param>
/// <param name="Asset">Of what.</param>
/// <param name="PublishedAt">By the control plane's clock.</param>
/// <param name="ManifestName">The manifest that vouches for its copy.</param>
/// <param name="ManifestSha256">Its hash.</param>
/// <param name="LockedUntil">Until when all that it needs is known to be locked; null when that was never seen to.</param>
public sealed record PointToLock(RecoveryPointId RecoveryPoint, AssetName Asset, DateTimeOffset PublishedAt, string ManifestName, string ManifestSha256, DateTimeOffset? LockedUntil);

/// <summary>Locks of replicas. Writes are idempotent.</summary>
public sealed class LockStore(CatalogDatabase database, AuditTrail audit)
{
    /// <summary>The living points of a replica, newest first.</summary>
    public Task<IReadOnlyList<PointToLock>> PointsAsync(ReplicaPlaceId place, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<PointToLock>>(
        async session => await session.QueryAsync(
            """
            select p.id, p.asset, p.published_at, r.manifest_name, r.manifest_sha256, r.locked_until from recovery_point p join replica r on r.recovery_point_id = p.id
            where r.container_uri = $1 and p.vault_id = $2 and p.expired_at is null and r.state in ('copied', 'checked', 'damaged') order by p.published_at desc, p.id desc
            """,
            row => new PointToLock(new(row.Text("id")), new(row.Text("asset")), row.Instant("published_at"), row.Text("manifest_name"), row.Text("manifest_sha256"), row.InstantOrNull("locked_until")),
            cancel,
            place.Container.ToString(),
            place.VaultId).ConfigureAwait(false),
        cancel);

    /// <summary>Notes that everything a point needs is locked until a time. An earlier time changes nothing.</summary>
    public Task<int> MarkLockedAsync(ReplicaPlaceId place, RecoveryPointId point, DateTimeOffset until, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var changed = await session.ExecuteAsync(
                "update replica set locked_until = $3 where recovery_point_id = $1 and container_uri = $2 and (locked_until is null or locked_until < $3)",
                cancel, point.Value, place.Container.ToString(), until.ToUniversalTime()).ConfigureAwait(false);
            if (changed > 0)
            {
                await audit.AppendAsync(session, "schedule", "replica.locked", $"{point}/{place.Tier}", $"until {until.ToUniversalTime():u}", cancel).ConfigureAwait(false);
            }

            return changed;
        },
        cancel);

    /// <summary>Keeps what a look found.</summary>
    public Task<int> RecordAsync(ReplicaLocks locks, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            insert into replica_lock (container_uri, vault_id, tier, kind, at, objects, covered, held, earliest_end, note) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            on conflict (container_uri, vault_id) do update set tier = excluded.tier, kind = excluded.kind, at = excluded.at, objects = excluded.objects, covered = excluded.covered,
                held = excluded.held, earliest_end = excluded.earliest_end, note = excluded.note
            """,
            cancel,
            locks.Place.Container.ToString(),
            locks.Place.VaultId,
            locks.Place.Tier.Value,
            locks.Kind.Word(),
            locks.At.ToUniversalTime(),
            locks.Coverage.Objects,
            locks.Coverage.Covered,
            locks.Coverage.Held,
            locks.Coverage.EarliestEnd?.ToUniversalTime(),
            locks.Note),
        cancel);

    /// <summary>What the last looks found, of every replica.</summary>
    public Task<IReadOnlyList<ReplicaLocks>> ListAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ReplicaLocks>>(
        async session => await session.QueryAsync("select * from replica_lock order by tier, container_uri, vault_id", Read, cancel).ConfigureAwait(false), cancel);

    /// <summary>Emulated locks of a replica.</summary>
    public Task<IReadOnlyDictionary<string, ObjectLock>> EmulatedAsync(ReplicaPlaceId place, CancellationToken cancel) => database.ReadAsync<IReadOnlyDictionary<string, ObjectLock>>(
        async session => (await session.QueryAsync(
            "select object_name, until, legal_hold from emulated_lock where container_uri = $1 and vault_id = $2",
            row => (Name: row.Text("object_name"), Lock: new ObjectLock(row.InstantOrNull("until"), row.Flag("legal_hold"))),
            cancel,
            place.Container.ToString(),
            place.VaultId).ConfigureAwait(false)).ToDictionary(l => l.Name, l => l.Lock, StringComparer.Ordinal),
        cancel);

    /// <summary>Extends emulated locks; none is shortened.</summary>
    public Task<int> ExtendEmulatedAsync(ReplicaPlaceId place, IReadOnlyCollection<LockExtension> extensions, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            insert into emulated_lock (container_uri, vault_id, object_name, until, legal_hold) select $1, $2, u.name, u.until, false from unnest($3::text[], $4::timestamptz[]) as u (name, until)
            on conflict (container_uri, vault_id, object_name) do update set until = greatest(emulated_lock.until, excluded.until)
            """,
            cancel,
            place.Container.ToString(),
            place.VaultId,
            extensions.Select(e => e.Name).ToArray(),
            extensions.Select(e => e.Until.UtcDateTime).ToArray()),
        cancel);

    /// <summary>Sets or lifts emulated legal holds.</summary>
    public Task<int> HoldEmulatedAsync(ReplicaPlaceId place, IReadOnlyCollection<string> objects, bool isHeld, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            insert into emulated_lock (container_uri, vault_id, object_name, legal_hold) select $1, $2, u.name, $4 from unnest($3::text[]) as u (name)
            on conflict (container_uri, vault_id, object_name) do update set legal_hold = excluded.legal_hold
            """,
            cancel,
            place.Container.ToString(),
            place.VaultId,
            objects.ToArray(),
            isHeld),
        cancel);

    /// <summary>An emulated container's retention, and whether it is under legal hold.</summary>
    public Task<(TimeSpan Retention, bool IsHeld)> EmulatedContainerAsync(Uri container, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            "select retention, legal_hold from emulated_container_lock where container_uri = $1",
            row => (row.GetFieldValue<TimeSpan>(row.GetOrdinal("retention")), row.Flag("legal_hold")),
            cancel,
            container.ToString()).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    /// <summary>Sets an emulated container's retention, which is never shortened, and its legal hold.</summary>
    public Task<int> CoverEmulatedContainerAsync(Uri container, TimeSpan retention, bool isHeld, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            """
            insert into emulated_container_lock (container_uri, retention, legal_hold) values ($1, $2, $3)
            on conflict (container_uri) do update set retention = greatest(emulated_container_lock.retention, excluded.retention), legal_hold = excluded.legal_hold
            """,
            cancel,
            container.ToString(),
            retention,
            isHeld),
        cancel);

    private static ReplicaLocks Read(NpgsqlDataReader row) => new(
        new ReplicaPlaceId(new Uri(row.Text("container_uri")), row.Text("vault_id"), new(row.Text("tier"))),
        row.Choice<LockKind>("kind"),
        row.Instant("at"),
        new LockCoverage(row.GetInt32(row.GetOrdinal("objects")), row.GetInt32(row.GetOrdinal("covered")), row.GetInt32(row.GetOrdinal("held")), row.InstantOrNull("earliest_end")),
        row.Text("note"));
}
