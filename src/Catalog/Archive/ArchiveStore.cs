using System.Text.Json;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy.Archive;
using Npgsql;

namespace Backup.Catalog.Archive;

/// <summary>Restores from archive tiers from plan to end. Writes are idempotent. Whether enough administrators approved is counted by <see cref="StartAsync"/> itself.</summary>
public sealed class ArchiveStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        r.id, r.asset, r.recovery_point_id, r.tier, r.container_uri, r.vault_id, r.request, r.requested_by, r.state, r.created_at, r.planned_at, r.plan, r.priority, r.packs_ready,
        r.packs_requested, r.files_restored, r.note, r.ended_at, r.copies_kept_until,
        array(select a.administrator from archive_restore_approval a where a.restore_id = r.id order by a.at, a.administrator) as approvals
        """;

    /// <summary>Records what was asked for, unless the id is known.</summary>
    /// <exception cref="CatalogException">The recovery point is unknown, or the database failed.</exception>
    public Task<ArchiveRestore> OpenAsync(NewArchiveRestore restore, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var inserted = await session.ExecuteAsync(
                """
                insert into archive_restore (id, asset, recovery_point_id, tier, container_uri, vault_id, request, requested_by, state, created_at, changed_at)
                values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, 'surveying', $9, $9) on conflict (id) do nothing
                """,
                cancel,
                restore.Id.Value,
                restore.Asset.Value,
                restore.RecoveryPoint.Value,
                restore.Place.Tier.Value,
                restore.Place.Container.ToString(),
                restore.Place.VaultId,
                restore.Request,
                restore.RequestedBy,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (inserted == 1)
            {
                await audit.AppendAsync(session, restore.RequestedBy, "archive.asked", restore.Id.Value, $"{restore.RecoveryPoint} of {restore.Asset} from {restore.Place.Tier}", cancel).ConfigureAwait(false);
            }

            return (await FindAsync(session, restore.Id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Stores the plan. A restore that has one keeps it.</summary>
    /// <exception cref="CatalogException">There is no such restore, or the database failed.</exception>
    public Task<ArchiveRestore> PlanAsync(RestoreId id, ArchivePlan plan, IReadOnlyList<ArchivePack> packs, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (restore.State is not ArchiveState.Surveying)
            {
                return restore;
            }

            await session.ExecuteAsync(
                "insert into archive_restore_pack (restore_id, ordinal, name, bytes) select $1, u.ordinal, u.name, u.bytes from unnest($2::text[], $3::bigint[]) with ordinality as u (name, bytes, ordinal)",
                cancel,
                id.Value,
                packs.Select(p => p.Name).ToArray(),
                packs.Select(p => p.Bytes).ToArray()).ConfigureAwait(false);
            await session.ExecuteAsync(
                "update archive_restore set plan = $2::jsonb, planned_at = $3, packs_ready = $4 where id = $1", cancel, id.Value, JsonSerializer.Serialize(plan), clock.GetUtcNow(), plan.Packs - plan.PacksArchived).ConfigureAwait(false);
            return await MoveAsync(session, restore, ArchiveState.Planned, $"{plan.Packs} packs, {plan.BytesArchived} bytes to bring back", "orchestration", cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>An administrator approves. Approving twice is approving once; who asked cannot approve.</summary>
    /// <exception cref="CatalogException">NotFound, or NotAllowed: it is not planned, or was asked for by the same administrator.</exception>
    public Task<ArchiveRestore> ApproveAsync(RestoreId id, string administrator, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (restore.Approvals.Contains(administrator))
            {
                return restore;
            }

            if (restore.State is not ArchiveState.Planned)
            {
                throw NotAllowed(restore, "waits for no approval");
            }

            if (restore.RequestedBy == administrator)
            {
                throw new CatalogException(CatalogFault.NotAllowed, $"Archive restore {id} was asked for by {administrator}, who cannot approve it.", "Other administrators have to.");
            }

            await session.ExecuteAsync("insert into archive_restore_approval (restore_id, administrator, at) values ($1, $2, $3)", cancel, id.Value, administrator, clock.GetUtcNow()).ConfigureAwait(false);
            await audit.AppendAsync(session, administrator, "archive.approved", id.Value, $"asset {restore.Asset}", cancel).ConfigureAwait(false);
            return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Lets a planned restore begin: from here on it costs. One that runs at the same priority is left as it is.</summary>
    /// <exception cref="CatalogException">NotFound, or NotAllowed: it is not planned, its plan is too old, or it lacks approvals.</exception>
    public Task<ArchiveRestore> StartAsync(RestoreId id, RehydrationPriority priority, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (restore.State is ArchiveState.Running && restore.Priority == priority)
            {
                return restore;
            }

            if (restore.State is not ArchiveState.Planned)
            {
                throw NotAllowed(restore, "cannot be started");
            }

            if (clock.GetUtcNow() - restore.PlannedAt > ArchiveMargins.PlanLife)
            {
                throw NotAllowed(restore, "is too old to be started");
            }

            var offer = restore.Plan!.Offers.Single(o => o.Priority == priority);
            if (restore.Approvals.Count(a => a != restore.RequestedBy) < offer.ApprovalsNeeded)
            {
                throw new CatalogException(
                    CatalogFault.NotAllowed,
                    $"Archive restore {id} costs {offer.Cost?.ToString("0.00", System.Globalization.CultureInfo.InvariantCulture) ?? "nobody knows what"} {restore.Plan.Currency} and has {restore.Approvals.Count} of {offer.ApprovalsNeeded} approvals.",
                    "Administrators other than who asked have to approve it first.");
            }

            await session.ExecuteAsync("update archive_restore set priority = $2 where id = $1", cancel, id.Value, priority.Word()).ConfigureAwait(false);
            return await MoveAsync(session, restore, ArchiveState.Running, $"{priority.Word()} priority", actor, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>Somebody wants it stopped: at once before its start, by its orchestration afterwards. One that has ended is left as it is.</summary>
    /// <exception cref="CatalogException">NotFound.</exception>
    public Task<ArchiveRestore> CancelAsync(RestoreId id, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            return restore.State switch
            {
                ArchiveState.Surveying or ArchiveState.Planned => await EndAsync(session, restore, ArchiveState.Cancelled, "It was cancelled before anything was paid.", null, actor, cancel).ConfigureAwait(false),
                ArchiveState.Running => await MoveAsync(session, restore, ArchiveState.Cancelling, "", actor, cancel).ConfigureAwait(false),
                _ => restore,
            };
        },
        cancel);

    /// <summary>Notes how far it is.</summary>
    public Task<int> NoteProgressAsync(RestoreId id, int packsReady, int packsRequested, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync(
            "update archive_restore set packs_ready = $2, packs_requested = $3, changed_at = $4 where id = $1 and ended_at is null", cancel, id.Value, packsReady, packsRequested, clock.GetUtcNow()),
        cancel);

    /// <summary>Notes how many files are in place.</summary>
    public Task<int> NoteFilesAsync(RestoreId id, long filesRestored, CancellationToken cancel) => database.WriteAsync(
        session => session.ExecuteAsync("update archive_restore set files_restored = $2 where id = $1", cancel, id.Value, filesRestored), cancel);

    /// <summary>Ends it. One that has ended keeps its first end.</summary>
    /// <param name="id">Which.</param>
    /// <param name="state">A final state.</param>
    /// <param name="note">Why, for people.</param>
    /// <param name="copiesKeptUntil">When its copies may go; null when it has none.</param>
    /// <param name="actor">Who ends it.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    /// <exception cref="CatalogException">NotFound, or NotAllowed.</exception>
    public Task<ArchiveRestore> EndAsync(RestoreId id, ArchiveState state, string note, DateTimeOffset? copiesKeptUntil, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            return ArchiveStates.IsFinal(restore.State) ? restore : await EndAsync(session, restore, state, note, copiesKeptUntil, actor, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>The restore, or null.</summary>
    public Task<ArchiveRestore?> FindAsync(RestoreId id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>Its packs, in the order in which they are read.</summary>
    public Task<IReadOnlyList<ArchivePack>> PacksAsync(RestoreId id, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ArchivePack>>(
        async session => await session.QueryAsync(
            "select name, bytes from archive_restore_pack where restore_id = $1 order by ordinal", row => new ArchivePack(row.Text("name"), row.Number("bytes")), cancel, id.Value).ConfigureAwait(false),
        cancel);

    /// <summary>Archive restores, newest first.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<ArchiveRestore>> ListAsync(string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from archive_restore r where (r.created_at, r.id) < ($1, $2) order by r.created_at desc, r.id desc limit $3",
        Read,
        restore => new PageCursor(restore.CreatedAt, restore.Id.Value),
        continuation,
        limit,
        cancel);

    /// <summary>Restores that run or are being stopped, and of which nothing was noted since an instant: neither their start nor how far they are.</summary>
    public Task<IReadOnlyList<ArchiveRestore>> ListQuietAsync(DateTimeOffset since, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ArchiveRestore>>(
        async session => await session.QueryAsync(
            $"select {Columns} from archive_restore r where r.state in ('running', 'cancelling') and r.changed_at < $1 order by r.created_at", Read, cancel, since.ToUniversalTime()).ConfigureAwait(false),
        cancel);

    /// <summary>Ended restores whose copies have been kept long enough, with the packs of theirs that no other restore needs.</summary>
    public Task<IReadOnlyList<ReleasableCopies>> ListReleasableAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ReleasableCopies>>(
        async session =>
        {
            var now = clock.GetUtcNow();
            var due = await session.QueryAsync(
                $"select {Columns} from archive_restore r where r.copies_kept_until <= $1 and r.copies_removed_at is null order by r.ended_at", Read, cancel, now).ConfigureAwait(false);
            var releasable = new List<ReleasableCopies>();
            foreach (var restore in due)
            {
                var packs = await session.QueryAsync(
                    """
                    select p.name from archive_restore_pack p where p.restore_id = $1 and p.name not in (
                        select q.name from archive_restore_pack q join archive_restore o on o.id = q.restore_id
                        where o.id <> $1 and o.container_uri = $2 and o.vault_id = $3 and (o.state in ('running', 'cancelling') or o.copies_kept_until > $4))
                    """,
                    row => row.GetString(0),
                    cancel,
                    restore.Id.Value,
                    restore.Place.Container.ToString(),
                    restore.Place.VaultId,
                    now).ConfigureAwait(false);
                releasable.Add(new ReleasableCopies(restore.Id, restore.Place, packs));
            }

            return releasable;
        },
        cancel);

    /// <summary>Notes that a restore's copies are gone.</summary>
    public Task<int> MarkReleasedAsync(RestoreId id, int packs, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var marked = await session.ExecuteAsync("update archive_restore set copies_removed_at = $2 where id = $1 and copies_removed_at is null", cancel, id.Value, clock.GetUtcNow()).ConfigureAwait(false);
            if (marked == 1)
            {
                await audit.AppendAsync(session, "schedule", "archive.released", id.Value, $"{packs} copies were removed from the online tier", cancel).ConfigureAwait(false);
            }

            return marked;
        },
        cancel);

    private static CatalogException NotAllowed(ArchiveRestore restore, string what) => new(
        CatalogFault.NotAllowed, $"Archive restore {restore.Id} {what}: it is {restore.State.Word()}{(restore.PlannedAt is { } at ? $", planned at {at:u}" : "")}.",
        $"GET /api/archive-restores/{restore.Id} shows it. A plan lives for {ArchiveMargins.PlanLife.TotalDays:0} days.");

    private async Task<ArchiveRestore> EndAsync(CatalogSession session, ArchiveRestore restore, ArchiveState state, string note, DateTimeOffset? copiesKeptUntil, string actor, CancellationToken cancel)
    {
        await session.ExecuteAsync(
            "update archive_restore set ended_at = $2, copies_kept_until = $3 where id = $1", cancel, restore.Id.Value, clock.GetUtcNow(), copiesKeptUntil?.ToUniversalTime()).ConfigureAwait(false);
        return await MoveAsync(session, restore, state, note, actor, cancel).ConfigureAwait(false);
    }

    private async Task<ArchiveRestore> MoveAsync(CatalogSession session, ArchiveRestore restore, ArchiveState to, string note, string actor, CancellationToken cancel)
    {
        if (!ArchiveStates.Allows(restore.State, to))
        {
            throw NotAllowed(restore, $"cannot become {to.Word()}");
        }

        await session.ExecuteAsync("update archive_restore set state = $2, changed_at = $3, note = $4 where id = $1", cancel, restore.Id.Value, to.Word(), clock.GetUtcNow(), note).ConfigureAwait(false);
        await audit.AppendAsync(session, actor, $"archive.{to.Word()}", restore.Id.Value, note, cancel).ConfigureAwait(false);
        return (await FindAsync(session, restore.Id, cancel).ConfigureAwait(false))!;
    }

    private static async Task<ArchiveRestore> LockAsync(CatalogSession session, RestoreId id, CancellationToken cancel)
    {
        await session.ExecuteAsync("select from archive_restore where id = $1 for update", cancel, id.Value).ConfigureAwait(false);
        return await FindAsync(session, id, cancel).ConfigureAwait(false)
            ?? throw new CatalogException(CatalogFault.NotFound, $"There is no archive restore {id}.", "They are listed by GET /api/archive-restores.");
    }

    private static async Task<ArchiveRestore?> FindAsync(CatalogSession session, RestoreId id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from archive_restore r where r.id = $1", Read, cancel, id.Value).ConfigureAwait(false)).FirstOrDefault();

    private static ArchiveRestore Read(NpgsqlDataReader row) => new(
        new(row.Text("id")),
        new(row.Text("asset")),
        new(row.Text("recovery_point_id")),
        new Retention.ReplicaPlaceId(new Uri(row.Text("container_uri")), row.Text("vault_id"), new(row.Text("tier"))),
        row.Text("request"),
        row.Text("requested_by"),
        row.Choice<ArchiveState>("state"),
        row.Instant("created_at"),
        row.InstantOrNull("planned_at"),
        row.TextOrNull("plan") is { } plan ? JsonSerializer.Deserialize<ArchivePlan>(plan) : null,
        row.GetFieldValue<string[]>(row.GetOrdinal("approvals")),
        row.TextOrNull("priority") is null ? null : row.Choice<RehydrationPriority>("priority"),
        row.GetInt32(row.GetOrdinal("packs_ready")),
        row.GetInt32(row.GetOrdinal("packs_requested")),
        row.Number("files_restored"),
        row.TextOrNull("note"),
        row.InstantOrNull("ended_at"),
        row.InstantOrNull("copies_kept_until"));
}
