namespace Backup.Policy;

/// <summary>The daily hours in which scheduled backups may start, in the site's local time.</summary>
/// <param name="From">Inclusive.</param>
/// <param name="To">Exclusive; at or before <paramref name="From"/> it lies on the next day, and equal to it means the whole day.</param>
/// <param name="Days">The days on which the window opens; never empty.</param>
public sealed record BackupWindow(TimeOnly From, TimeOnly To, IReadOnlySet<DayOfWeek> Days)
{
    private const int DaysSearched = 8;

    /// <summary>How long one opening lasts, by the wall clock.</summary>
    public TimeSpan Length => To > From ? To - From : TimeSpan.FromDays(1) - (From - To);

    /// <summary>The longest time between a close and the next opening, by the wall clock; zero when it never closes.</summary>
    public TimeSpan LongestClosure
    {
        get
        {
            var longest = TimeSpan.Zero;
            foreach (var day in Days)
            {
                var gapDays = 1;
                while (!Days.Contains((DayOfWeek)(((int)day + gapDays) % 7)))
                {
                    gapDays++;
                }

                var closed = TimeSpan.FromDays(gapDays) - Length;
                longest = closed > longest ? closed : longest;
            }

            return longest;
        }
    }

    /// <summary>True when a backup may start at that instant.</summary>
    public bool IsOpen(DateTimeOffset now, TimeZoneInfo zone) => Openings(now, zone).Any(o => o.Opens <= now && now < o.Closes);

    /// <summary>The first opening that begins after the instant. With at least one day a week there always is one.</summary>
    public DateTimeOffset NextOpening(DateTimeOffset now, TimeZoneInfo zone) => Openings(now, zone).First(o => o.Opens > now).Opens;

    private IEnumerable<(DateTimeOffset Opens, DateTimeOffset Closes)> Openings(DateTimeOffset around, TimeZoneInfo zone)
    {
        // From yesterday, because a window that opened before midnight may still be open.
        var today = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(around, zone).DateTime);
        for (var offset = -1; offset <= DaysSearched; offset++)
        {
            var day = today.AddDays(offset);
            if (Days.Contains(day.DayOfWeek))
            {
                var closes = day.ToDateTime(From) + Length;
                yield return (Instant(day.ToDateTime(From), zone), Instant(closes, zone));
            }
        }
    }

    private static DateTimeOffset Instant(DateTime local, TimeZoneInfo zone)
    {
        // In the hour that a clock change skips, a window opens when the clock has moved on.
        while (zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(15);
        }

        return new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime();
    }
}
