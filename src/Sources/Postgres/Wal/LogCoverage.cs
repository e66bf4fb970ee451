using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>How far the log reaches behind each base backup. Pure; public tags tell, so a backup key is enough.</summary>
public static class LogCoverage
{
    /// <summary>Up to which moment the log is unbroken behind each base backup of an asset.</summary>
    /// <param name="asset">The cluster's asset name.</param>
    /// <param name="snapshots">All of the vault.</param>
    /// <returns>
    /// Base backups that no log leads on from are left out. The moments are of the clock that also dated the base backups: what lies in between is right whatever that
    /// clock says. That every file of the log is there and whole is another question: <see cref="WalCheck"/>.
    /// </returns>
    public static IReadOnlyDictionary<SnapshotId, DateTimeOffset> Of(string asset, IReadOnlyList<SnapshotInfo> snapshots)
    {
        ArgumentNullException.ThrowIfNull(snapshots);
        var runs = WalHoldings.Of(asset, snapshots).Snapshots.Where(held => held.Facts.End.Value > 0).GroupBy(held => held.Facts.RunSince).OrderBy(run => run.Key)
            .Select(run => (Since: run.Key, Until: run.Max(held => held.Snapshot.ConsistentAt))).ToArray();
        for (var i = 0; i + 1 < runs.Length; i++)
        {
            // A clock that was ahead for a while must not make a run look longer than until the next one began.
            runs[i].Until = runs[i].Until < runs[i + 1].Since ? runs[i].Until : runs[i + 1].Since;
        }

        var until = new Dictionary<SnapshotId, DateTimeOffset>();
        foreach (var backup in snapshots.Where(snapshot => snapshot.Asset == asset && snapshot.SourceKind == PostgresSource.Kind))
        {
            // A base backup leads into the run that had begun before it: of several, the youngest, since a run begins where another ended.
            var run = runs.Where(r => r.Since <= backup.StartedAt).DefaultIfEmpty().MaxBy(r => r.Since);
            if (run.Until > backup.ConsistentAt)
                until[backup.Id] = run.Until;
        }

        return until;
    }
}
