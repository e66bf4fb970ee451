namespace Backup.Sources.Postgres.Wal;

/// <summary>Which timelines a restore follows.</summary>
internal static class TimelinePath
{
    /// <summary>
    /// The youngest timeline as the server finds it: counting up from the base backup's own as long as the vault has a history file. When that one does
    /// not come from the base backup, the base backup's own.
    /// </summary>
    internal static async Task<TimelineHistory> LatestAsync(WalSource source, BaseBackup backup, CancellationToken cancel)
    {
        var latest = await OfAsync(source, backup.Timeline, cancel);
        for (var timeline = backup.Timeline + 1; await source.FindHistoryAsync(timeline, cancel) is { } history; timeline++)
        {
            if (Leads(backup, history))
                latest = history;
        }

        return latest;
    }

    /// <summary>A certain timeline; null when the vault has no history of it.</summary>
    internal static async Task<TimelineHistory?> FindAsync(WalSource source, uint timeline, CancellationToken cancel) =>
        await source.FindHistoryAsync(timeline, cancel) ?? (source.Holdings.DurableEnd(timeline) is not null && timeline == 1 ? TimelineHistory.First(1) : null);

    /// <summary>The base backup's own timeline. Its history says nothing that matters behind the backup's start.</summary>
    internal static async Task<TimelineHistory> OfAsync(WalSource source, uint timeline, CancellationToken cancel) =>
        await source.FindHistoryAsync(timeline, cancel) ?? TimelineHistory.First(timeline);

    /// <summary>The base backup was finished before the path left its timeline.</summary>
    internal static bool Leads(BaseBackup backup, TimelineHistory path) => path.EndOf(backup.Timeline) is { } end && backup.Stop <= end;
}
