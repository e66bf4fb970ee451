using System.Text.Json;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Catalog.Runs;
using Backup.Policy;
using Backup.Policy.States;
using Npgsql;

namespace Backup.Catalog.RecoveryPoints;

/// <summary>
/// The recovery points. A point exists only because an agent's receipt said so for an open run, or because a vault's own
/// listing showed the snapshot: the database's constraints enforce it too. Writes are idempotent.
/// </summary>
public sealed class RecoveryPointStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        id, asset, run_id, agent, vault, vault_id, snapshot_id, kind, instant, reading_began_at, bytes_read, bytes_new, bytes_stored,
        files_total, files_unreadable_total, files_unreadable, consistency_point, published_at, missing_since, expired_at, removed_at
        """;

    /// <summary>Publishes the recovery point of a running run. Repeating it answers the same point.</summary>
    /// <exception cref="CatalogException">
    /// <see cref="CatalogFault.ReceiptRefused"/>: the receipt is of another asset or names a snapshot of another run;
    /// <see cref="CatalogFault.NotAllowed"/>: the run is not running; or there is no such run; or the database failed.
    /// </exception>
    public Task<RecoveryPoint> PublishAsync(BackupReceipt receipt, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var run = await RunStore.LockAsync(session, receipt.Run, cancel).ConfigureAwait(false);
            var id = RecoveryPointId.Of(receipt.Snapshot.VaultId, receipt.Snapshot.SnapshotId);
            if (run.Asset != receipt.Asset)
            {
                throw Refused($"the receipt is for asset {receipt.Asset}, run {run.Id} is of {run.Asset}");
            }

            if (run.RecoveryPoint is { } published)
            {
                return published == id ? (await FindAsync(session, id, cancel).ConfigureAwait(false))! : throw Refused($"run {run.Id} has published {published}, the receipt names {id}");
            }

            if (run.State is not RunState.Running)
            {
                throw new CatalogException(
                    CatalogFault.NotAllowed, $"Run {run.Id} is {run.State.Word()}, so its receipt makes no recovery point.", "Rebuild the catalog from the vault to take in the snapshot.");
            }

            if (await FindAsync(session, id, cancel).ConfigureAwait(false) is { } other)
            {
                throw Refused($"snapshot {receipt.Snapshot.SnapshotId} already belongs to run {other.Run}");
            }

            await InsertAsync(session, id, run.Id, run.Asset, run.Agent, run.Vault, receipt.Snapshot, cancel).ConfigureAwait(false);
            await session.ExecuteAsync("update run set recovery_point_id = $2 where id = $1", cancel, run.Id.Value, id.Value).ConfigureAwait(false);
            await audit.AppendAsync(session, run.RequestedBy, "recovery-point.published", id.Value, $"run {run.Id}, snapshot {receipt.Snapshot.SnapshotId}", cancel).ConfigureAwait(false);
            return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Takes in a snapshot that a vault holds. The asset must be in the catalog.</summary>
    /// <param name="found">The snapshot.</param>
    /// <param name="actor">Who rebuilds.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<Adoption> AdoptAsync(FoundSnapshot found, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var id = RecoveryPointId.Of(found.Snapshot.VaultId, found.Snapshot.SnapshotId);
            var now = clock.GetUtcNow();
            // A dump that is not known yet: the point was adopted from an agent that did not tell of dumps.
            if (await session.ExecuteAsync(
                """
                update recovery_point set seen_at = $2, missing_since = null, log_until = $3,
                    consistency_point = case when $4::text is null then consistency_point else consistency_point || jsonb_build_object('DumpSnapshotId', $4::text) end
                where id = $1
                """,
                cancel,
                id.Value,
                now,
                found.Snapshot.LogUntil?.ToUniversalTime(),
                found.Snapshot.ConsistencyPoint?.DumpSnapshotId).ConfigureAwait(false) == 1)
            {
                return Adoption.Known;
            }

            var runId = found.Run ?? new RunId($"rebuilt-{id}");
            if (await RunStore.FindAsync(session, runId, cancel).ConfigureAwait(false) is { } run)
            {
                if (!RunStates.IsFinal(run.State))
                {
                    return Adoption.LeftToItsRun;
                }

                // The run was given up, yet its agent finished: the run stays failed, and the snapshot gets a row of its own.
                runId = new RunId($"rebuilt-{id}");
            }

            await session.ExecuteAsync(
                """
                insert into run (id, asset, agent, vault, requested_by, state, opened_at, ended_at, reason_code, reason, hint, recovery_point_id, rebuilt)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true)
                """,
                cancel,
                runId.Value,
                found.Asset.Value,
                found.Agent.Value,
                found.Vault.Value,
                actor,
                found.Snapshot.IsPartial ? "partial" : "succeeded",
                found.Snapshot.ReadingBeganAt,
                found.Snapshot.Instant > found.Snapshot.ReadingBeganAt ? found.Snapshot.Instant : found.Snapshot.ReadingBeganAt,
                found.Snapshot.IsPartial ? "unreadable-files" : null,
                found.Snapshot.IsPartial ? $"{found.Snapshot.FilesUnreadableTotal} files could not be read." : null,
                null,
                id.Value).ConfigureAwait(false);
            await InsertAsync(session, id, runId, found.Asset, found.Agent, found.Vault, found.Snapshot, cancel).ConfigureAwait(false);
            await audit.AppendAsync(session, actor, "recovery-point.adopted", id.Value, $"vault {found.Vault} of {found.Agent}, snapshot {found.Snapshot.SnapshotId}", cancel).ConfigureAwait(false);
            return Adoption.Adopted;
        },
        cancel);

    /// <summary>Marks the points of a vault that a complete listing, begun at <paramref name="listedSince"/>, did not show.</summary>
    /// <returns>How many were marked.</returns>
    public Task<int> MarkMissingAsync(AgentName agent, VaultName vault, DateTimeOffset listedSince, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var marked = await session.ExecuteAsync(
                "update recovery_point set missing_since = $4 where agent = $1 and vault = $2 and seen_at < $3 and missing_since is null and expired_at is null",
                cancel,
                agent.Value,
                vault.Value,
                listedSince,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (marked > 0)
            {
                await audit.AppendAsync(session, actor, "recovery-points.missing", $"{agent}/{vault}", $"{marked} points are not in the vault", cancel).ConfigureAwait(false);
            }

            return marked;
        },
        cancel);

    /// <summary>The point, or null.</summary>
    public Task<RecoveryPoint?> FindAsync(RecoveryPointId id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>The asset's newest point that its vault still holds and retention has not given up, at or before the instant when one is given; null when there is none.</summary>
    public Task<RecoveryPoint?> FindNewestAsync(AssetName asset, DateTimeOffset? notAfter, CancellationToken cancel) => FindLastAsync(asset, notAfter, replaysLog: false, cancel);

    /// <summary>
    /// As <see cref="FindNewestAsync"/>, for a recovery that replays log: a partial point (a damaged page) is passed over where log leads past it from an older one that is whole,
    /// since what was damaged on the server's disk only, the log makes whole.
    /// </summary>
    public Task<RecoveryPoint?> FindNewestToReplayFromAsync(AssetName asset, DateTimeOffset? notAfter, CancellationToken cancel) => FindLastAsync(asset, notAfter, replaysLog: true, cancel);

    private Task<RecoveryPoint?> FindLastAsync(AssetName asset, DateTimeOffset? notAfter, bool replaysLog, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            $"""
            select {Columns} from recovery_point p
            where asset = $1 and missing_since is null and expired_at is null and ($2::timestamptz is null or instant <= $2) and not ($3 and is_partial and exists (
                select from recovery_point w where w.asset = p.asset and not w.is_partial and w.missing_since is null and w.expired_at is null
                    and w.instant <= p.instant and w.log_until >= p.instant and w.seen_at > $4))
            order by instant desc, id desc limit 1
            """,
            Read,
            cancel,
            asset.Value,
            notAfter,
            replaysLog,
            clock.GetUtcNow() - LogUntilCounts).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    /// <summary>What a vault's listing said about log counts for this long: what may be wrong by now must not cost a point.</summary>
    public static readonly TimeSpan LogUntilCounts = TimeSpan.FromDays(2);

    /// <summary>All points of an asset that its vault holds and retention has not given up, newest first, in short.</summary>
    public Task<IReadOnlyList<PointSummary>> SummariesAsync(AssetName asset, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<PointSummary>>(
        async session => await session.QueryAsync(
            """
            select id, instant, published_at, bytes_read, bytes_new, bytes_stored, files_total, case when seen_at > $2 then log_until end as log_until from recovery_point
            where asset = $1 and missing_since is null and expired_at is null order by instant desc, id desc
            """,
            row => new PointSummary(
                new(row.Text("id")),
                row.Instant("instant"),
                row.Instant("published_at"),
                row.Number("bytes_read"),
                row.Number("bytes_new"),
                row.Number("bytes_stored"),
                row.Number("files_total"),
                row.InstantOrNull("log_until")),
            cancel,
            asset.Value,
            clock.GetUtcNow() - LogUntilCounts).ConfigureAwait(false),
        cancel);

    /// <summary>Points, newest first; of one asset when it is given.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<RecoveryPoint>> ListAsync(AssetName? asset, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from recovery_point where (instant, id) < ($1, $2) and ($4::text is null or asset = $4) order by instant desc, id desc limit $3",
        Read,
        point => new PageCursor(point.Snapshot.Instant, point.Id.Value),
        continuation,
        limit,
        cancel,
        asset?.Value);

    private static CatalogException Refused(string why) =>
        new(CatalogFault.ReceiptRefused, $"The receipt makes no recovery point: {why}.", "An agent answered for the wrong run; check its journal and its clock.");

    private async Task InsertAsync(
        CatalogSession session, RecoveryPointId id, RunId run, AssetName asset, AgentName agent, VaultName vault, SnapshotFacts snapshot, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        await session.ExecuteAsync(
            $"""
            insert into recovery_point (id, asset, run_id, agent, vault, vault_id, snapshot_id, kind, instant, reading_began_at, is_partial, bytes_read, bytes_new,
                bytes_stored, files_total, files_unreadable_total, files_unreadable, consistency_point, published_at, seen_at, log_until)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::jsonb, $18::jsonb, $19, $19, $20)
            """,
            cancel,
            id.Value,
            asset.Value,
            run.Value,
            agent.Value,
            vault.Value,
            snapshot.VaultId,
            snapshot.SnapshotId,
            snapshot.Kind.Word(),
            snapshot.Instant.ToUniversalTime(),
            snapshot.ReadingBeganAt.ToUniversalTime(),
            snapshot.IsPartial,
            snapshot.BytesRead,
            snapshot.BytesNew,
            snapshot.BytesStored,
            snapshot.FilesTotal,
            snapshot.FilesUnreadableTotal,
            JsonSerializer.Serialize(snapshot.FilesUnreadable),
            snapshot.ConsistencyPoint is null ? null : JsonSerializer.Serialize(snapshot.ConsistencyPoint),
            now,
            snapshot.LogUntil?.ToUniversalTime()).ConfigureAwait(false);
    }

    private static async Task<RecoveryPoint?> FindAsync(CatalogSession session, RecoveryPointId id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from recovery_point where id = $1", Read, cancel, id.Value).ConfigureAwait(false)).FirstOrDefault();

    private static RecoveryPoint Read(NpgsqlDataReader row) => new(
        new(row.Text("id")),
        new(row.Text("asset")),
        new(row.Text("run_id")),
        new(row.Text("agent")),
        new(row.Text("vault")),
        new SnapshotFacts(
            row.Text("vault_id"),
            row.Text("snapshot_id"),
            row.Choice<SourceKind>("kind"),
            row.Instant("instant"),
            row.Instant("reading_began_at"),
            row.Number("bytes_read"),
            row.Number("bytes_new"),
            row.Number("bytes_stored"),
            row.Number("files_total"),
            row.Number("files_unreadable_total"),
            JsonSerializer.Deserialize<UnreadableEntry[]>(row.Text("files_unreadable"))!,
            row.TextOrNull("consistency_point") is { } json ? JsonSerializer.Deserialize<LogPosition>(json) : null),
        row.Instant("published_at"),
        row.InstantOrNull("missing_since"),
        row.InstantOrNull("expired_at"),
        row.InstantOrNull("removed_at"));
}
