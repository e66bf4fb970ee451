using Backup.Policy.Capacity;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Capacity;

public sealed class CapacityForecastTests
{
    private const long Gigabyte = 1_000_000_000;
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Of_SteadyGrowth_NamesTheDayItFills()
    {
        var outlook = CapacityForecast.Of(Now, Days(30, day => (700 - (10 * day)) * Gigabyte), 1000 * Gigabyte);
        outlook.BytesUsed.ShouldBe(700 * Gigabyte);
        outlook.BytesPerDay!.Value.ShouldBe(10.0 * Gigabyte, tolerance: 1);
        (outlook.FullAt!.Value - Now.AddDays(30)).Duration().ShouldBeLessThan(TimeSpan.FromSeconds(1));
        outlook.Alert.ShouldBe(CapacityAlert.Warning);
    }

    [Theory]
    [InlineData(500, 0, CapacityAlert.None)]
    [InlineData(500, 1, CapacityAlert.None)] // 500 days left
    [InlineData(500, 10, CapacityAlert.Warning)] // 50
    [InlineData(500, 40, CapacityAlert.Critical)] // 12.5
    [InlineData(800, 0, CapacityAlert.Warning)]
    [InlineData(950, 0, CapacityAlert.Critical)]
    [InlineData(1000, 0, CapacityAlert.Critical)]
    public void Of_ShareAndDaysLeft_DecideTheAlert(int usedGigabytes, int growthGigabytes, CapacityAlert alert) =>
        CapacityForecast.Of(Now, Days(10, day => (usedGigabytes - (growthGigabytes * day)) * Gigabyte), 1000 * Gigabyte).Alert.ShouldBe(alert);

    [Fact]
    public void Of_TooFewSamples_SaysNothingAboutGrowth()
    {
        CapacityForecast.Of(Now, [], 1000).ShouldBe(new CapacityOutlook(0, null, null, CapacityAlert.None));
        CapacityForecast.Of(Now, [new(Now.AddHours(-1), 1), new(Now.AddHours(-2), 2), new(Now, 3)], 1000).BytesPerDay.ShouldBeNull();
    }

    /// <summary>One import or prune in the middle moves the level, not the growth. CsCheck prints the seed of a failing case.</summary>
    [Fact]
    public void Of_GrowthWithOutliers_IsNotBent() => Gen.Select(Gen.Int[1, 50], Gen.Int[0, 29], Gen.Int[-500, 500]).Sample((growth, day, jump) =>
    {
        var outlook = CapacityForecast.Of(Now, Days(30, d => (2000 - (growth * d) + (d == day ? jump : 0)) * Gigabyte), null);
        (outlook.BytesPerDay!.Value / Gigabyte).ShouldBe(growth, tolerance: 0.001);
    });

    private static CapacitySample[] Days(int count, Func<int, long> bytesOf) => [.. Enumerable.Range(0, count).Select(d => new CapacitySample(Now.AddDays(-d), bytesOf(d)))];
}
