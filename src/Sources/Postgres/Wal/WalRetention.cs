using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>Which snapshots of log are of no use any more. Pure; dropping them is the vault's prune.</summary>
public static class WalRetention
{
    /// <summary>A superseded snapshot stays this long: who listed the vault before may still be about to read it.</summary>
    public static TimeSpan SupersededAgeMin { get; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Snapshots all of whose files are, at least as long, in younger ones, and those with nothing but log before the start of every base backup that is
    /// kept. Nothing of an asset without base backups is dropped as old.
    /// </summary>
    /// <param name="asset">The cluster's asset name.</param>
    /// <param name="kept">The vault's snapshots without those that will be dropped. Sealed properties are needed: list them with a restore key.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<SnapshotId> Decide(string asset, IReadOnlyList<SnapshotInfo> kept, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(kept);
        var holdings = WalHoldings.Of(asset, kept);
        var backups = BaseBackup.Of(asset, kept);
        // One that cannot be read here must not look as if it were not there.
        var isEveryBackupKnown = kept.Count(snapshot => snapshot.Asset == asset && snapshot.SourceKind == PostgresSource.Kind) == backups.Count;
        Lsn? oldestNeeded = backups.Count > 0 && isEveryBackupKnown ? backups.Min(backup => backup.Start) : null;
        return [.. holdings.Snapshots
            .Where(held => now - held.Snapshot.CommittedAt >= SupersededAgeMin)
            .Where(held => held.Snapshot.Id != holdings.Snapshots[^1].Snapshot.Id)
            .Where(held => held.Facts.Files.All(file => IsSuperseded(holdings, held.Snapshot, held.Facts, file) || IsOld(file, held.Facts, oldestNeeded)))
            .Select(held => held.Snapshot.Id)];
    }

    private static bool IsSuperseded(WalHoldings holdings, SnapshotInfo snapshot, WalFacts facts, WalFile file)
    {
        if (!WalFileName.TryParse(file.Name, out var name))
            return false;
        // A partial file is superseded by the whole one too; but what was streamed never by what a server archived as partial.
        var better = holdings.Find(file.Name) is { } same && same.Snapshot.Id != snapshot.Id && (name.Kind != WalFileKind.Partial || same.Facts.Origin == facts.Origin) ? same
            : name.Kind == WalFileKind.Partial && holdings.Find(name.Segment) is { } whole && whole.Snapshot.Id != snapshot.Id ? whole
            : null;
        return better is not null && better.File.Bytes >= file.Bytes;
    }

    private static bool IsOld(WalFile file, WalFacts facts, Lsn? oldestNeeded)
    {
        // History files are small, and say how everything hangs together.
        if (oldestNeeded is not { } needed || !WalFileName.TryParse(file.Name, out var name) || name.Kind == WalFileKind.History)
            return false;
        return WalSegment.Parse(name.Segment, facts.SegmentBytes) is { } segment && segment.End <= needed;
    }
}
