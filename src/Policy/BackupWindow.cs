namespace Backup.Policy;

/// <summary>The daily hours in which scheduled backups may start, in the site's local time.</summary>
/// <param name="From">Inclusive.</param>
/// <param name="To">Exclusive; at or before <paramref name="From"/> it lies on the next day, and equal to it means the whole day.</param>
/// <param name="Days">The days on which the window opens; never empty.</param>
public sealed record BackupWindow(TimeOnly From, TimeOnly To, IReadOnlySet<DayOfWeek> Days)
{
    private const int DaysSearched = 8;

    /// <summary>True: an asset whose objective is broken, because its opening was missed, starts at once and does not wait for the next.</summary>
    public bool CatchUp { get; init; }

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

    /// <summary>The opening that holds the instant, or the first one after it.</summary>
    internal Opening Next(DateTimeOffset from, TimeZoneInfo zone) => Openings(from, zone).First(o => o.Closes > from);

    private IEnumerable<Opening> Openings(DateTimeOffset around, TimeZoneInfo zone)
    {
        // From yesterday, because a window that opened before midnight may still be open.
        var today = LocalTime.DayOf(around, zone);
        for (var offset = -1; offset <= DaysSearched; offset++)
        {
            var day = today.AddDays(offset);
            if (Days.Contains(day.DayOfWeek))
            {
                var opens = LocalTime.First(day.ToDateTime(From), zone);
                var closes = LocalTime.Last(day.ToDateTime(From) + Length, zone);
                // A clock change may skip the window from end to end; the night's backup is still due, so it opens right after.
                yield return new Opening(opens, closes > opens ? closes : opens + Length);
            }
        }
    }
}
