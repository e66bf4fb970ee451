namespace Backup.Sources.Postgres.Wal;

/// <summary>Where receiving begins.</summary>
/// <param name="Timeline">The timeline to ask for.</param>
/// <param name="Position">The first byte to ask for: the beginning of a file.</param>
/// <param name="Durable">Behind the last byte that the vault has of the same run already; the position itself when it has none.</param>
/// <param name="End">Where that timeline ends; null for the one being written.</param>
/// <param name="ContinuesRun">The log joins what the vault has without a gap.</param>
internal readonly record struct StreamStart(uint Timeline, Lsn Position, Lsn Durable, Lsn? End, bool ContinuesRun)
{
    /// <summary>Decides from what the vault has and what the server says. Pure.</summary>
    /// <param name="holdings">What the vault has.</param>
    /// <param name="server">The history of the timeline that the server writes.</param>
    /// <param name="serverEnd">Where its log ends.</param>
    /// <param name="kept">From here on the server keeps log for our slot.</param>
    /// <param name="segmentBytes">The segment size.</param>
    /// <param name="startsAnew">The vault's log cannot be continued: begin at what is kept.</param>
    /// <exception cref="SourcesException">WrongCluster: the vault has log of a future that this server never had.</exception>
    internal static StreamStart Decide(WalHoldings holdings, TimelineHistory server, Lsn serverEnd, Lsn kept, int segmentBytes, bool startsAnew)
    {
        if (holdings.LatestTimeline > server.Timeline)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster,
                $"The server writes timeline {server.Timeline}, but the vault has log of timeline {holdings.LatestTimeline} of '{holdings.Asset}': this may be an old primary that was replaced.",
                "Connect to the new primary. If this server was restored to an earlier state on purpose, promote it (a restore to a point in time does), or give it an asset of its own.");
        }

        if (holdings.DurableEnd(server.Timeline) is { } end && end > serverEnd)
        {
            throw new SourcesException(
                SourcesFault.WrongCluster,
                $"The server's log ends at {serverEnd}, but the vault has log of the same timeline {server.Timeline} up to {end}: the server was set back to an earlier state.",
                "Give it an asset of its own, or restore it with a recovery target, which gives it a timeline of its own.");
        }

        if (!startsAnew && Continue(holdings, server, segmentBytes) is { } start)
            return start;
        var timeline = server.TimelineAt(kept);
        var position = WalSegment.Holding(timeline, kept, segmentBytes).Start;
        return new StreamStart(timeline, position, position, EndOn(timeline, server), ContinuesRun: false);
    }

    private static StreamStart? Continue(WalHoldings holdings, TimelineHistory server, int segmentBytes)
    {
        // The youngest of the server's timelines that the vault has log of. Beyond the point where the next one left it, that log is another story.
        foreach (var timeline in holdings.Snapshots.Select(held => held.Facts.Timeline).Distinct().OrderDescending())
        {
            if (server.EndOf(timeline) is not { } end || holdings.DurableEnd(timeline) is not { } durable)
                continue;
            if (durable < end)
                return new StreamStart(timeline, WalSegment.Holding(timeline, durable, segmentBytes).Start, durable, EndOn(timeline, server), ContinuesRun: true);
            var next = server.TimelineAt(end);
            return new StreamStart(next, WalSegment.Holding(next, end, segmentBytes).Start, end, EndOn(next, server), ContinuesRun: true);
        }

        return null;
    }

    private static Lsn? EndOn(uint timeline, TimelineHistory server) => timeline == server.Timeline ? null : server.EndOf(timeline);
}
