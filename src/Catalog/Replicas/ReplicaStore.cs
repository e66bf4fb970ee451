using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy;
using Npgsql;

namespace Backup.Catalog.Replicas;

/// <summary>The copies of recovery points and what looking at them found. Writes are idempotent.</summary>
public sealed class ReplicaStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        recovery_point_id, tier, container_uri, access_tier, state, manifest_name, manifest_sha256, objects_total, objects_copied, bytes_total, bytes_copied,
        reason_code, reason, changed_at, checked_at
        """;

    private const string Upsert =
        """
        insert into replica (recovery_point_id, tier, container_uri, access_tier, state, manifest_name, manifest_sha256, objects_total, objects_copied,
            bytes_total, bytes_copied, reason_code, reason, changed_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        on conflict (recovery_point_id, tier) do
        """;

    /// <summary>Records a finished copy. A copy that was checked since keeps its state.</summary>
    /// <exception cref="CatalogException">The recovery point is unknown, or the database failed.</exception>
    public Task<Replica> RecordCopyAsync(RecoveryPointId point, TierName tier, Uri container, AccessTier accessTier, ReplicaCopy copy, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var changed = await session.ExecuteAsync(
                $"""
                {Upsert} update set container_uri = excluded.container_uri, access_tier = excluded.access_tier, state = excluded.state,
                    manifest_name = excluded.manifest_name, manifest_sha256 = excluded.manifest_sha256, objects_total = excluded.objects_total,
                    objects_copied = excluded.objects_copied, bytes_total = excluded.bytes_total, bytes_copied = excluded.bytes_copied,
                    reason_code = null, reason = null, changed_at = excluded.changed_at
                where replica.state = 'failed' or replica.manifest_sha256 <> excluded.manifest_sha256
                """,
                cancel,
                point.Value,
                tier.Value,
                container.ToString(),
                accessTier.ToString(),
                "copied",
                copy.ManifestName,
                copy.ManifestSha256,
                copy.ObjectsTotal,
                copy.ObjectsCopied,
                copy.BytesTotal,
                copy.BytesCopied,
                null,
                null,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (changed == 1)
            {
                await audit.AppendAsync(session, actor, "replica.copied", $"{point}/{tier}", $"{copy.ObjectsCopied} of {copy.ObjectsTotal} objects, {copy.BytesCopied} bytes", cancel).ConfigureAwait(false);
            }

            return await GetAsync(session, point, tier, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>Records that a copy was not made. A copy that exists is not overwritten by a later failure.</summary>
    /// <exception cref="CatalogException">The recovery point is unknown, or the database failed.</exception>
    public Task<Replica> RecordFailureAsync(RecoveryPointId point, TierName tier, Uri container, AccessTier accessTier, string reasonCode, string reason, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var changed = await session.ExecuteAsync(
                $"{Upsert} update set reason_code = excluded.reason_code, reason = excluded.reason, changed_at = excluded.changed_at where replica.state = 'failed' and replica.reason <> excluded.reason",
                cancel,
                point.Value,
                tier.Value,
                container.ToString(),
                accessTier.ToString(),
                "failed",
                null,
                null,
                null,
                null,
                null,
                null,
                reasonCode,
                reason,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (changed == 1)
            {
                await audit.AppendAsync(session, actor, "replica.failed", $"{point}/{tier}", $"{reasonCode}: {reason}", cancel).ConfigureAwait(false);
            }

            return await GetAsync(session, point, tier, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>Records what a look at a copy found, once per id.</summary>
    /// <exception cref="CatalogException">The replica is unknown, or the database failed.</exception>
    public Task<Replica> RecordVerificationAsync(Verification verification, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var inserted = await session.ExecuteAsync(
                """
                insert into verification (id, recovery_point_id, tier, at, is_sound, objects_listed, objects_hashed, bytes_hashed, finding)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing
                """,
                cancel,
                verification.Id,
                verification.RecoveryPoint.Value,
                verification.Tier.Value,
                verification.At.ToUniversalTime(),
                verification.IsSound,
                verification.ObjectsListed,
                verification.ObjectsHashed,
                verification.BytesHashed,
                verification.Finding).ConfigureAwait(false);
            if (inserted == 1)
            {
                await session.ExecuteAsync(
                    "update replica set state = $3, checked_at = $4, changed_at = $5, reason_code = $6, reason = $7 where recovery_point_id = $1 and tier = $2",
                    cancel,
                    verification.RecoveryPoint.Value,
                    verification.Tier.Value,
                    verification.IsSound ? "checked" : "damaged",
                    verification.At.ToUniversalTime(),
                    clock.GetUtcNow(),
                    verification.IsSound ? null : "replica-damaged",
                    verification.IsSound ? null : verification.Finding).ConfigureAwait(false);
                await audit.AppendAsync(session, actor, verification.IsSound ? "replica.checked" : "replica.damaged", $"{verification.RecoveryPoint}/{verification.Tier}", verification.Finding, cancel).ConfigureAwait(false);
            }

            return await GetAsync(session, verification.RecoveryPoint, verification.Tier, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>
    /// Of every vault's copy in every container that tiers hold, the replica of its newest living point: its manifest lists everything the copy must
    /// hold.
    /// </summary>
    public Task<IReadOnlyList<NewestReplica>> ListNewestAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<NewestReplica>>(
        async session => await session.QueryAsync(
            """
            select distinct on (r.container_uri, p.vault_id) r.recovery_point_id, r.tier, r.container_uri, r.access_tier, r.manifest_name, r.manifest_sha256,
                p.asset, p.agent, p.vault, p.vault_id, p.snapshot_id
            from replica r join recovery_point p on p.id = r.recovery_point_id
            where r.state in ('copied', 'checked', 'damaged') and p.expired_at is null order by r.container_uri, p.vault_id, p.published_at desc
            """,
            row => new NewestReplica(
                new(row.Text("recovery_point_id")), new(row.Text("tier")), new Uri(row.Text("container_uri")), Enum.Parse<AccessTier>(row.Text("access_tier")), row.Text("manifest_name"),
                row.Text("manifest_sha256"), new(row.Text("asset")), new(row.Text("agent")), new(row.Text("vault")), row.Text("vault_id"), row.Text("snapshot_id")),
            cancel).ConfigureAwait(false),
        cancel);

    /// <summary>Looks at replicas, newest first.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<Verification>> ListVerificationsAsync(string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        "select id, recovery_point_id, tier, at, is_sound, objects_listed, objects_hashed, bytes_hashed, finding from verification where (at, id) < ($1, $2) order by at desc, id desc limit $3",
        row => new Verification(
            row.Text("id"), new(row.Text("recovery_point_id")), new(row.Text("tier")), row.Instant("at"), row.Flag("is_sound"), row.Number("objects_listed"), row.Number("objects_hashed"),
            row.Number("bytes_hashed"), row.Text("finding")),
        look => new PageCursor(look.At, look.Id),
        continuation,
        limit,
        cancel);

    /// <summary>The copies of these points, in no order.</summary>
    public Task<IReadOnlyList<Replica>> ListAsync(IReadOnlyCollection<RecoveryPointId> points, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Replica>>(
        async session => await session.QueryAsync(
            $"select {Columns} from replica where recovery_point_id = any($1)", Read, cancel, (object)points.Select(p => p.Value).ToArray()).ConfigureAwait(false),
        cancel);

    /// <summary>A snapshot's copy in a tier; null when there is none.</summary>
    public Task<Replica?> FindAsync(string vaultId, string snapshotId, TierName tier, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            $"select {Columns} from replica where tier = $3 and recovery_point_id in (select id from recovery_point where vault_id = $1 and snapshot_id = $2)", Read, cancel, vaultId, snapshotId, tier.Value).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    private static async Task<Replica> GetAsync(CatalogSession session, RecoveryPointId point, TierName tier, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from replica where recovery_point_id = $1 and tier = $2", Read, cancel, point.Value, tier.Value).ConfigureAwait(false)).FirstOrDefault()
        ?? throw new CatalogException(CatalogFault.NotFound, $"There is no replica of {point} in {tier}.", "Replicas are listed with their recovery points.");

    private static Replica Read(NpgsqlDataReader row) => new(
        new(row.Text("recovery_point_id")),
        new(row.Text("tier")),
        new Uri(row.Text("container_uri")),
        Enum.Parse<AccessTier>(row.Text("access_tier")),
        row.Choice<ReplicaState>("state"),
        row.TextOrNull("manifest_name") is { } name
            ? new ReplicaCopy(name, row.Text("manifest_sha256"), row.Number("objects_total"), row.Number("objects_copied"), row.Number("bytes_total"), row.Number("bytes_copied"))
            : null,
        row.TextOrNull("reason_code"),
        row.TextOrNull("reason"),
        row.Instant("changed_at"),
        row.InstantOrNull("checked_at"));
}
