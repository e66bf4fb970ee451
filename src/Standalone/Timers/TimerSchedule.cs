using System.Globalization;
using NCrontab;

namespace Backup.Standalone.Timers;

/// <summary>When a timer function fires.</summary>
/// <param name="Text">The schedule as written, settings put in.</param>
internal sealed record TimerSchedule(string Text)
{
    private CrontabSchedule? Cron { get; init; }

    /// <summary>Whether the schedule takes every hour alike.</summary>
    private bool IsHourly { get; init; }

    private TimeSpan Interval { get; init; }

    private TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;

    /// <summary>Reads a six-field NCRONTAB expression (five fields: no seconds) or a time span.</summary>
    /// <param name="text">The schedule.</param>
    /// <param name="zone">The time zone that NCRONTAB expressions are in.</param>
    /// <exception cref="StandaloneException">It is neither.</exception>
    public static TimerSchedule Parse(string text, TimeZoneInfo zone)
    {
        var fields = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length >= 5 && CrontabSchedule.TryParse(text, new CrontabSchedule.ParseOptions { IncludingSeconds = fields.Length == 6 }) is { } cron)
        {
            return new TimerSchedule(text) { Cron = cron, Zone = zone, IsHourly = fields[^4] == "*" };
        }

        if (fields.Length == 1 && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var interval) && interval > TimeSpan.Zero)
        {
            return new TimerSchedule(text) { Interval = interval };
        }

        throw new StandaloneException(
            StandaloneFault.FunctionDefinition,
            $"'{text}' is not a schedule.",
            "Use six NCRONTAB fields (second minute hour day month weekday) or a time span (hh:mm:ss).");
    }

    /// <summary>The first firing after a time, UTC.</summary>
    public DateTime Next(DateTime after)
    {
        if (Cron is null)
        {
            return after + Interval;
        }

        if (IsHourly)
        {
            // What runs in every hour runs in the hour that a change of the clock repeats, too.
            var offset = Zone.GetUtcOffset(after);
            return DateTime.SpecifyKind(Cron.GetNextOccurrence(after + offset) - offset, DateTimeKind.Utc);
        }

        var local = TimeZoneInfo.ConvertTimeFromUtc(after, Zone);
        while (true)
        {
            local = Cron.GetNextOccurrence(local);
            var next = ToUtc(local);
            if (next > after)
            {
                return next;
            }
        }
    }

    // Of a time that comes twice the first one counts; a time that is left out comes when the gap ends.
    private DateTime ToUtc(DateTime local)
    {
        while (Zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(1);
        }

        return Zone.IsAmbiguousTime(local)
            ? DateTime.SpecifyKind(local - Zone.GetAmbiguousTimeOffsets(local).Max(), DateTimeKind.Utc)
            : TimeZoneInfo.ConvertTimeToUtc(DateTime.SpecifyKind(local, DateTimeKind.Unspecified), Zone);
    }
}
