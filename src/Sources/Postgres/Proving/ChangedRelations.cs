using Backup.Sources.Postgres.Wal;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// Which relations the log changed after a content record was made. A table that is not among them must hold after a restore exactly what the record
/// says; of the others nothing can be said.
/// </summary>
internal sealed class ChangedRelations
{
    private readonly Dictionary<RelationFile, Lsn> _lastChange = [];

    internal bool IsChanged(uint database, uint fileNode, Lsn since) =>
        _lastChange.TryGetValue(new RelationFile(database, fileNode), out var last) && last > since;

    /// <summary>Reads the log behind a base backup.</summary>
    /// <param name="reader">Opened after <paramref name="snapshots"/> were listed.</param>
    /// <param name="snapshots">What the vault has.</param>
    /// <param name="backup">The base backup.</param>
    /// <param name="timeline">The timeline along which all log that the vault has may be replayed; null when only what is in the base backup itself is.</param>
    /// <param name="cancel">Gives up.</param>
    internal static async Task<ChangedRelations> ReadAsync(VaultReader reader, IReadOnlyList<SnapshotInfo> snapshots, BaseBackup backup, uint? timeline, CancellationToken cancel)
    {
        var changed = new ChangedRelations();
        var asset = backup.Snapshot.Asset;
        var source = new WalSource(reader, WalHoldings.Of(asset, timeline is not null ? snapshots : []));
        var segmentBytes = await source.AddBackupAsync(backup, cancel);
        var path = timeline is { } followed && followed != backup.Timeline && await source.FindHistoryAsync(followed, cancel) is { } history
            ? history
            : TimelineHistory.First(backup.Timeline);
        await WalCheck.ScanAsync(source, backup, path, segmentBytes, record =>
        {
            if (record.Changed is { } relation)
                changed._lastChange[relation] = record.End;
        }, cancel);
        return changed;
    }
}
