namespace Backup.Policy;

/// <summary>Local days without scheduled backups: single dates, and days that come back every year.</summary>
/// <param name="Dates">Single dates.</param>
/// <param name="Yearly">Month and day of every year; 29 February exists only in leap years.</param>
public sealed record BlackoutDays(IReadOnlySet<DateOnly> Dates, IReadOnlySet<(int Month, int Day)> Yearly)
{
    /// <summary>No day at all.</summary>
    public static readonly BlackoutDays None = new(new HashSet<DateOnly>(), new HashSet<(int, int)>());

    // A policy that blacks out every day of a year has no opening; the search has to end.
    private const int DaysSearched = 366 * 2;

    /// <summary>True when there is nothing to heed.</summary>
    public bool IsEmpty => Dates.Count == 0 && Yearly.Count == 0;

    /// <summary>True on a blackout day.</summary>
    public bool Contains(DateOnly day) => Dates.Contains(day) || Yearly.Contains((day.Month, day.Day));

    /// <summary>The time between blackout days that holds the instant, or the first one after it; null when there is none within two years.</summary>
    internal Opening? Next(DateTimeOffset from, TimeZoneInfo zone)
    {
        var day = LocalTime.DayOf(from, zone);
        var opens = from;
        for (var searched = 0; Contains(day); searched++)
        {
            if (searched == DaysSearched)
            {
                return null;
            }

            day = day.AddDays(1);
            opens = LocalTime.First(day.ToDateTime(TimeOnly.MinValue), zone);
        }

        for (var ahead = 1; ahead <= DaysSearched; ahead++)
        {
            if (Contains(day.AddDays(ahead)))
            {
                return new Opening(opens, LocalTime.First(day.AddDays(ahead).ToDateTime(TimeOnly.MinValue), zone));
            }
        }

        return new Opening(opens, DateTimeOffset.MaxValue);
    }
}
