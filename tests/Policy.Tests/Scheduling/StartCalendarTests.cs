using System.Globalization;
using Backup.Policy.Scheduling;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

/// <summary>Windows and blackout days against the wall clock, through both clock changes of Europe/Berlin in 2026 (29 March, 25 October).</summary>
public sealed class StartCalendarTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly HashSet<DayOfWeek> EveryDay = [.. Enum.GetValues<DayOfWeek>()];
    private static readonly Gen<BackupWindow> Windows = Gen.Select(Gen.Int[0, 95], Gen.Int[0, 95], Gen.Int[1, 127]).Select((from, to, days) => new BackupWindow(
        new TimeOnly(0, 0).AddMinutes(15 * from), new TimeOnly(0, 0).AddMinutes(15 * to), EveryDay.Where(d => (days & (1 << (int)d)) != 0).ToHashSet()));

    [Theory]
    [InlineData("02:00", "03:00", "2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z")] // swallowed whole: right after, for its length
    [InlineData("02:30", "04:00", "2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z")] // begins in the gap
    [InlineData("01:00", "02:30", "2026-03-29T00:00Z", "2026-03-29T00:00Z", "2026-03-29T01:00Z")] // ends in the gap
    [InlineData("02:00", "03:00", "2026-10-24T12:00Z", "2026-10-25T00:00Z", "2026-10-25T02:00Z")] // happens twice: both times
    [InlineData("02:30", "02:45", "2026-10-24T12:00Z", "2026-10-25T00:30Z", "2026-10-25T01:45Z")] // from the first to the last of it
    [InlineData("22:00", "06:00", "2026-10-24T12:00Z", "2026-10-24T20:00Z", "2026-10-25T05:00Z")] // nine hours long that night
    [InlineData("22:00", "06:00", "2026-03-28T12:00Z", "2026-03-28T21:00Z", "2026-03-29T04:00Z")] // seven that night
    public void Next_AcrossAClockChange_FollowsTheWallClock(string from, string to, string asked, string opens, string closes) =>
        Calendar(new BackupWindow(Time(from), Time(to), EveryDay), BlackoutDays.None).Next(Instant(asked)).ShouldBe(new Opening(Instant(opens), Instant(closes)));

    [Theory]
    [InlineData("2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z")] // the day of 23 hours
    [InlineData("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z")] // the day of 25 hours
    public void Next_BlackoutDayOfAClockChange_IsClosedFromMidnightToMidnight(string day, string begins, string ends)
    {
        var calendar = Calendar(null, new BlackoutDays(new HashSet<DateOnly> { DateOnly.Parse(day, CultureInfo.InvariantCulture) }, BlackoutDays.None.Yearly));
        calendar.IsOpen(Instant(begins).AddSeconds(-1)).ShouldBeTrue();
        calendar.IsOpen(Instant(begins)).ShouldBeFalse();
        calendar.Next(Instant(begins))!.Value.Opens.ShouldBe(Instant(ends));
    }

    [Fact]
    public void Next_YearlyBlackout_ComesBackEveryYear()
    {
        var calendar = Calendar(null, new BlackoutDays(new HashSet<DateOnly>(), new HashSet<(int, int)> { (12, 24), (12, 25) }));
        calendar.Next(Instant("2026-12-23T22:00Z")).ShouldBe(new Opening(Instant("2026-12-23T22:00Z"), Instant("2026-12-23T23:00Z")));
        calendar.Next(Instant("2026-12-24T12:00Z")).ShouldBe(new Opening(Instant("2026-12-25T23:00Z"), Instant("2027-12-23T23:00Z")));
    }

    [Fact]
    public void Next_EveryDayOfTheYearBlackedOut_NeverOpens()
    {
        var days = Enumerable.Range(0, 366).Select(d => new DateOnly(2024, 1, 1).AddDays(d)).Select(d => (d.Month, d.Day)).ToHashSet();
        Calendar(null, new BlackoutDays(new HashSet<DateOnly>(), days)).Next(Instant("2026-05-01T00:00Z")).ShouldBeNull();
    }

    [Fact]
    public void Next_WindowsThatNeverMeet_NeverOpens()
    {
        var site = new Site(new("lab"), Berlin);
        StartCalendar.Both([
            StartCalendar.Of(site, new BackupWindow(new(1, 0), new(2, 0), EveryDay), ignoresBlackout: false),
            StartCalendar.Of(site, new BackupWindow(new(5, 0), new(6, 0), EveryDay), ignoresBlackout: false),
        ]).Next(Instant("2026-05-01T00:00Z")).ShouldBeNull();
    }

    /// <summary>Outside the two days of a clock change the calendar is exactly the wall clock; CsCheck prints the seed of a failing case.</summary>
    [Fact]
    public void IsOpen_AnyWindowAndBlackout_IsWhatTheWallClockSays() => Gen.Select(Windows, Gen.Int[0, 364], Gen.Int[0, (24 * 60) - 1], Gen.Int[0, 364]).Sample(
        (window, day, minute, blackout) =>
        {
            var dark = new DateOnly(2026, 1, 1).AddDays(blackout);
            var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddDays(day).AddMinutes(minute);
            var local = TimeZoneInfo.ConvertTime(now, Berlin).DateTime;
            if (IsNearAClockChange(local))
            {
                return;
            }

            var (time, today, yesterday) = (TimeOnly.FromDateTime(local), local.DayOfWeek, local.AddDays(-1).DayOfWeek);
            var open = window.To > window.From
                ? window.Days.Contains(today) && time >= window.From && time < window.To
                : (window.Days.Contains(today) && time >= window.From) || (window.Days.Contains(yesterday) && time < window.To);
            Calendar(window, new BlackoutDays(new HashSet<DateOnly> { dark }, BlackoutDays.None.Yearly)).IsOpen(now)
                .ShouldBe(open && DateOnly.FromDateTime(local) != dark);
        });

    /// <summary>An opening is as the calendar says at each of its minutes, and the minute before it and at its end are closed or another opening.</summary>
    [Fact]
    public void Next_AnyWindowAnyTime_IsOpenFromItsBeginningToItsEnd() => Gen.Select(Windows, Gen.Int[0, 366 * 24 * 4]).Sample((window, quarter) =>
    {
        var calendar = Calendar(window, BlackoutDays.None);
        var from = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(15 * quarter);
        var opening = calendar.Next(from)!.Value;
        opening.Opens.ShouldBeGreaterThanOrEqualTo(from);
        opening.Closes.ShouldBeGreaterThan(opening.Opens);
        for (var at = from; at < opening.Closes; at = at.AddMinutes(15))
        {
            calendar.IsOpen(at).ShouldBe(at >= opening.Opens);
        }
    });

    private static bool IsNearAClockChange(DateTime local) =>
        new[] { new DateTime(2026, 3, 29), new DateTime(2026, 10, 25) }.Any(change => Math.Abs((local - change).TotalDays) < 2);

    private static StartCalendar Calendar(BackupWindow? window, BlackoutDays blackout) =>
        StartCalendar.Of(new Site(new("lab"), Berlin) { Blackout = blackout }, window, ignoresBlackout: false);

    private static TimeOnly Time(string text) => TimeOnly.Parse(text, CultureInfo.InvariantCulture);

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
