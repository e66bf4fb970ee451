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
    private readonly Dictionary<RelationFile, Change> _changes = [];

    /// <param name="database">The database.</param>
    /// <param name="fileNode">The relation.</param>
    /// <param name="since">Where the log ended when it was recorded.</param>
    /// <param name="unseenFrom">As <see cref="Format.DatabaseContent.UnseenFromTransaction"/>.</param>
    internal bool IsChanged(uint database, uint fileNode, Lsn since, uint? unseenFrom) =>
        _changes.TryGetValue(new RelationFile(database, fileNode), out var change) && (change.Last > since || (unseenFrom is { } from && change.Transaction is { } youngest && !IsOlder(youngest, from)));

    /// <summary>Ids come round again: of two, the one is older from which fewer than half of all ids lead to the other.</summary>
    private static bool IsOlder(uint one, uint other) => (int)(one - other) < 0;

    private void Take(RelationFile relation, WalRecord record)
    {
        var youngest = _changes.GetValueOrDefault(relation).Transaction;
        if (record.TransactionId != 0 && (youngest is not { } known || IsOlder(known, record.TransactionId)))
            youngest = record.TransactionId;
        _changes[relation] = new Change(record.End, youngest);
    }

    /// <summary>Reads the log behind a base backup.</summary>
    /// <param name="reader">Opened after <paramref name="snapshots"/> were listed.</param>
    /// <param name="snapshots">What the vault has; none when only the log in the base backup itself is replayed.</param>
    /// <param name="backup">The base backup.</param>
    /// <param name="timeline">The timeline along which log is replayed; null for the base backup's own.</param>
    /// <param name="cancel">Gives up.</param>
    internal static async Task<ChangedRelations> ReadAsync(VaultReader reader, IReadOnlyList<SnapshotInfo> snapshots, BaseBackup backup, uint? timeline, CancellationToken cancel)
    {
        var changed = new ChangedRelations();
        var asset = backup.Snapshot.Asset;
        var source = new WalSource(reader, WalHoldings.Of(asset, snapshots));
        var segmentBytes = await source.AddBackupAsync(backup, cancel);
        var path = timeline is { } followed && followed != backup.Timeline && await source.FindHistoryAsync(followed, cancel) is { } history
            ? history
            : TimelineHistory.First(backup.Timeline);
        await WalCheck.ScanAsync(source, backup, path, segmentBytes, record =>
        {
            if (record.Changed is { } relation)
                changed.Take(relation, record);
        }, cancel);
        return changed;
    }

    /// <param name="Last">The end of the last record.</param>
    /// <param name="Transaction">The youngest one that wrote.</param>
    private readonly record struct Change(Lsn Last, uint? Transaction);
}
