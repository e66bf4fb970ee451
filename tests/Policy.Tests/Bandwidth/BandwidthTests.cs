using Backup.Policy.Bandwidth;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Bandwidth;

public sealed class BandwidthTests
{
    private const long Megabyte = 1_000_000;

    [Fact]
    public void LimitAt_ByTimeOfDay_TheLowestOpenLimitCounts()
    {
        var berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        var work = new BackupWindow(new(8, 0), new(18, 0), new HashSet<DayOfWeek> { DayOfWeek.Monday });
        var plan = new BandwidthPlan([new BandwidthLimit(200 * Megabyte, null), new BandwidthLimit(20 * Megabyte, work)]);
        plan.LimitAt(new(2026, 5, 4, 6, 0, 0, TimeSpan.Zero), berlin).ShouldBe(20 * Megabyte); // Monday, 08:00 in Berlin
        plan.LimitAt(new(2026, 5, 4, 16, 0, 0, TimeSpan.Zero), berlin).ShouldBe(200 * Megabyte);
        plan.LimitAt(new(2026, 5, 5, 6, 0, 0, TimeSpan.Zero), berlin).ShouldBe(200 * Megabyte);
        BandwidthPlan.Unlimited.LimitAt(new(2026, 5, 4, 6, 0, 0, TimeSpan.Zero), berlin).ShouldBeNull();
    }

    [Fact]
    public void Schedule_OfADay_ChangesWhereTheLimitsDoAndIsShared()
    {
        var berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        var work = new BackupWindow(new(8, 0), new(18, 0), new HashSet<DayOfWeek> { DayOfWeek.Monday });
        var site = new Site(new("lab"), berlin) { Bandwidth = new BandwidthPlan([new BandwidthLimit(20 * Megabyte, work)]) };
        BandwidthSchedule.Of(site, 2, new(2026, 5, 4, 5, 30, 20, TimeSpan.Zero)).ShouldBe([
            new BandwidthStep(new(2026, 5, 4, 5, 30, 0, TimeSpan.Zero), null),
            new BandwidthStep(new(2026, 5, 4, 6, 0, 0, TimeSpan.Zero), 10 * Megabyte),
            new BandwidthStep(new(2026, 5, 4, 16, 0, 0, TimeSpan.Zero), null),
        ]);
        BandwidthSchedule.Of(site with { Bandwidth = BandwidthPlan.Unlimited }, 2, DateTimeOffset.UnixEpoch).ShouldBeEmpty();
    }

    [Fact]
    public void Divide_LessSlack_GetsMore()
    {
        var shares = BandwidthShare.Divide(100, [Of(0, 1, 1000, minutes: 10), Of(1, 1, 1000, minutes: 60)]);
        shares[new("a0")].ShouldBeGreaterThan(shares[new("a1")]);
        shares.Values.Sum().ShouldBe(100);
    }

    [Fact]
    public void Divide_NotEnough_TheImportantOneIsServedFirst()
    {
        var shares = BandwidthShare.Divide(100, [Of(0, 7, 60_000, minutes: 1), Of(1, 1, 60_000, minutes: 10)]);
        shares[new("a1")].ShouldBeGreaterThanOrEqualTo(95);
        shares[new("a0")].ShouldBeGreaterThan(0);
    }

    /// <summary>CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
    [Fact]
    public void Divide_AnyTransfers_UsesTheBudgetExactlyAndMeetsWhatCanBeMet() => Gen.Select(
        Gen.Long[1, 1_000_000_000],
        Gen.Select(Gen.Int[1, 9], Gen.Long[0, 1_000_000_000_000], Gen.Int[-60, 10_000]).Array[0, 12]).Sample((budget, list) =>
        {
            var transfers = list.Select((t, i) => Of(i, t.Item1, t.Item2, t.Item3)).ToArray();
            var shares = BandwidthShare.Divide(budget, transfers);
            shares.Values.ShouldAllHold(s => s >= 0);
            shares.Values.Sum().ShouldBe(transfers.Any(t => t.BytesLeft > 0) ? budget : 0);
            transfers.Where(t => t.BytesLeft == 0).ShouldAllHold(t => shares[t.Asset] == 0);

            double Needed(Transfer t) => t.BytesLeft / Math.Max(t.Slack.TotalSeconds, BandwidthShare.SlackMin.TotalSeconds);
            var left = budget * (1 - BandwidthShare.FloorShare);
            foreach (var transfer in transfers.Where(t => t.BytesLeft > 0).OrderBy(t => t.Priority).ThenBy(t => t.Slack).ThenBy(t => t.Asset.Value, StringComparer.Ordinal))
            {
                // Whoever stands in line where the budget still suffices for everybody before it ends in time.
                left -= Math.Ceiling(Needed(transfer));
                if (left >= 0)
                {
                    ((double)shares[transfer.Asset]).ShouldBeGreaterThanOrEqualTo(Needed(transfer));
                }
            }
        });

    private static Transfer Of(int i, int priority, long bytes, int minutes) => new(new($"a{i}"), priority, bytes, TimeSpan.FromMinutes(minutes));
}
