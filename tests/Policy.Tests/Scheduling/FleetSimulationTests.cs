using System.Diagnostics;
using Backup.Policy.Scheduling;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

public sealed class FleetSimulationTests(ITestOutputHelper output)
{
    private const int AssetsPerAgent = 100;

    /// <summary>Always the same durations: what is claimed is that the capacity suffices, not that no durations exist for which it would not.</summary>
    private const int Seed = 20261005;

    // Through the end of summer time in Europe/Berlin.
    private static readonly DateTimeOffset Start = new(2026, 10, 5, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void TenThousandAssetsForAMonth_CapacitySuffices_NoObjectiveIsMissed()
    {
        var month = Simulate(agents: 100, lanes: 6, days: 30);
        month.Missed.Values.Sum().ShouldBe(0);
        month.Assets.Values.Sum().ShouldBe(10_000);
        // Every class was really backed up: at least once per RPO.
        month.Runs[1].ShouldBeGreaterThanOrEqualTo(month.Assets[1] * 30 * 96);
        month.Runs[3].ShouldBeGreaterThanOrEqualTo(month.Assets[3] * 30 * 24);
        month.Runs[5].ShouldBeGreaterThanOrEqualTo(month.Assets[5] * 30 * 6);
        month.Runs[7].ShouldBeGreaterThanOrEqualTo(month.Assets[7] * 30);
    }

    [Fact]
    public void AThousandAssetsForTenDays_TooFewLanes_TheLowestClassesAreTheVictims()
    {
        var month = Simulate(agents: 10, lanes: 3, days: 10);
        month.Missed.GetValueOrDefault(1).ShouldBe(0);
        month.Missed.GetValueOrDefault(3).ShouldBe(0);
        month.Missed[7].ShouldBeGreaterThan(0);
        // The class in between loses, if anything, a smaller share of its runs.
        var shares = new[] { 5, 7 }.Select(p => month.Missed.GetValueOrDefault(p) / (double)month.Runs[p]).ToArray();
        shares[0].ShouldBeLessThan(shares[1]);
    }

    private SimulatedMonth Simulate(int agents, int lanes, int days)
    {
        var random = new Random(Seed);
        var clock = Stopwatch.StartNew();
        var month = new FleetSimulation(Fleet(agents, lanes), Start, unit => DurationOf(unit, random), unit => unit.Rpo * 0.6 * random.NextDouble()).Run(Start, TimeSpan.FromDays(days));
        output.WriteLine($"{month.RunsTotal} runs in {clock.Elapsed.TotalSeconds:F1} s; missed by priority: {string.Join(", ", month.Missed)}");
        return month;
    }

    /// <summary>2 critical, 10 research, 30 development and 58 archival assets per agent.</summary>
    private static PolicyDocument Fleet(int agents, int lanes)
    {
        var site = new Site(new("lab"), TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"));
        var list = Enumerable.Range(0, agents).Select(a => new Agent(new($"agent-{a}"), site.Name, $"agents/agent-{a}", lanes)).ToArray();
        var assets = list.SelectMany(agent => Enumerable.Range(0, AssetsPerAgent).Select(i => new Asset(
            new($"{agent.Name}-{i}"),
            SourceKind.Files,
            agent.Name,
            new("main"),
            new(ClassOf(i)),
            new("active"),
            null,
            ["/data"],
            [],
            false,
            null,
            null,
            true)));
        return new PolicyDocument([site], list, PolicyDefaults.ServiceClasses, PolicyDefaults.DataClasses, [], [.. assets]);
    }

    private static string ClassOf(int i) => i switch
    {
        < 2 => "critical",
        < 12 => "research",
        < 42 => "development",
        _ => "archival",
    };

    /// <summary>Around a typical duration of its class, and for the lowest once in a hundred runs half as long again.</summary>
    private static TimeSpan DurationOf(ScheduleUnit unit, Random random)
    {
        var seconds = unit.Priority switch
        {
            1 => 30,
            3 => 45,
            5 => 240,
            _ => 1500,
        };
        return TimeSpan.FromSeconds(seconds * (0.7 + (0.6 * random.NextDouble())) * (unit.Priority == 7 && random.Next(100) == 0 ? 1.5 : 1));
    }
}
