using System.Globalization;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

public sealed class BackupWindowTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly HashSet<DayOfWeek> EveryDay = [.. Enum.GetValues<DayOfWeek>()];

    [Theory]
    [InlineData("2026-01-10T20:59:59Z", false)]
    [InlineData("2026-01-10T21:00:00Z", true)] // 22:00 in Berlin's winter
    [InlineData("2026-01-11T04:59:59Z", true)]
    [InlineData("2026-01-11T05:00:00Z", false)]
    [InlineData("2026-07-10T20:00:00Z", true)] // 22:00 in its summer
    [InlineData("2026-07-11T04:00:00Z", false)]
    public void IsOpen_OverMidnight_FollowsTheSitesClock(string instant, bool open) =>
        new BackupWindow(new(22, 0), new(6, 0), EveryDay).IsOpen(Instant(instant), Berlin).ShouldBe(open);

    [Fact]
    public void IsOpen_DayThatOpensBeforeMidnight_StaysOpenIntoTheNext()
    {
        var friday = new BackupWindow(new(22, 0), new(6, 0), new HashSet<DayOfWeek> { DayOfWeek.Friday });
        friday.IsOpen(Instant("2026-05-09T05:00:00Z"), TimeZoneInfo.Utc).ShouldBeTrue();
        friday.IsOpen(Instant("2026-05-08T05:00:00Z"), TimeZoneInfo.Utc).ShouldBeFalse();
        friday.NextOpening(Instant("2026-05-08T22:00:00Z"), TimeZoneInfo.Utc).ShouldBe(Instant("2026-05-15T22:00:00Z"));
        friday.LongestClosure.ShouldBe(TimeSpan.FromDays(7) - TimeSpan.FromHours(8));
    }

    [Fact]
    public void NextOpening_InTheHourThatAClockChangeSkips_IsWhenTheClockHasMovedOn() =>
        new BackupWindow(new(2, 30), new(4, 0), EveryDay).NextOpening(Instant("2026-03-29T00:00:00Z"), Berlin).ShouldBe(Instant("2026-03-29T01:00:00Z"));

    [Fact]
    public void EqualTimes_AreTheWholeDay()
    {
        var window = new BackupWindow(new(3, 0), new(3, 0), EveryDay);
        window.LongestClosure.ShouldBe(TimeSpan.Zero);
        window.IsOpen(Instant("2026-05-08T02:59:00Z"), TimeZoneInfo.Utc).ShouldBeTrue();
    }

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
