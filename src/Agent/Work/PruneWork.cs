using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Dumps;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using PruneResult = Backup.AgentApi.PruneResult;

namespace Backup.Agent.Work;

/// <summary>Drops the snapshots an order names and frees what no snapshot needs.</summary>
/// <remarks>
/// (1) open with the key for it (2) no asset loses its last snapshot by mistake (3) plan (4) execute, unless only asked (5) report. Running it again
/// finds dropped snapshots gone, and goes on.
/// </remarks>
internal sealed class PruneWork(VaultShelf vaults, TimeProvider time)
{
    public async Task<JobOutcome> RunAsync(PruneOrder order, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        var vault = await vaults.OpenForPruneAsync(order.Vault, cancel).ConfigureAwait(false);                    // (1)
        var snapshots = await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false);
        var wanted = order.Drops.ToHashSet(StringComparer.Ordinal);
        var drop = snapshots.Where(s => wanted.Contains(s.Id.ToString())).ToList();
        if (!order.AllowsLast && LosesItsLast(snapshots, drop) is { } asset)                                      // (2)
        {
            return JobOutcome.Failed(new Failure
            {
                Code = FailureCode.InvalidOrder,
                Message = $"The order would drop every snapshot of asset '{asset}' that the vault '{order.Vault}' holds.",
                Hint = "Compare the vault's snapshots with the catalog. A forced plan of the control plane may do it.",
            });
        }

        var plan = await Pruner.PlanAsync(vault, new PruneRequest { Drop = [.. drop.Select(s => s.Id)], DecidedAt = order.OrderedAt }, cancel).ConfigureAwait(false);    // (3)
        if (order.DryRun)
        {
            return Report(drop.Count, plan.CountOf(PackFate.Mark), plan.CountOf(PackFate.Repack), plan.CountOf(PackFate.Delete), plan.BytesFreedNow, plan.BytesFreedLater, WithoutUse(plan.Kept, order));
        }

        var done = await Pruner.ExecuteAsync(vault, plan, new VaultNote(progress, "pruning"), cancel).ConfigureAwait(false); // (4)
        return Report(order.Drops.Count, done.PacksMarked, done.PacksRepacked, done.PacksDeleted, done.BytesFreed, plan.BytesFreedLater, []);    // (5)
    }

    /// <summary>An asset all of whose restorable snapshots would go; null when there is none. Log alone restores nothing, so it does not count.</summary>
    private static string? LosesItsLast(IReadOnlyList<SnapshotInfo> all, IReadOnlyList<SnapshotInfo> drop)
    {
        var left = all.Except(drop).Where(IsRestorable).Select(s => s.Asset).ToHashSet(StringComparer.Ordinal);
        return drop.Where(IsRestorable).Select(s => s.Asset).FirstOrDefault(asset => !left.Contains(asset));
    }

    private static bool IsRestorable(SnapshotInfo snapshot) => Enum.TryParse<SourceKind>(snapshot.SourceKind, ignoreCase: true, out _);

    private List<string> WithoutUse(IReadOnlyList<SnapshotInfo> kept, PruneOrder order) =>
    [
        .. kept.Where(s => s.SourceKind == PostgresSource.Kind).Select(s => s.Asset).Distinct(StringComparer.Ordinal)
            .SelectMany(asset => WalRetention.Decide(asset, kept, order.OrderedAt ?? time.GetUtcNow())).Concat(DumpsLeftAlone(kept)).Select(id => id.ToString()).Take(PruneOrder.DropsMax - order.Drops.Count),
    ];

    /// <summary>Dumps that were ordered together with a base backup that is not kept: both were one recovery point. A dump that a person made has no order, and stays.</summary>
    private static IEnumerable<SnapshotId> DumpsLeftAlone(IReadOnlyList<SnapshotInfo> kept)
    {
        var points = kept.Where(s => s.SourceKind == PostgresSource.Kind).Select(s => s.Tags.GetValueOrDefault(BackupWork.OrderTag)).ToHashSet(StringComparer.Ordinal);
        return kept.Where(s => s.SourceKind == PostgresDumpSource.Kind && s.Tags.GetValueOrDefault(BackupWork.OrderTag) is { } order && !points.Contains(order)).OrderBy(s => s.CommittedAt).Select(s => s.Id);
    }

    private static JobOutcome Report(int dropped, int marked, int repacked, int deleted, long freed, long later, IReadOnlyList<string> log) => new()
    {
        State = JobState.Succeeded,
        Prune = new PruneResult
        {
            SnapshotsDropped = dropped,
            LogSnapshots = log,
            PacksMarked = marked,
            PacksRepacked = repacked,
            PacksDeleted = deleted,
            BytesFreed = freed,
            BytesFreedLater = later,
        },
    };
}
