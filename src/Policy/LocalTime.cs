namespace Backup.Policy;

/// <summary>From a site's wall clock to instants, also where a clock change makes a local time happen twice or never.</summary>
internal static class LocalTime
{
    /// <summary>The instant of a local time: the first of two, and where the clock skips it, the moment of the change.</summary>
    public static DateTimeOffset First(DateTime local, TimeZoneInfo zone) => Resolve(local, zone, later: false);

    /// <summary>The instant of a local time: the second of two, and where the clock skips it, the moment of the change.</summary>
    public static DateTimeOffset Last(DateTime local, TimeZoneInfo zone) => Resolve(local, zone, later: true);

    /// <summary>The local day of an instant.</summary>
    public static DateOnly DayOf(DateTimeOffset instant, TimeZoneInfo zone) => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(instant, zone).DateTime);

    private static DateTimeOffset Resolve(DateTime local, TimeZoneInfo zone, bool later)
    {
        if (zone.IsInvalidTime(local))
        {
            // With the offset from before the change, a skipped time comes out as far after the change as it is into the gap.
            var beyond = new DateTimeOffset(local, zone.GetUtcOffset(local.AddDays(-1)));
            var before = beyond.ToUniversalTime() - TimeSpan.FromDays(1);
            return Change(before, beyond.ToUniversalTime(), zone);
        }

        if (zone.IsAmbiguousTime(local))
        {
            var offsets = zone.GetAmbiguousTimeOffsets(local);
            return new DateTimeOffset(local, later ? offsets.Min() : offsets.Max()).ToUniversalTime();
        }

        return new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime();
    }

    /// <summary>The first instant after <paramref name="before"/> whose offset is that of <paramref name="after"/>; one change lies between.</summary>
    private static DateTimeOffset Change(DateTimeOffset before, DateTimeOffset after, TimeZoneInfo zone)
    {
        var offset = zone.GetUtcOffset(after);
        while (after - before > TimeSpan.FromSeconds(1))
        {
            var middle = before + ((after - before) / 2);
            (before, after) = zone.GetUtcOffset(middle) == offset ? (before, middle) : (middle, after);
        }

        return new DateTimeOffset(after.Ticks - (after.Ticks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
    }
}
