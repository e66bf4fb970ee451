using System.Text.Json;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy;
using Backup.Policy.Archive;
using Npgsql;

namespace Backup.Catalog.Archive;

/// <summary>Restores from archive tiers from plan to end. Writes are idempotent. Whether enough administrators approved is counted by <see cref="StartAsync"/> itself.</summary>
public sealed partial class ArchiveStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        r.id, r.group_point_id, r.tier, r.request, r.requested_by, r.state, r.created_at, r.planned_at, r.plan, r.priority, r.packs_ready,
        r.packs_requested, r.files_restored, r.note, r.ended_at, r.copies_kept_until,
        array(select array[m.member_restore_id, m.asset, m.recovery_point_id, m.container_uri, m.vault_id] from archive_restore_member m where m.restore_id = r.id order by m.ordinal) as members,
        array(select a.administrator from archive_restore_approval a where a.restore_id = r.id order by a.at, a.administrator) as approvals
        """;

    /// <summary>Records what was asked for, unless the id is known.</summary>
    /// <exception cref="CatalogException">The recovery point is unknown, or the database failed.</exception>
    public Task<ArchiveRestore> OpenAsync(NewArchiveRestore restore, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var inserted = await session.ExecuteAsync(
                """
                insert into archive_restore (id, group_point_id, tier, request, requested_by, state, created_at, changed_at)
                values ($1, $2, $3, $4::jsonb, $5, 'surveying', $6, $6) on conflict (id) do nothing
                """,
                cancel,
                restore.Id.Value,
                restore.GroupPoint?.Value,
                restore.Members[0].Place.Tier.Value,
                restore.Request,
                restore.RequestedBy,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (inserted == 1)
            {
                await session.ExecuteAsync(
                    """
                    insert into archive_restore_member (restore_id, ordinal, member_restore_id, asset, recovery_point_id, container_uri, vault_id)
                    select $1, u.ordinal - 1, u.member, u.asset, u.point, u.container, u.vault
                    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality as u (member, asset, point, container, vault, ordinal)
                    """,
                    cancel,
                    restore.Id.Value,
                    restore.Members.Select(m => m.Restore.Value).ToArray(),
                    restore.Members.Select(m => m.Asset.Value).ToArray(),
                    restore.Members.Select(m => m.RecoveryPoint.Value).ToArray(),
                    restore.Members.Select(m => m.Place.Container.ToString()).ToArray(),
                    restore.Members.Select(m => m.Place.VaultId).ToArray()).ConfigureAwait(false);
                var what = string.Join(", ", restore.Members.Select(m => $"{m.RecoveryPoint} of {m.Asset}"));
                await audit.AppendAsync(session, restore.RequestedBy, "archive.asked", restore.Id.Value, $"{what} from {restore.Members[0].Place.Tier}", cancel).ConfigureAwait(false);
            }

            return (await FindAsync(session, restore.Id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Stores the plan. A restore that has one keeps it.</summary>
    /// <param name="id">Which.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="packs">Its packs, in the order in which they are read.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
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
                """
                insert into archive_restore_pack (restore_id, ordinal, member, name, bytes)
                select $1, u.ordinal, u.member, u.name, u.bytes from unnest($2::integer[], $3::text[], $4::bigint[]) with ordinality as u (member, name, bytes, ordinal)
                """,
                cancel,
                id.Value,
                packs.Select(p => p.Member).ToArray(),
                packs.Select(p => p.Name).ToArray(),
                packs.Select(p => p.Bytes).ToArray()).ConfigureAwait(false);
            await WritePlanAsync(session, id, plan, cancel).ConfigureAwait(false);
            return await MoveAsync(session, restore, ArchiveState.Planned, NoteOf(plan), "orchestration", cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>Puts another plan in place of one that is not started: more has to be brought back than it says. Who approved did so for less, and has to again.</summary>
    /// <exception cref="CatalogException">There is no such restore, or the database failed.</exception>
    public Task<ArchiveRestore> ReplanAsync(RestoreId id, ArchivePlan plan, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (restore.State is not ArchiveState.Planned)
            {
                return restore;
            }

            await WritePlanAsync(session, id, plan, cancel).ConfigureAwait(false);
            await session.ExecuteAsync("delete from archive_restore_approval where restore_id = $1", cancel, id.Value).ConfigureAwait(false);
            await session.ExecuteAsync("update archive_restore set changed_at = $2, note = $3 where id = $1", cancel, id.Value, clock.GetUtcNow(), $"planned anew: {NoteOf(plan)}").ConfigureAwait(false);
            await audit.AppendAsync(session, actor, "archive.replanned", id.Value, NoteOf(plan), cancel).ConfigureAwait(false);
            return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
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
            await audit.AppendAsync(session, administrator, "archive.approved", id.Value, $"asset {string.Join(", ", restore.Members.Select(m => m.Asset))}", cancel).ConfigureAwait(false);
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

    /// <summary>The archive restore that a restore belongs to, and is the orchestration of; null for other restores.</summary>
    public Task<RestoreId?> FindOfMemberAsync(RestoreId member, CancellationToken cancel) => database.ReadAsync<RestoreId?>(
        async session => (await session.QueryAsync("select restore_id from archive_restore_member where member_restore_id = $1", row => row.GetString(0), cancel, member.Value).ConfigureAwait(false)) is [var found]
            ? new RestoreId(found)
            : null,
        cancel);

    /// <summary>Its packs, in the order in which they are read.</summary>
    public Task<IReadOnlyList<ArchivePack>> PacksAsync(RestoreId id, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ArchivePack>>(
        async session => await session.QueryAsync(
            "select member, name, bytes from archive_restore_pack where restore_id = $1 order by ordinal", row => new ArchivePack(row.GetInt32(0), row.Text("name"), row.Number("bytes")), cancel, id.Value).ConfigureAwait(false),
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

    private Task<int> WritePlanAsync(CatalogSession session, RestoreId id, ArchivePlan plan, CancellationToken cancel) => session.ExecuteAsync(
        "update archive_restore set plan = $2::jsonb, planned_at = $3, packs_ready = $4 where id = $1", cancel, id.Value, JsonSerializer.Serialize(plan), clock.GetUtcNow(), plan.Packs - plan.PacksArchived);

    private static string NoteOf(ArchivePlan plan) => $"{plan.Packs} packs, {plan.BytesArchived} bytes to bring back";

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
        row.TextOrNull("group_point_id") is { } group ? new GroupPointId(group) : null,
        MembersOf(row.GetFieldValue<string[,]>(row.GetOrdinal("members")), new(row.Text("tier"))),
        new(row.Text("tier")),
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

    private static ArchiveMember[] MembersOf(string[,] members, TierName tier) =>
        [.. Enumerable.Range(0, members.GetLength(0)).Select(i => new ArchiveMember(
            new(members[i, 0]), new(members[i, 1]), new(members[i, 2]), new Retention.ReplicaPlaceId(new Uri(members[i, 3]), members[i, 4], tier)))];
}
