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

    /// <summary>A timeline as far as the vault knows where it comes from. What lies before a base backup's start does not matter.</summary>
    internal static async Task<TimelineHistory> OfAsync(WalSource source, uint timeline, CancellationToken cancel) =>
        await source.FindHistoryAsync(timeline, cancel) ?? TimelineHistory.First(timeline);

    /// <summary>The base backup was finished before the path left its timeline.</summary>
    internal static bool Leads(BaseBackup backup, TimelineHistory path) => path.EndOf(backup.Timeline) is { } end && backup.Stop <= end;
}
