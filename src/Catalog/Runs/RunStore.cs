using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Policy;
using Backup.Policy.Scheduling;
using Backup.Policy.States;
using Npgsql;

namespace Backup.Catalog.Runs;

/// <summary>
/// The runs. Every write is one transaction and idempotent: repeating a call with the same arguments changes nothing and
/// answers what the first one did, because the activities that call it are performed at least once.
/// </summary>
public sealed class RunStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    internal const string Columns =
        "id, asset, agent, vault, requested_by, state, opened_at, ordered_at, ended_at, reason_code, reason, hint, recovery_point_id, rebuilt";

    /// <summary>Records a run, unless the id is known or the asset has another open run.</summary>
    /// <exception cref="CatalogException">The asset is not in the catalog, or the database failed.</exception>
    public Task<OpenedRun> OpenAsync(NewRun run, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            // The conflict target is left out on purpose: both the id and the one-open-run index may conflict.
            var inserted = await session.ExecuteAsync(
                """
                insert into run (id, asset, agent, vault, requested_by, state, opened_at) values ($1, $2, $3, $4, $5, 'queued', $6)
                on conflict do nothing
                """,
                cancel,
                run.Id.Value,
                run.Asset.Value,
                run.Agent.Value,
                run.Vault.Value,
                run.RequestedBy,
                clock.GetUtcNow()).ConfigureAwait(false);
            if (inserted == 1)
            {
                await audit.AppendAsync(session, run.RequestedBy, "run.opened", run.Id.Value, $"asset {run.Asset}, agent {run.Agent}, vault {run.Vault}", cancel).ConfigureAwait(false);
                return new OpenedRun(RunOpening.Open, (await FindAsync(session, run.Id, cancel).ConfigureAwait(false))!);
            }

            if (await FindAsync(session, run.Id, cancel).ConfigureAwait(false) is { } known)
            {
                return new OpenedRun(RunStates.IsFinal(known.State) ? RunOpening.Ended : RunOpening.Open, known);
            }

            var other = await session.QueryAsync(
                $"select {Columns} from run where asset = $1 and state in ('queued', 'running')", Read, cancel, run.Asset.Value).ConfigureAwait(false);
            return other.Count == 1
                ? new OpenedRun(RunOpening.AssetBusy, other[0])
                : throw new CatalogException(CatalogFault.Unavailable, $"The open run of asset {run.Asset} ended this moment.", "Try again.");
        },
        cancel);

    /// <summary>Notes that the agent was ordered. Nothing changes when that was noted before.</summary>
    /// <returns>The run as it now is; its state may be final when something else closed it.</returns>
    /// <exception cref="CatalogException">There is no such run, or the database failed.</exception>
    public Task<Run> MarkOrderedAsync(RunId id, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var run = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (!RunStates.Allows(run.State, RunState.Running))
            {
                return run;
            }

            await session.ExecuteAsync("update run set state = 'running', ordered_at = $2 where id = $1", cancel, id.Value, clock.GetUtcNow()).ConfigureAwait(false);
            await audit.AppendAsync(session, run.RequestedBy, "run.ordered", id.Value, $"agent {run.Agent}", cancel).ConfigureAwait(false);
            return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Ends a run. A run that has ended keeps its first outcome.</summary>
    /// <param name="id">The run.</param>
    /// <param name="state">A final state.</param>
    /// <param name="reason">Why; required unless the state is succeeded.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    /// <returns>The run as it now is.</returns>
    /// <exception cref="CatalogException">
    /// <see cref="CatalogFault.NotAllowed"/>: success without a recovery point, or failure with one; or there is no such run; or the database failed.
    /// </exception>
    public Task<Run> CloseAsync(RunId id, RunState state, OutcomeReason? reason, CancellationToken cancel)
    {
        if (!RunStates.IsFinal(state) || (reason is null && state is not RunState.Succeeded))
        {
            throw new ArgumentException($"A run ends in a final state, with a reason unless it succeeded; not in {state}", nameof(state));
        }

        return database.WriteAsync(
            async session =>
            {
                var run = await LockAsync(session, id, cancel).ConfigureAwait(false);
                if (RunStates.IsFinal(run.State))
                {
                    return run;
                }

                if (!RunStates.Allows(run.State, state) || RunStates.HasRecoveryPoint(state) != run.RecoveryPoint is not null)
                {
                    throw new CatalogException(
                        CatalogFault.NotAllowed,
                        $"Run {id} is {run.State.Word()} {(run.RecoveryPoint is null ? "without" : "with")} a recovery point and cannot end as {state.Word()}.",
                        "A run with a recovery point ends as succeeded or partial, any other as failed or cancelled.");
                }

                await session.ExecuteAsync(
                    "update run set state = $2, ended_at = $3, reason_code = $4, reason = $5, hint = $6 where id = $1",
                    cancel,
                    id.Value,
                    state.Word(),
                    clock.GetUtcNow(),
                    reason?.Code,
                    reason?.Text,
                    reason?.Hint).ConfigureAwait(false);
                await audit.AppendAsync(session, run.RequestedBy, "run.closed", id.Value, $"{state.Word()} {reason?.Code}: {reason?.Text}", cancel).ConfigureAwait(false);
                return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
            },
            cancel);
    }

    /// <summary>The run, or null.</summary>
    public Task<Run?> FindAsync(RunId id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>The asset's open run, or null.</summary>
    public Task<Run?> FindOpenAsync(AssetName asset, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            $"select {Columns} from run where asset = $1 and state in ('queued', 'running')", Read, cancel, asset.Value).ConfigureAwait(false)).FirstOrDefault(),
        cancel);

    /// <summary>Runs, newest first.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<Run>> ListAsync(RunFilter filter, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"""
        select {Columns} from run
        where (opened_at, id) < ($1, $2) and ($4::text is null or asset = $4) and ($5::text is null or state = $5)
        order by opened_at desc, id desc limit $3
        """,
        Read,
        run => new PageCursor(run.OpenedAt, run.Id.Value),
        continuation,
        limit,
        cancel,
        filter.Asset?.Value,
        filter.State?.Word());

    /// <summary>What scheduling needs to know of these assets, as of one moment.</summary>
    public Task<IReadOnlyList<AssetFacts>> FactsAsync(IReadOnlyCollection<AssetName> assets, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<AssetFacts>>(
        async session => await session.QueryAsync(
            """
            select a.name,
                   (select p.instant from recovery_point p where p.asset = a.name and p.missing_since is null and p.expired_at is null order by p.instant desc limit 1) as last_point,
                   (select max(r.ended_at) from run r where r.asset = a.name and not r.rebuilt) as last_ended,
                   good.durations,
                   (select count(*) from run r where r.asset = a.name and r.state in ('failed', 'cancelled')
                        and r.opened_at > coalesce(good.newest, '-infinity')) as failures,
                   (select min(r.opened_at) from run r where r.asset = a.name and r.state in ('queued', 'running')) as running_since
            from unnest($1::text[]) as a (name)
            left join lateral (
                select array_agg(g.ended_at - g.opened_at order by g.opened_at desc) as durations, max(g.opened_at) as newest from (
                    select r.opened_at, r.ended_at from run r
                    where r.asset = a.name and r.state in ('succeeded', 'partial') and not r.rebuilt order by r.opened_at desc limit $2) g) good on true
            """,
            row => new AssetFacts(
                new(row.Text("name")),
                row.InstantOrNull("last_point"),
                row.InstantOrNull("last_ended"),
                row.IsDBNull(row.GetOrdinal("durations")) ? [] : row.GetFieldValue<TimeSpan[]>(row.GetOrdinal("durations")),
                (int)Math.Min(row.Number("failures"), int.MaxValue),
                row.InstantOrNull("running_since")),
            cancel,
            assets.Select(a => a.Value).ToArray(),
            DurationEstimate.RunsMax).ConfigureAwait(false),
        cancel);

    /// <summary>The run, locked until the transaction ends.</summary>
    internal static async Task<Run> LockAsync(CatalogSession session, RunId id, CancellationToken cancel)
    {
        var rows = await session.QueryAsync($"select {Columns} from run where id = $1 for update", Read, cancel, id.Value).ConfigureAwait(false);
        return rows.FirstOrDefault() ?? throw new CatalogException(CatalogFault.NotFound, $"There is no run {id}.", "Runs are listed by GET /api/runs.");
    }

    internal static async Task<Run?> FindAsync(CatalogSession session, RunId id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from run where id = $1", Read, cancel, id.Value).ConfigureAwait(false)).FirstOrDefault();

    private static Run Read(NpgsqlDataReader row) => new(
        new(row.Text("id")),
        new(row.Text("asset")),
        new(row.Text("agent")),
        new(row.Text("vault")),
        row.Text("requested_by"),
        row.Choice<RunState>("state"),
        row.Instant("opened_at"),
        row.InstantOrNull("ordered_at"),
        row.InstantOrNull("ended_at"),
        row.TextOrNull("reason") is { } reason ? new OutcomeReason(row.TextOrNull("reason_code") ?? "", reason, row.TextOrNull("hint") ?? "") : null,
        row.TextOrNull("recovery_point_id") is { } point ? new RecoveryPointId(point) : null,
        row.Flag("rebuilt"));
}
