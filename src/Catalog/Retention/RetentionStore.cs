using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Groups;
using Backup.Catalog.Paging;
using Backup.Catalog.Signals;
using Backup.Policy;
using Backup.Policy.Retention;
using Npgsql;

namespace Backup.Catalog.Retention;

/// <summary>
/// Retention plans from decision to done. Writes are idempotent. A plan above the threshold, or a forced one, needs
/// <see cref="PlanMargins.ApprovalsNeeded"/> administrators, none of whom asked for it: <see cref="BeginAsync"/> counts them itself.
/// </summary>
public sealed class RetentionStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        p.id, p.asset, p.decided_at, p.requested_by, p.forced_reason, p.refusal, p.approvals_needed, p.points_kept, p.state, p.changed_at, p.note,
        (select count(*) from retention_plan_point q where q.plan_id = p.id) as points_deleted,
        array(select a.administrator from retention_approval a where a.plan_id = p.id order by a.at, a.administrator) as approvals
        """;

    /// <summary>
    /// Stores a decision. It takes the place of the asset's open plan, unless that is being executed, would delete the same points (its approvals
    /// then go on counting), or was forced and the new one is not.
    /// </summary>
    /// <returns>The asset's open plan as it now is; null when nothing is to delete.</returns>
    /// <exception cref="CatalogException">The asset is not in the catalog, or the database failed.</exception>
    public Task<StoredPlan?> ProposeAsync(NewRetentionPlan proposed, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var asset = proposed.Plan.Asset;
            await session.ExecuteAsync("select from asset where name = $1 for update", cancel, asset.Value).ConfigureAwait(false);
            if (await FindAsync(session, proposed.Id, cancel).ConfigureAwait(false) is { } known)
            {
                return known;
            }

            var deletions = proposed.Plan.Deletions.Select(p => p.Id).ToArray();
            var open = (await session.QueryAsync(
                $"select {Columns} from retention_plan p where p.asset = $1 and p.state in ('refused', 'awaiting-approval', 'ready', 'running')", Read, cancel, asset.Value).ConfigureAwait(false)).FirstOrDefault();
            if (open is not null)
            {
                var isForcedFirst = open.ForcedReason is not null && proposed.ForcedReason is null;
                if (open.State is PlanState.Running || (IsFresh(open) && (isForcedFirst || (open.ForcedReason == proposed.ForcedReason && await IsSameAsync(session, open.Id, deletions, cancel).ConfigureAwait(false)))))
                {
                    return open;
                }

                await MoveAsync(session, open, PlanState.Superseded, "A newer decision took its place.", proposed.RequestedBy, cancel).ConfigureAwait(false);
            }

            return deletions.Length == 0 ? null : await InsertAsync(session, proposed, deletions, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>An administrator approves. Approving twice is approving once; who asked cannot approve.</summary>
    /// <exception cref="CatalogException">NotFound, or NotAllowed: it waits for nobody, is too old, or was asked for by the same administrator.</exception>
    public Task<StoredPlan> ApproveAsync(string id, string administrator, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var plan = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (plan.Approvals.Contains(administrator) && plan.State is PlanState.AwaitingApproval or PlanState.Ready or PlanState.Running or PlanState.Done)
            {
                return plan;
            }

            if (plan.State is not PlanState.AwaitingApproval || !IsFresh(plan))
            {
                throw NotAllowed(plan, "waits for no approval");
            }

            if (plan.RequestedBy == administrator)
            {
                throw new CatalogException(CatalogFault.NotAllowed, $"Retention plan {id} was asked for by {administrator}, who cannot approve it.", $"{plan.ApprovalsNeeded} other administrators have to.");
            }

            await session.ExecuteAsync("insert into retention_approval (plan_id, administrator, at) values ($1, $2, $3)", cancel, id, administrator, clock.GetUtcNow()).ConfigureAwait(false);
            await audit.AppendAsync(session, administrator, "retention.approved", id, $"asset {plan.Asset}, {plan.PointsDeleted} points", cancel).ConfigureAwait(false);
            return plan.Approvals.Count + 1 < plan.ApprovalsNeeded
                ? (await FindAsync(session, id, cancel).ConfigureAwait(false))!
                : await MoveAsync(session, plan, PlanState.Ready, null, administrator, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>An administrator says no. The next decision makes a new plan.</summary>
    /// <exception cref="CatalogException">NotFound, or NotAllowed: it is being executed or has ended otherwise.</exception>
    public Task<StoredPlan> RejectAsync(string id, string administrator, string reason, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var plan = await LockAsync(session, id, cancel).ConfigureAwait(false);
            return plan.State is PlanState.Rejected ? plan
                : PlanStates.Allows(plan.State, PlanState.Rejected) ? await MoveAsync(session, plan, PlanState.Rejected, reason, administrator, cancel).ConfigureAwait(false)
                : throw NotAllowed(plan, "cannot be rejected any more");
        },
        cancel);

    /// <summary>
    /// Gives a plan's points up, before anything is deleted: those that are still deletable now. A plan that is being executed already answers
    /// the points it gave up then.
    /// </summary>
    /// <param name="id">The plan.</param>
    /// <param name="deletable">Points that a decision of this moment deletes; the others of the plan are spared.</param>
    /// <param name="actor">Who executes.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    /// <exception cref="CatalogException">
    /// NotFound; NotAllowed: it is not ready, too old, lacks approvals, its asset is frozen, or it would take the asset's last point unforced.
    /// </exception>
    public Task<IReadOnlyList<PlanPoint>> BeginAsync(string id, IReadOnlyCollection<string> deletable, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var plan = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (plan.State is PlanState.Running)
            {
                return await DroppedAsync(session, id, cancel).ConfigureAwait(false);
            }

            if (plan.State is not PlanState.Ready || !IsFresh(plan) || plan.Approvals.Count(a => a != plan.RequestedBy) < plan.ApprovalsNeeded)
            {
                throw NotAllowed(plan, "may not be executed");
            }

            if (await SignalStore.FindFreezeAsync(session, plan.Asset, cancel).ConfigureAwait(false) is { } freeze)
            {
                throw new CatalogException(CatalogFault.NotAllowed, $"Asset {plan.Asset} is frozen: {freeze.Why}.", "An administrator looks into it and lifts the freeze.");
            }

            await session.ExecuteAsync(
                "update retention_plan_point set spared = 'The rule wants it now.' where plan_id = $1 and recovery_point_id <> all($2)", cancel, id, deletable.ToArray()).ConfigureAwait(false);
            await session.ExecuteAsync(
                """
                update retention_plan_point set spared = 'It is being restored from an archive.'
                where plan_id = $1 and spared is null and recovery_point_id in (
                    select m.recovery_point_id from archive_restore_member m join archive_restore r on r.id = m.restore_id where r.state in ('running', 'cancelling'))
                """,
                cancel,
                id).ConfigureAwait(false);
            var given = await session.ExecuteAsync(
                """
                update recovery_point set expired_at = $2, expired_by = $1
                where expired_at is null and id in (select recovery_point_id from retention_plan_point where plan_id = $1 and spared is null)
                """,
                cancel,
                id,
                clock.GetUtcNow()).ConfigureAwait(false);
            await GroupPointStore.ExpireAsync(session, id, clock.GetUtcNow(), cancel).ConfigureAwait(false);
            var left = await session.QueryAsync("select count(*) as left_over from recovery_point where asset = $1 and expired_at is null and missing_since is null", row => row.Number("left_over"), cancel, plan.Asset.Value).ConfigureAwait(false);
            if (given > 0 && left[0] == 0 && plan.ForcedReason is null)
            {
                throw new CatalogException(CatalogFault.NotAllowed, $"Retention plan {id} would take the last recovery point of {plan.Asset}.", "Only a forced plan may.");
            }

            await MoveAsync(session, plan, PlanState.Running, $"{given} points were given up.", actor, cancel).ConfigureAwait(false);
            return await DroppedAsync(session, id, cancel).ConfigureAwait(false);
        },
        cancel);

    /// <summary>Notes that the vault no longer holds these snapshots, as far as the plan gave them up.</summary>
    /// <returns>How many points this call marked.</returns>
    public Task<int> MarkRemovedAsync(string id, IReadOnlyCollection<string> snapshots, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var marked = await session.ExecuteAsync(
                "update recovery_point set removed_at = $2 where expired_by = $1 and removed_at is null and snapshot_id = any($3)", cancel, id, clock.GetUtcNow(), snapshots.ToArray()).ConfigureAwait(false);
            if (marked > 0)
            {
                await audit.AppendAsync(session, actor, "retention.removed", id, $"{marked} snapshots are gone from the vault", cancel).ConfigureAwait(false);
            }

            return marked;
        },
        cancel);

    /// <summary>Ends a plan whose points are gone. One that has ended keeps its first note.</summary>
    /// <exception cref="CatalogException">NotFound, or NotAllowed: some of its snapshots are not noted as gone.</exception>
    public Task<StoredPlan> CloseAsync(string id, string note, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var plan = await LockAsync(session, id, cancel).ConfigureAwait(false);
            var left = await session.QueryAsync("select count(*) as left_over from recovery_point where expired_by = $1 and removed_at is null", row => row.Number("left_over"), cancel, id).ConfigureAwait(false);
            return plan.State is PlanState.Done ? plan
                : plan.State is PlanState.Running && left[0] == 0 ? await MoveAsync(session, plan, PlanState.Done, note, actor, cancel).ConfigureAwait(false)
                : throw NotAllowed(plan, "is not finished");
        },
        cancel);

    /// <summary>Notes why an open plan got no further.</summary>
    public Task<bool> NoteAsync(string id, string note, CancellationToken cancel) => database.WriteAsync(
        async session => await session.ExecuteAsync("update retention_plan set note = $2 where id = $1 and state in ('ready', 'running')", cancel, id, note).ConfigureAwait(false) == 1, cancel);

    /// <summary>The plan, or null.</summary>
    public Task<StoredPlan?> FindAsync(string id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>Plans that are ready or being executed.</summary>
    public Task<IReadOnlyList<StoredPlan>> ListExecutableAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<StoredPlan>>(
        async session => await session.QueryAsync($"select {Columns} from retention_plan p where p.state in ('ready', 'running') order by p.decided_at, p.id", Read, cancel).ConfigureAwait(false), cancel);

    /// <summary>Plans, newest first; of one asset or state when given.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<StoredPlan>> ListAsync(AssetName? asset, PlanState? state, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"""
        select {Columns} from retention_plan p
        where (p.decided_at, p.id) < ($1, $2) and ($4::text is null or p.asset = $4) and ($5::text is null or p.state = $5)
        order by p.decided_at desc, p.id desc limit $3
        """,
        Read,
        plan => new PageCursor(plan.DecidedAt, plan.Id),
        continuation,
        limit,
        cancel,
        asset?.Value,
        state?.Word());

    /// <summary>The plan's points, oldest first.</summary>
    public Task<IReadOnlyList<PlanPoint>> PointsAsync(string id, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<PlanPoint>>(
        async session => await PointsAsync(session, id, onlyDropped: false, limit, cancel).ConfigureAwait(false), cancel);

    private static async Task<IReadOnlyList<PlanPoint>> DroppedAsync(CatalogSession session, string id, CancellationToken cancel) =>
        await PointsAsync(session, id, onlyDropped: true, int.MaxValue, cancel).ConfigureAwait(false);

    private static Task<List<PlanPoint>> PointsAsync(CatalogSession session, string id, bool onlyDropped, int limit, CancellationToken cancel) => session.QueryAsync(
        """
        select p.id, p.snapshot_id, p.vault_id, p.instant, q.spared, p.expired_at, p.removed_at from retention_plan_point q join recovery_point p on p.id = q.recovery_point_id
        where q.plan_id = $1 and (not $2 or p.expired_by = $1) order by q.ordinal limit $3
        """,
        row => new PlanPoint(
            new(row.Text("id")), row.Text("snapshot_id"), row.Text("vault_id"), row.Instant("instant"), row.TextOrNull("spared"), row.InstantOrNull("expired_at"), row.InstantOrNull("removed_at")),
        cancel,
        id,
        onlyDropped,
        limit);

    private static CatalogException NotAllowed(StoredPlan plan, string what) => new(
        CatalogFault.NotAllowed, $"Retention plan {plan.Id} {what}: it is {plan.State.Word()}, has {plan.Approvals.Count} of {plan.ApprovalsNeeded} approvals, and was decided at {plan.DecidedAt:u}.",
        $"GET /api/retention/plans/{plan.Id} shows it. A plan lives for {PlanMargins.Life.TotalDays:0} days.");

    private bool IsFresh(StoredPlan plan) => clock.GetUtcNow() - plan.DecidedAt <= PlanMargins.Life;

    private static async Task<bool> IsSameAsync(CatalogSession session, string id, string[] deletions, CancellationToken cancel) =>
        (await session.QueryAsync("select recovery_point_id from retention_plan_point where plan_id = $1", row => row.GetString(0), cancel, id).ConfigureAwait(false)).ToHashSet().SetEquals(deletions);

    private async Task<StoredPlan> InsertAsync(CatalogSession session, NewRetentionPlan proposed, string[] deletions, CancellationToken cancel)
    {
        var plan = proposed.Plan;
        var needed = plan.NeedsApproval || proposed.ForcedReason is not null ? PlanMargins.ApprovalsNeeded : 0;
        var state = plan.Refusal is not PlanRefusal.None && proposed.ForcedReason is null ? PlanState.Refused : needed > 0 ? PlanState.AwaitingApproval : PlanState.Ready;
        await session.ExecuteAsync(
            """
            insert into retention_plan (id, asset, decided_at, requested_by, forced_reason, refusal, approvals_needed, points_kept, state, changed_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            cancel,
            proposed.Id,
            plan.Asset.Value,
            plan.DecidedAt.ToUniversalTime(),
            proposed.RequestedBy,
            proposed.ForcedReason,
            plan.Refusal.Word(),
            needed,
            plan.Verdicts.Count - deletions.Length,
            state.Word(),
            clock.GetUtcNow()).ConfigureAwait(false);
        await session.ExecuteAsync(
            "insert into retention_plan_point (plan_id, ordinal, recovery_point_id) select $1, u.ordinal, u.id from unnest($2::text[]) with ordinality as u (id, ordinal)", cancel, proposed.Id, deletions).ConfigureAwait(false);
        await audit.AppendAsync(
            session, proposed.RequestedBy, "retention.planned", proposed.Id, $"asset {plan.Asset}: deletes {deletions.Length} of {plan.Verdicts.Count} points, {state.Word()}{(proposed.ForcedReason is { } why ? $", forced: {why}" : "")}", cancel).ConfigureAwait(false);
        return (await FindAsync(session, proposed.Id, cancel).ConfigureAwait(false))!;
    }

    private async Task<StoredPlan> MoveAsync(CatalogSession session, StoredPlan plan, PlanState to, string? note, string actor, CancellationToken cancel)
    {
        if (!PlanStates.Allows(plan.State, to))
        {
            throw NotAllowed(plan, $"cannot become {to.Word()}");
        }

        await session.ExecuteAsync("update retention_plan set state = $2, changed_at = $3, note = $4 where id = $1", cancel, plan.Id, to.Word(), clock.GetUtcNow(), note).ConfigureAwait(false);
        await audit.AppendAsync(session, actor, $"retention.{to.Word()}", plan.Id, note ?? "", cancel).ConfigureAwait(false);
        return (await FindAsync(session, plan.Id, cancel).ConfigureAwait(false))!;
    }

    private static async Task<StoredPlan> LockAsync(CatalogSession session, string id, CancellationToken cancel)
    {
        await session.ExecuteAsync("select from retention_plan where id = $1 for update", cancel, id).ConfigureAwait(false);
        return await FindAsync(session, id, cancel).ConfigureAwait(false)
            ?? throw new CatalogException(CatalogFault.NotFound, $"There is no retention plan {id}.", "Plans are listed by GET /api/retention/plans.");
    }

    private static async Task<StoredPlan?> FindAsync(CatalogSession session, string id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from retention_plan p where p.id = $1", Read, cancel, id).ConfigureAwait(false)).FirstOrDefault();

    private static StoredPlan Read(NpgsqlDataReader row) => new(
        row.Text("id"),
        new(row.Text("asset")),
        row.Instant("decided_at"),
        row.Text("requested_by"),
        row.TextOrNull("forced_reason"),
        row.Choice<PlanRefusal>("refusal"),
        row.GetInt32(row.GetOrdinal("approvals_needed")),
        row.GetFieldValue<string[]>(row.GetOrdinal("approvals")),
        row.GetInt32(row.GetOrdinal("points_kept")),
        (int)row.Number("points_deleted"),
        row.Choice<PlanState>("state"),
        row.Instant("changed_at"),
        row.TextOrNull("note"));
}
