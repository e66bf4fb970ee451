using System.Text.Json;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Catalog.Paging;
using Backup.Catalog.Runs;
using Backup.Policy;
using Backup.Policy.States;
using Npgsql;

namespace Backup.Catalog.Restores;

/// <summary>The restores. Writes are idempotent, as those of <see cref="RunStore"/>.</summary>
public sealed class RestoreStore(CatalogDatabase database, AuditTrail audit, TimeProvider clock)
{
    private const string Columns =
        """
        id, asset, recovery_point_id, agent, tier, target, include, overwrite, requested_by, state, opened_at, ordered_at, ended_at, reason_code, reason, hint,
        files_restored, bytes_restored, bytes_written, bytes_verified, is_drill, recover_to, is_dump, proof, is_proven, accepted_at, consistent_at, checked_at
        """;

    /// <summary>Records a restore, unless the id is known. Answers the restore as it is.</summary>
    /// <exception cref="CatalogException">The recovery point is unknown, or the database failed.</exception>
    public Task<Restore> OpenAsync(NewRestore restore, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var inserted = await session.ExecuteAsync(
                """
                insert into restore (id, asset, recovery_point_id, agent, tier, target, include, overwrite, requested_by, state, opened_at, is_drill, recover_to, is_dump)
                values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, 'queued', $10, $11, $12, $13) on conflict (id) do nothing
                """,
                cancel,
                restore.Id.Value,
                restore.Asset.Value,
                restore.RecoveryPoint.Value,
                restore.Agent.Value,
                restore.Tier?.Value,
                restore.Target,
                JsonSerializer.Serialize(restore.Include),
                restore.Overwrite,
                restore.RequestedBy,
                clock.GetUtcNow(),
                restore.IsDrill,
                restore.RecoverTo,
                restore.IsDump).ConfigureAwait(false);
            if (inserted == 1)
            {
                await audit.AppendAsync(
                    session, restore.RequestedBy, "restore.opened", restore.Id.Value, $"{(restore.IsDump ? "the dump of " : "")}{restore.RecoveryPoint} of {restore.Asset}{(restore.RecoverTo is { } goal ? $", recovered to {goal}," : "")} from {restore.Tier?.Value ?? "the vault"} to {restore.Target} by {restore.Agent}", cancel).ConfigureAwait(false);
            }

            return (await FindAsync(session, restore.Id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Notes that the agent was ordered. Nothing changes when that was noted before.</summary>
    /// <exception cref="CatalogException">There is no such restore, or the database failed.</exception>
    public Task<Restore> MarkOrderedAsync(RestoreId id, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
            if (!RunStates.Allows(restore.State, RunState.Running))
            {
                return restore;
            }

            await session.ExecuteAsync("update restore set state = 'running', ordered_at = $2 where id = $1", cancel, id.Value, clock.GetUtcNow()).ConfigureAwait(false);
            await audit.AppendAsync(session, restore.RequestedBy, "restore.ordered", id.Value, $"agent {restore.Agent}", cancel).ConfigureAwait(false);
            return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
        },
        cancel);

    /// <summary>Ends a restore. One that has ended keeps its first outcome.</summary>
    /// <exception cref="CatalogException">There is no such restore, the state machine forbids it, or the database failed.</exception>
    public Task<Restore> CloseAsync(RestoreId id, RunState state, OutcomeReason? reason, RestoredAmount? result, CancellationToken cancel) =>
        CloseAsync(id, state, reason, result, null, cancel);

    /// <summary>Ends a restore that was proven. One that has ended keeps its first outcome.</summary>
    /// <exception cref="CatalogException">There is no such restore, the state machine forbids it, or the database failed.</exception>
    public Task<Restore> CloseAsync(RestoreId id, RunState state, OutcomeReason? reason, RestoredAmount? result, ProofRecord? proof, CancellationToken cancel)
    {
        if (!RunStates.IsFinal(state) || (reason is null && state is not RunState.Succeeded) || (result is null && state is RunState.Succeeded))
        {
            throw new ArgumentException($"A restore ends in a final state, succeeded with a result and otherwise with a reason; not in {state}", nameof(state));
        }

        return database.WriteAsync(
            async session =>
            {
                var restore = await LockAsync(session, id, cancel).ConfigureAwait(false);
                if (RunStates.IsFinal(restore.State))
                {
                    return restore;
                }

                if (!RunStates.Allows(restore.State, state))
                {
                    throw new CatalogException(CatalogFault.NotAllowed, $"Restore {id} is {restore.State.Word()} and cannot end as {state.Word()}.", "It was never ordered.");
                }

                await session.ExecuteAsync(
                    """
                    update restore set state = $2, ended_at = $3, reason_code = $4, reason = $5, hint = $6, files_restored = $7, bytes_restored = $8,
                        bytes_written = $9, bytes_verified = $10, proof = $11::jsonb, is_proven = $12, accepted_at = $13, consistent_at = $14, checked_at = $15 where id = $1
                    """,
                    cancel,
                    id.Value,
                    state.Word(),
                    clock.GetUtcNow(),
                    reason?.Code,
                    reason?.Text,
                    reason?.Hint,
                    result?.Files,
                    result?.Bytes,
                    result?.BytesWritten,
                    result?.BytesVerified,
                    proof?.Document,
                    proof?.IsProven,
                    proof?.AcceptedAt.ToUniversalTime(),
                    proof?.ConsistentAt?.ToUniversalTime(),
                    proof?.CheckedAt.ToUniversalTime()).ConfigureAwait(false);
                await audit.AppendAsync(
                    session, restore.RequestedBy, "restore.closed", id.Value, $"{state.Word()}{(proof is { IsProven: true } ? ", proven" : "")} {reason?.Code}: {reason?.Text}", cancel).ConfigureAwait(false);
                return (await FindAsync(session, id, cancel).ConfigureAwait(false))!;
            },
            cancel);
    }

    /// <summary>The restore, or null.</summary>
    public Task<Restore?> FindAsync(RestoreId id, CancellationToken cancel) => database.ReadAsync(session => FindAsync(session, id, cancel), cancel);

    /// <summary>What the asset's restores have shown. One that a person cancelled shows nothing.</summary>
    public Task<RestoreProof> ProofAsync(AssetName asset, CancellationToken cancel) => database.ReadAsync(
        async session => (await session.QueryAsync(
            """
            select good.at as proven_at, (select count(*) from restore f
                where f.asset = $1 and (f.state = 'failed' or not f.is_proven) and f.ended_at > coalesce(good.at, '-infinity')) as failed
            from (select max(ended_at) as at from restore where asset = $1 and state = 'succeeded') good
            """,
            row => new RestoreProof(row.InstantOrNull("proven_at"), (int)row.Number("failed")),
            cancel,
            asset.Value).ConfigureAwait(false))[0],
        cancel);

    /// <summary>Restores, or only drills, newest first.</summary>
    /// <exception cref="CatalogException">The token is not one of this list, or the database failed.</exception>
    public Task<CatalogPage<Restore>> ListAsync(bool onlyDrills, string? continuation, int limit, CancellationToken cancel) => database.ReadPageAsync(
        $"select {Columns} from restore where (opened_at, id) < ($1, $2) and (is_drill or not $4) order by opened_at desc, id desc limit $3",
        Read,
        restore => new PageCursor(restore.OpenedAt, restore.Id.Value),
        continuation,
        limit,
        cancel,
        onlyDrills);

    /// <summary>Restores that have not ended, oldest first; at most <paramref name="limit"/>.</summary>
    public Task<IReadOnlyList<Restore>> ListOpenAsync(int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Restore>>(
        async session => await session.QueryAsync(
            $"select {Columns} from restore where state in ('queued', 'running') order by opened_at, id limit $1", Read, cancel, PageCursor.CheckLimit(limit)).ConfigureAwait(false),
        cancel);

    private static async Task<Restore> LockAsync(CatalogSession session, RestoreId id, CancellationToken cancel)
    {
        var rows = await session.QueryAsync($"select {Columns} from restore where id = $1 for update", Read, cancel, id.Value).ConfigureAwait(false);
        return rows.FirstOrDefault() ?? throw new CatalogException(CatalogFault.NotFound, $"There is no restore {id}.", "Restores are listed by GET /api/restores.");
    }

    private static async Task<Restore?> FindAsync(CatalogSession session, RestoreId id, CancellationToken cancel) =>
        (await session.QueryAsync($"select {Columns} from restore where id = $1", Read, cancel, id.Value).ConfigureAwait(false)).FirstOrDefault();

    private static Restore Read(NpgsqlDataReader row) => new(
        new(row.Text("id")),
        new(row.Text("asset")),
        new(row.Text("recovery_point_id")),
        new(row.Text("agent")),
        row.TextOrNull("tier") is { } tier ? new(tier) : null,
        row.Text("target"),
        JsonSerializer.Deserialize<string[]>(row.Text("include"))!,
        row.Flag("overwrite"),
        row.Text("requested_by"),
        row.Choice<RunState>("state"),
        row.Instant("opened_at"),
        row.InstantOrNull("ordered_at"),
        row.InstantOrNull("ended_at"),
        row.TextOrNull("reason") is { } reason ? new OutcomeReason(row.TextOrNull("reason_code") ?? "", reason, row.TextOrNull("hint") ?? "") : null,
        row.NumberOrNull("files_restored") is { } files
            ? new RestoredAmount(files, row.Number("bytes_restored"), row.Number("bytes_written"), row.Number("bytes_verified"))
            : null)
    {
        IsDrill = row.Flag("is_drill"),
        RecoverTo = row.TextOrNull("recover_to"),
        IsDump = row.Flag("is_dump"),
        Proof = row.TextOrNull("proof") is { } document
            ? new ProofRecord(row.Instant("accepted_at"), row.InstantOrNull("consistent_at"), row.Instant("checked_at"), row.Flag("is_proven"), document)
            : null,
    };
}
