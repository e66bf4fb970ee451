using Backup.Policy.Scheduling;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

public sealed class BackupScheduleTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public void DueAssets_NeverBackedUp_IsDueAtOnce() =>
        Due([Hour], []).ShouldBe(["asset-0"]);

    [Theory]
    [InlineData(44, false)]
    [InlineData(45, true)]
    [InlineData(90, true)]
    public void DueAssets_AgeOfThePoint_DecidesAtThreeQuartersOfTheRpo(int ageMinutes, bool due) =>
        Due([Hour], [Fact(0, ageMinutes)]).Count.ShouldBe(due ? 1 : 0);

    [Theory]
    [InlineData(10, 40, true)]
    [InlineData(10, 39, false)]
    [InlineData(14, 32, true)]
    [InlineData(55, 30, true)]
    [InlineData(55, 29, false)]
    public void DueAssets_SlowAsset_StartsEarlierButNeverBeforeHalf(int durationMinutes, int ageMinutes, bool due) =>
        Due([Hour], [Fact(0, ageMinutes) with { Durations = [TimeSpan.FromMinutes(durationMinutes)] }]).Count.ShouldBe(due ? 1 : 0);

    [Fact]
    public void DueAssets_Running_IsNotDue() => Due([Hour], [Fact(0, 500) with { RunningSince = Now }]).ShouldBeEmpty();

    [Fact]
    public void DueAssets_Disabled_IsNotDue()
    {
        var policy = SamplePolicy.Of([9], [(0, Hour, null)]);
        policy = policy with { Assets = [policy.Assets[0] with { Enabled = false }] };
        BackupSchedule.DueAssets(policy, Now, []).ShouldBeEmpty();
    }

    [Fact]
    public void DueAssets_SeveralDue_NeverBackedUpFirstThenByShareOfRpo() =>
        Due([Hour, 24 * Hour, Hour, 4 * Hour, Hour], [Fact(0, 50), Fact(1, 1439), Fact(2, 100), Fact(3, 1)])
            .ShouldBe(["asset-4", "asset-2", "asset-1", "asset-0"]);

    [Fact]
    public void DueAssets_AgentFull_TakesTheMostUrgentThatFit()
    {
        var policy = SamplePolicy.Of([2, 1], [(0, Hour, null), (0, Hour, null), (0, Hour, null), (1, Hour, null), (1, Hour, null)]);
        AssetFacts[] facts = [Fact(0, 60), Fact(1, 5) with { RunningSince = Now }, Fact(2, 70), Fact(3, 50), Fact(4, 55)];
        Names(BackupSchedule.DueAssets(policy, Now, facts)).ShouldBe(["asset-2", "asset-4"]);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(4, 8)]
    [InlineData(5, 15)]
    [InlineData(1000, 15)]
    public void WaitAfterFailures_Grows_UpToAQuarterOfTheRpo(int failures, int minutes)
    {
        BackupSchedule.WaitAfterFailures(failures, Hour).ShouldBe(TimeSpan.FromMinutes(minutes));
        var ended = Fact(0, 500) with { ConsecutiveFailures = failures, LastRunEnded = Now - TimeSpan.FromMinutes(minutes) + TimeSpan.FromSeconds(1) };
        Due([Hour], [ended]).ShouldBeEmpty();
        Due([Hour], [ended with { LastRunEnded = Now - TimeSpan.FromMinutes(minutes) }]).Count.ShouldBe(1);
    }

    [Fact]
    public void DueAssets_PointFarInTheFuture_IsNotBelieved() => Due([Hour], [Fact(0, -60 * 24 * 365)]).ShouldBe(["asset-0"]);

    [Fact]
    public void DueAssets_PointSlightlyAhead_IsASkewedClock() => Due([Hour], [Fact(0, -1)]).ShouldBeEmpty();

    [Theory]
    [InlineData("22:00", 24 * 60 - 10, true)] // 10 minutes short of a day: due
    [InlineData("21:59", 24 * 60, false)] // closed
    [InlineData("22:00", 11 * 60, false)] // fresh enough to wait
    [InlineData("05:59", 13 * 60, true)] // due later today, but closed then: the last chance
    [InlineData("06:00", 30 * 60, false)] // late, yet closed
    public void DueAssets_Window_StartsInsideIt(string time, int ageMinutes, bool due)
    {
        var window = new BackupWindow(new(22, 0), new(6, 0), new HashSet<DayOfWeek>(Enum.GetValues<DayOfWeek>()));
        var now = new DateTimeOffset(2026, 5, 4, 0, 0, 0, TimeSpan.Zero) + TimeOnly.Parse(time, System.Globalization.CultureInfo.InvariantCulture).ToTimeSpan();
        var fact = AssetFacts.None(new("asset-0")) with { LastRecoveryPoint = now - TimeSpan.FromMinutes(ageMinutes) };
        BackupSchedule.DueAssets(SamplePolicy.Of([9], [(0, 24 * Hour, window)]), now, [fact]).Count.ShouldBe(due ? 1 : 0);
    }

    private static AssetFacts Fact(int asset, int ageMinutes) =>
        AssetFacts.None(new($"asset-{asset}")) with { LastRecoveryPoint = Now - TimeSpan.FromMinutes(ageMinutes) };

    private static IReadOnlyList<string> Due(TimeSpan[] rpos, AssetFacts[] facts) =>
        Names(BackupSchedule.DueAssets(SamplePolicy.Of([9], [.. rpos.Select(rpo => (0, rpo, (BackupWindow?)null))]), Now, facts));

    private static IReadOnlyList<string> Names(IReadOnlyList<DueAsset> due) => [.. due.Select(d => d.Asset.Name.Value)];
}
