using Backup.Vault;

namespace Backup.Sources.Postgres.Wal;

/// <summary>
/// Proves by content what can be restored: from a base backup's start every page and record of log is read, and the first that is missing or wrong
/// ends the range.
/// </summary>
public static class WalCheck
{
    /// <summary>Checks an asset's base backups.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="asset">The asset.</param>
    /// <param name="baseBackup">Only this one; null for all of them, each from its start.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>One range per base backup, oldest first.</returns>
    /// <exception cref="SourcesException">SnapshotUnsuitable: there is no such base backup.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public static async Task<IReadOnlyList<RestorableRange>> RunAsync(OpenVault vault, string asset, SnapshotId? baseBackup, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        var snapshots = await vault.ListSnapshotsAsync(cancel);
        var backups = BaseBackup.Of(asset, snapshots).Where(backup => baseBackup is null || backup.Snapshot.Id == baseBackup).ToList();
        if (backups.Count == 0)
            throw new SourcesException(SourcesFault.TargetUnreachable, $"The vault holds no base backup of '{asset}'.", "Take one with 'backupctl backup-postgres': log alone restores nothing.");
        using var reader = await vault.OpenReaderAsync(cancel);
        var source = new WalSource(reader, WalHoldings.Of(asset, snapshots));
        var ranges = new List<RestorableRange>();
        foreach (var backup in backups)
        {
            var segmentBytes = await source.AddBackupAsync(backup, cancel);
            ranges.Add(await CheckAsync(source, backup, segmentBytes, cancel));
        }

        return ranges;
    }

    private static async Task<RestorableRange> CheckAsync(WalSource source, BaseBackup backup, int segmentBytes, CancellationToken cancel)
    {
        var path = await TimelinePath.LatestAsync(source, backup, cancel);
        var events = new RangeEvents(backup.Stop);
        var (end, timeline, gap, records) = await ScanAsync(source, backup, path, segmentBytes, events.Take, cancel);
        if (gap is null && end < backup.Stop)
            gap = $"the log ends at {end}, before the end of the base backup at {backup.Stop}";
        return new RestorableRange
        {
            BaseBackup = backup.Snapshot.Id,
            Timeline = timeline,
            From = backup.Stop,
            To = end,
            FromTime = backup.Snapshot.ConsistentAt,
            FirstCommit = events.FirstCommit,
            LastCommit = events.LastCommit,
            Commits = events.Commits,
            Records = records,
            RestorePoints = events.RestorePoints,
            Gap = gap,
        };
    }

    /// <summary>Reads the log from a base backup's start along a path of timelines until it ends or breaks.</summary>
    /// <returns>The end of the last whole record, the timeline there, why it breaks (null at an ordinary end), and how many records there were.</returns>
    internal static async Task<(Lsn End, uint Timeline, string? Gap, long Records)> ScanAsync(
        WalSource source, BaseBackup backup, TimelineHistory path, int segmentBytes, Action<WalRecord> take, CancellationToken cancel)
    {
        var segment = WalSegment.Holding(path.TimelineAt(backup.Start), backup.Start, segmentBytes);
        var scanner = new WalScanner(path.Timeline, segment.Start, backup.SystemIdentifier, segmentBytes, record =>
        {
            if (record.Start >= backup.Start)
                take(record);
        });
        while (true)
        {
            var (held, end) = source.FindLongest(path, segment);
            if (held is { } file)
                await source.ReadAsync(file, end, bytes => scanner.Feed(bytes.Span), cancel);
            if (scanner.Problem is not null || end < segment.End)
            {
                var gap = scanner.IsAtEnd ? null : scanner.Problem ?? DescribeMissing(source, held ?? segment, end);
                return (scanner.EndOfRecords, path.TimelineAt(scanner.EndOfRecords), gap, scanner.Records);
            }

            segment = segment.Next with { Timeline = path.TimelineAt(segment.End) };
        }
    }

    /// <summary>Null when nothing of the timeline lies behind: then the log simply ends there.</summary>
    private static string? DescribeMissing(WalSource source, WalSegment segment, Lsn end)
    {
        var later = source.Holdings.Files
            .Select(file => WalFileName.TryParse(file.File.Name, out var name) && name.Timeline == segment.Timeline ? WalSegment.Parse(name.Segment, segment.SegmentBytes) : null)
            .Any(other => other is { } found && found.Number > segment.Number);
        return later ? $"{segment.FileName} is missing from {end} on, and later log is there" : null;
    }

    private sealed class RangeEvents(Lsn from)
    {
        private readonly List<RestorePoint> _restorePoints = [];

        internal DateTimeOffset? FirstCommit { get; private set; }

        internal DateTimeOffset? LastCommit { get; private set; }

        internal long Commits { get; private set; }

        internal IReadOnlyList<RestorePoint> RestorePoints => _restorePoints;

        internal void Take(WalRecord record)
        {
            if (record.End <= from)
                return;
            if (record.Kind == WalRecordKind.Commit)
            {
                Commits++;
                FirstCommit ??= record.Time;
                LastCommit = record.Time > LastCommit || LastCommit is null ? record.Time : LastCommit;
            }
            else if (record is { Kind: WalRecordKind.RestorePoint, Name: { } name })
            {
                _restorePoints.Add(new RestorePoint(name, record.End, record.Time));
            }
        }
    }
}
