using System.Globalization;
using NCrontab;

namespace Backup.Standalone.Timers;

/// <summary>When a timer function fires.</summary>
/// <param name="Text">The schedule as written, settings put in.</param>
internal sealed record TimerSchedule(string Text)
{
    private CrontabSchedule? Cron { get; init; }

    private TimeSpan Interval { get; init; }

    private TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;

    /// <summary>Reads a six-field NCRONTAB expression (five fields: no seconds) or a time span.</summary>
    /// <param name="text">The schedule.</param>
    /// <param name="zone">The time zone that NCRONTAB expressions are in.</param>
    /// <exception cref="StandaloneException">It is neither.</exception>
    public static TimerSchedule Parse(string text, TimeZoneInfo zone)
    {
        var fields = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        if (fields >= 5 && CrontabSchedule.TryParse(text, new CrontabSchedule.ParseOptions { IncludingSeconds = fields == 6 }) is { } cron)
        {
            return new TimerSchedule(text) { Cron = cron, Zone = zone };
        }

        if (fields == 1 && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var interval) && interval > TimeSpan.Zero)
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

        var local = TimeZoneInfo.ConvertTimeFromUtc(after, Zone);
        var next = Cron.GetNextOccurrence(local);

        // An hour that a change of the clock leaves out does not exist: the firing takes place when it ends.
        while (Zone.IsInvalidTime(next))
        {
            next = next.AddMinutes(1);
        }

        return TimeZoneInfo.ConvertTimeToUtc(DateTime.SpecifyKind(next, DateTimeKind.Unspecified), Zone);
    }
}
