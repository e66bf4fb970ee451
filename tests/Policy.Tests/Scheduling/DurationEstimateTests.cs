using Backup.Policy.Scheduling;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

public sealed class DurationEstimateTests
{
    [Theory]
    [InlineData("", null)]
    [InlineData("7", 7)]
    [InlineData("3 90 4 5", 5)] // one slow night is forgiven
    [InlineData("90 3 4 5", 90)] // unless it was the last one
    [InlineData("3 90 80 5", 80)] // two are a pattern
    [InlineData("3 4 4 4 4 4 4 4 4 4 90 90", 4)] // the eleventh is too long ago
    public void Of_Durations_IsTheSecondLongestButNeverLessThanTheNewest(string minutes, int? expected) =>
        DurationEstimate.Of([.. minutes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(m => TimeSpan.FromMinutes(int.Parse(m, System.Globalization.CultureInfo.InvariantCulture)))])
            .ShouldBe(expected is { } m ? TimeSpan.FromMinutes(m) : null);

    /// <summary>CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
    [Fact]
    public void Of_AnyHistory_AtMostOneOfTheNewestRunsTookLonger() => Gen.Int[0, 1000].Array[1, 20].Sample(minutes =>
    {
        var newest = minutes.Take(DurationEstimate.RunsMax).Select(m => TimeSpan.FromMinutes(m)).ToArray();
        var estimate = DurationEstimate.Of([.. minutes.Select(m => TimeSpan.FromMinutes(m))])!.Value;
        newest.ShouldContain(estimate);
        newest.Count(d => d > estimate).ShouldBeLessThanOrEqualTo(1);
        estimate.ShouldBeGreaterThanOrEqualTo(newest[0]);
    });
}
