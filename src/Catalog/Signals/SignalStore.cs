using Backup.Catalog.Alerts;
using Backup.Catalog.Audit;
using Backup.Catalog.Database;
using Backup.Policy;
using Backup.Policy.Signals;

namespace Backup.Catalog.Signals;

/// <summary>What a run showed.</summary>
/// <param name="Run">The run.</param>
/// <param name="Signal">What.</param>
/// <param name="Freezes">It was part of a verdict that froze retention.</param>
/// <param name="At">When it was noticed.</param>
public sealed record RunSignal(RunId Run, Signal Signal, bool Freezes, DateTimeOffset At);

/// <summary>Retention is stopped for an asset until a person has looked.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="Run">The run that looked strange first.</param>
/// <param name="Why">What was noticed.</param>
/// <param name="FrozenAt">Since when.</param>
public sealed record AssetFreeze(AssetName Asset, RunId Run, string Why, DateTimeOffset FrozenAt);

/// <summary>Signals of runs, and what is frozen because of them. Writes are idempotent.</summary>
public sealed class SignalStore(CatalogDatabase database, AuditTrail audit, AlertStore alerts, TimeProvider clock)
{
    /// <summary>What a run is compared with: the statistics of the asset's points before it, newest first, without runs that froze.</summary>
    /// <param name="point">The run's own point; null when the catalog does not know it.</param>
    /// <param name="cancel">Stops waiting for the database.</param>
    public Task<(RunStatistics Run, IReadOnlyList<RunStatistics> History)?> HistoryAsync(RecoveryPointId point, CancellationToken cancel) =>
        database.ReadAsync<(RunStatistics Run, IReadOnlyList<RunStatistics> History)?>(
            async session =>
            {
                // Expired points are history too: what an asset is like does not depend on how long its points are kept.
                var rows = await session.QueryAsync(
                    """
                    select p.id, p.bytes_read, p.bytes_new, p.bytes_stored, p.files_total from recovery_point p, recovery_point own
                    where own.id = $1 and p.asset = own.asset and (p.instant, p.id) <= (own.instant, own.id)
                        and (p.id = own.id or not exists (select from run_signal s where s.run_id = p.run_id and s.freezes))
                    order by p.instant desc, p.id desc limit $2
                    """,
                    row => (Id: row.Text("id"), Statistics: new RunStatistics(row.Number("bytes_read"), row.Number("bytes_new"), row.Number("bytes_stored"), row.Number("files_total"))),
                    cancel,
                    point.Value,
                    RansomwareSignals.HistoryMax + 1).ConfigureAwait(false);
                return rows.Count == 0 || rows[0].Id != point.Value ? null : (rows[0].Statistics, [.. rows.Skip(1).Select(r => r.Statistics)]);
            },
            cancel);

    /// <summary>Stores a verdict on a run, once. A verdict that freezes stops retention for the asset and raises an alert.</summary>
    public Task<bool> RecordAsync(RunId run, AssetName asset, SignalVerdict verdict, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var now = clock.GetUtcNow();
            var isNew = false;
            foreach (var signal in verdict.Signals)
            {
                isNew |= await session.ExecuteAsync(
                    "insert into run_signal (run_id, asset, kind, value, usual, freezes, at) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
                    cancel,
                    run.Value,
                    asset.Value,
                    signal.Kind.ToString(),
                    signal.Value,
                    signal.Usual,
                    verdict.Freezes,
                    now).ConfigureAwait(false) == 1;
            }

            if (!isNew || !verdict.Freezes)
            {
                return isNew;
            }

            var why = $"Run {run}: " + string.Join(", ", verdict.Signals.Select(s => FormattableString.Invariant($"{s.Kind} {s.Value:0.###} (usually {s.Usual:0.###})")));
            var frozen = await session.ExecuteAsync(
                "insert into asset_freeze (id, asset, run_id, why, frozen_at) values ($1, $2, $3, $4, $5) on conflict (asset) where lifted_at is null do nothing",
                cancel,
                $"freeze-{run}",
                asset.Value,
                run.Value,
                why,
                now).ConfigureAwait(false);
            if (frozen == 1)
            {
                await audit.AppendAsync(session, actor, "asset.frozen", asset.Value, why, cancel).ConfigureAwait(false);
            }

            await alerts.RaiseAsync(session, AlertKind.Ransomware, asset.Value, $"{why}. Retention is frozen for the asset until an administrator lifts it.", actor, cancel).ConfigureAwait(false);
            return true;
        },
        cancel);

    /// <summary>The newest signals of an asset, newest first.</summary>
    public Task<IReadOnlyList<RunSignal>> ListAsync(AssetName asset, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<RunSignal>>(
        async session => await session.QueryAsync(
            "select run_id, kind, value, usual, freezes, at from run_signal where asset = $1 order by at desc, run_id, kind limit $2",
            row => new RunSignal(
                new(row.Text("run_id")),
                new Signal(Enum.Parse<SignalKind>(row.Text("kind")), row.GetDouble(row.GetOrdinal("value")), row.GetDouble(row.GetOrdinal("usual"))),
                row.Flag("freezes"),
                row.Instant("at")),
            cancel,
            asset.Value,
            limit).ConfigureAwait(false),
        cancel);

    /// <summary>Why the asset is frozen; null when it is not.</summary>
    public Task<AssetFreeze?> FindFreezeAsync(AssetName asset, CancellationToken cancel) => database.ReadAsync(session => FindFreezeAsync(session, asset, cancel), cancel);

    /// <summary>Lifts a freeze and closes its alert.</summary>
    /// <returns>False when the asset was not frozen.</returns>
    public Task<bool> LiftAsync(AssetName asset, string reason, string actor, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            var lifted = await session.ExecuteAsync(
                "update asset_freeze set lifted_at = $2, lifted_by = $3, lift_reason = $4 where asset = $1 and lifted_at is null",
                cancel,
                asset.Value,
                clock.GetUtcNow(),
                actor,
                reason).ConfigureAwait(false);
            if (lifted == 1)
            {
                await audit.AppendAsync(session, actor, "asset.unfrozen", asset.Value, reason, cancel).ConfigureAwait(false);
                await alerts.CloseAsync(session, AlertKind.Ransomware, asset.Value, reason, actor, cancel).ConfigureAwait(false);
            }

            return lifted == 1;
        },
        cancel);

    internal static async Task<AssetFreeze?> FindFreezeAsync(CatalogSession session, AssetName asset, CancellationToken cancel) => (await session.QueryAsync(
        "select run_id, why, frozen_at from asset_freeze where asset = $1 and lifted_at is null",
        row => new AssetFreeze(asset, new(row.Text("run_id")), row.Text("why"), row.Instant("frozen_at")),
        cancel,
        asset.Value).ConfigureAwait(false)).FirstOrDefault();
}
