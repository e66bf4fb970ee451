using System.Globalization;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>A physical backup, as far as recovery needs to know it.</summary>
internal sealed record BaseBackup(SnapshotInfo Snapshot, Lsn Start, Lsn Stop, uint Timeline, ulong SystemIdentifier, int ServerVersion)
{
    internal int MajorVersion => ServerVersion / 10000;

    /// <summary>Files of it could not be read, or have damaged pages.</summary>
    internal bool IsPartial => Snapshot.ItemsUnreadable > 0;

    /// <summary>An asset's base backups, oldest first. Sealed properties tell: a restore key is needed.</summary>
    internal static IReadOnlyList<BaseBackup> Of(string asset, IReadOnlyList<SnapshotInfo> snapshots) => [.. snapshots
        .Where(snapshot => snapshot.Asset == asset && snapshot.SourceKind == PostgresSource.Kind)
        .Select(Read)
        .OfType<BaseBackup>()
        .OrderBy(backup => backup.Stop)
        .ThenBy(backup => backup.Snapshot.CommittedAt)];

    private static BaseBackup? Read(SnapshotInfo snapshot)
    {
        var facts = snapshot.SealedProperties;
        return Lsn.TryParse(facts.GetValueOrDefault("start-lsn"), out var start)
            && Lsn.TryParse(facts.GetValueOrDefault("stop-lsn"), out var stop)
            && uint.TryParse(facts.GetValueOrDefault("timeline"), NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
            && ulong.TryParse(facts.GetValueOrDefault("system-identifier"), NumberStyles.None, CultureInfo.InvariantCulture, out var system)
            && int.TryParse(facts.GetValueOrDefault("server-version"), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? new BaseBackup(snapshot, start, stop, timeline, system, version)
            : null;
    }
}
