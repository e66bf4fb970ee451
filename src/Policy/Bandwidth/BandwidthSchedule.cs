namespace Backup.Policy.Bandwidth;

/// <summary>A limit from a moment on.</summary>
/// <param name="From">Since when.</param>
/// <param name="BytesPerSecond">Null: no limit.</param>
public sealed record BandwidthStep(DateTimeOffset From, long? BytesPerSecond);

/// <summary>Writes a site's limits down as moments, for agents, who know neither the policy nor its time zone. Pure.</summary>
public static class BandwidthSchedule
{
    /// <summary>How far ahead: a copy that takes longer goes on with the last step until it is ordered again.</summary>
    public static readonly TimeSpan Ahead = TimeSpan.FromHours(24);

    private static readonly TimeSpan Grain = TimeSpan.FromMinutes(1);

    /// <summary>The steps from now on; empty when there is no limit at all.</summary>
    /// <param name="site">Whose line.</param>
    /// <param name="sharers">How many agents send over it: each gets an equal part, so that together they keep the limit whatever each of them does.</param>
    /// <param name="now">The clock.</param>
    public static IReadOnlyList<BandwidthStep> Of(Site site, int sharers, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(site);
        return Of(site.Bandwidth, site.TimeZone, sharers, now);
    }

    /// <summary>The steps of any plan from now on; empty when there is no limit at all.</summary>
    /// <param name="plan">The limits.</param>
    /// <param name="zone">Where their hours are read.</param>
    /// <param name="sharers">How many agents share them.</param>
    /// <param name="now">The clock.</param>
    public static IReadOnlyList<BandwidthStep> Of(BandwidthPlan plan, TimeZoneInfo zone, int sharers, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentOutOfRangeException.ThrowIfLessThan(sharers, 1);
        var steps = new List<BandwidthStep>();
        if (plan.Limits.Count == 0)
        {
            return steps;
        }

        // Limits change at whole minutes.
        var minute = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % Grain.Ticks), TimeSpan.Zero);
        for (var at = minute; at - minute <= Ahead; at += Grain)
        {
            var part = plan.LimitAt(at, zone) is { } limit ? Math.Max(1, limit / sharers) : (long?)null;
            if (steps.Count == 0 || steps[^1].BytesPerSecond != part)
            {
                steps.Add(new BandwidthStep(at, part));
            }
        }

        return steps;
    }
}
