using Backup.Policy.Scheduling;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

/// <summary>Limits, priorities, groups, catch-up and the queue behind the lanes. CsCheck prints the seed of a failing case.</summary>
public sealed class FleetScheduleTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly BackupWindow Night = new(new(22, 0), new(6, 0), Enum.GetValues<DayOfWeek>().ToHashSet());

    [Fact]
    public void Plan_ShortRunsOnFewLanes_QueuesTheRestBehindThem()
    {
        var policy = Classes(agents: [2], [.. Enumerable.Repeat((0, "research"), 7)]);
        var plan = new FleetSchedule(policy).Plan(Now, [.. policy.Assets.Select(a => Fact(a, ageMinutes: 50, durationMinutes: 1))]);
        plan.Start.Count.ShouldBe(2);
        plan.Queue.Count.ShouldBe(5);
        plan.Start.Concat(plan.Queue).Select(d => d.Asset.Name).ShouldBeUnique();
    }

    [Fact]
    public void Plan_NoFreeLane_QueuesNothing()
    {
        var policy = Classes(agents: [1], [(0, "research"), (0, "research")]);
        var plan = new FleetSchedule(policy).Plan(Now, [Fact(policy.Assets[0], 50, 1) with { RunningSince = Now }, Fact(policy.Assets[1], 50, 1)]);
        plan.Start.ShouldBeEmpty();
        plan.Queue.ShouldBeEmpty();
    }

    [Fact]
    public void Plan_SiteLimit_HoldsOverAllItsAgents()
    {
        var policy = Classes(agents: [4, 4], [.. Enumerable.Range(0, 8).Select(i => (i % 2, "research"))], siteLimit: 3);
        new FleetSchedule(policy).Plan(Now, []).Start.Count.ShouldBe(3);
        new FleetSchedule(policy).Plan(Now, [AssetFacts.None(policy.Assets[0].Name) with { RunningSince = Now }]).Start.Count.ShouldBe(2);
    }

    [Fact]
    public void Plan_NotEverythingInTime_TheLowestClassWaits()
    {
        // One lane, ten minutes each; both have to start within five.
        var policy = Classes(agents: [1], [(0, "archival"), (0, "research")]);
        AssetFacts[] facts = [Fact(policy.Assets[0], (24 * 60) - 12, 10), Fact(policy.Assets[1], 60 - 15, 10)];
        new FleetSchedule(policy).Plan(Now, facts).Start.Single().Asset.ServiceClass.Value.ShouldBe("research");
    }

    [Fact]
    public void Plan_EverythingInTime_WhoeverHasToStartFirstGoesFirst()
    {
        // The same lane, but the important one can wait for the other.
        var policy = Classes(agents: [1], [(0, "archival"), (0, "research")]);
        AssetFacts[] facts = [Fact(policy.Assets[0], (24 * 60) - 5, 4), Fact(policy.Assets[1], 46, 4)];
        new FleetSchedule(policy).Plan(Now, facts).Start.Single().Asset.ServiceClass.Value.ShouldBe("archival");
    }

    [Fact]
    public void Plan_LongRun_LeavesTheLastLaneToAMoreImportantClass()
    {
        var policy = Classes(agents: [2], [(0, "archival"), (0, "archival"), (0, "critical")]);
        AssetFacts[] facts = [Fact(policy.Assets[0], 2000, 60), Fact(policy.Assets[1], 2000, 60), Fact(policy.Assets[2], 1, 1)];
        new FleetSchedule(policy).Plan(Now, facts).Start.Count.ShouldBe(1);
        new FleetSchedule(policy with { Assets = [.. policy.Assets.Take(2)] }).Plan(Now, facts).Start.Count.ShouldBe(2);
    }

    [Fact]
    public void Plan_Group_StartsTogetherOrNotAtAll()
    {
        var policy = Classes(agents: [2, 1], [(0, "critical"), (1, "archival"), (0, "research")]);
        policy = policy with { Groups = [new AssetGroup(new("catalogue"), [policy.Assets[0].Name, policy.Assets[1].Name])] };
        AssetFacts[] idle = [Fact(policy.Assets[0], 14, 1), Fact(policy.Assets[1], 14, 1), Fact(policy.Assets[2], 1, 1)];
        Names(new FleetSchedule(policy).Plan(Now, idle).Start).ShouldBe(["asset-0", "asset-1"], ignoreOrder: true);

        // A member that runs alone, because a person asked for it, holds the group back.
        new FleetSchedule(policy).Plan(Now, [idle[0], idle[1] with { RunningSince = Now }, idle[2]]).Start.ShouldBeEmpty();
    }

    [Fact]
    public void Plan_GroupWaitsForLanes_SinglesDoNotTakeThemOneByOne()
    {
        var policy = Classes(agents: [2], [(0, "research"), (0, "research"), (0, "research"), (0, "research")]);
        policy = policy with { Groups = [new AssetGroup(new("pair"), [policy.Assets[0].Name, policy.Assets[1].Name])] };
        AssetFacts[] facts = [Fact(policy.Assets[0], 58, 1), Fact(policy.Assets[1], 58, 1), Fact(policy.Assets[2], 46, 1), Fact(policy.Assets[3], 5, 1) with { RunningSince = Now }];
        new FleetSchedule(policy).Plan(Now, facts).Start.ShouldBeEmpty();
    }

    [Fact]
    public void Plan_TimerStoodStillForHours_EachAssetStartsOnce()
    {
        var policy = Classes(agents: [9], [(0, "critical"), (0, "research")]);
        Names(new FleetSchedule(policy).Plan(Now, [Fact(policy.Assets[0], 600, 1), Fact(policy.Assets[1], 600, 1)]).Start).ShouldBe(["asset-0", "asset-1"], ignoreOrder: true);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void Plan_MissedOpening_IsCaughtUpOnlyIfTheWindowSaysSo(bool catchUp, bool starts)
    {
        var policy = Classes(agents: [1], [(0, "archival")]);
        policy = policy with { Assets = [policy.Assets[0] with { Window = Night with { CatchUp = catchUp } }] };
        new FleetSchedule(policy).Plan(Now, [Fact(policy.Assets[0], 25 * 60, 1)]).Start.Count.ShouldBe(starts ? 1 : 0);
        // Not late yet: the window holds in any case.
        new FleetSchedule(policy).Plan(Now, [Fact(policy.Assets[0], 23 * 60, 1)]).Start.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("archival", 0)]
    [InlineData("critical", 1)]
    public void Plan_BlackoutDay_StopsClassesThatHeedIt(string serviceClass, int started)
    {
        var policy = Classes(agents: [1], [(0, serviceClass)]);
        var dark = new BlackoutDays(new HashSet<DateOnly> { new(2026, 5, 4) }, BlackoutDays.None.Yearly);
        policy = policy with { Sites = [policy.Sites[0] with { Blackout = dark }] };
        new FleetSchedule(policy).Plan(Now, [Fact(policy.Assets[0], 23 * 60, 1)]).Start.Count.ShouldBe(started);
        // The evening before is the last chance, although the point is only half a day old by then.
        new FleetSchedule(policy).Plan(Now.AddHours(-13), [Fact(policy.Assets[0], 12 * 60 + (13 * 60), 1)]).Start.Count.ShouldBe(1);
    }

    [Fact]
    public void Plan_AnyFleet_KeepsEveryLimitAndGroupsWhole() => Gen.Select(
        Gen.Int[1, 4].Array[1, 3],
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, 3], Gen.Int[0, 3000], Gen.Int[0, 60], Gen.Bool).Array[1, 25],
        Gen.Int[1, 6],
        Gen.Bool).Sample((agents, assets, siteLimit, grouped) =>
        {
            var classes = PolicyDefaults.ServiceClasses.Select(c => c.Name.Value).ToArray();
            var policy = Classes(agents, [.. assets.Select(a => (a.Item1 % agents.Length, classes[a.Item2]))], siteLimit);
            policy = grouped && assets.Length > 1 ? policy with { Groups = [new AssetGroup(new("pair"), [policy.Assets[0].Name, policy.Assets[1].Name])] } : policy;
            var facts = policy.Assets.Select((a, i) => Fact(a, assets[i].Item3, assets[i].Item4) with { RunningSince = assets[i].Item5 ? Now.AddMinutes(-1) : null }).ToArray();
            var plan = new FleetSchedule(policy).Plan(Now, facts);

            var running = facts.Where(f => f.IsRunning).Select(f => f.Asset).ToHashSet();
            plan.Start.Concat(plan.Queue).Select(d => d.Asset.Name).ShouldBeUnique();
            plan.Start.Concat(plan.Queue).ShouldAllHold(d => !running.Contains(d.Asset.Name));
            (plan.Start.Count + running.Count).ShouldBeLessThanOrEqualTo(Math.Max(siteLimit, running.Count));
            foreach (var agent in policy.Agents)
            {
                var busy = policy.Assets.Count(a => a.Agent == agent.Name && running.Contains(a.Name));
                (plan.Start.Count(d => d.Asset.Agent == agent.Name) + busy).ShouldBeLessThanOrEqualTo(Math.Max(agent.Concurrency, busy));
            }

            foreach (var group in policy.Groups)
            {
                plan.Start.Count(d => group.Assets.Contains(d.Asset.Name)).ShouldBeOneOf(0, group.Assets.Count);
                plan.Queue.ShouldAllHold(d => !group.Assets.Contains(d.Asset.Name));
            }
        });

    private static AssetFacts Fact(Asset asset, int ageMinutes, int durationMinutes) => AssetFacts.None(asset.Name) with
    {
        LastRecoveryPoint = Now - TimeSpan.FromMinutes(ageMinutes),
        Durations = [TimeSpan.FromMinutes(durationMinutes)],
    };

    private static IEnumerable<string> Names(IEnumerable<DueAsset> due) => due.Select(d => d.Asset.Name.Value);

    /// <summary>Assets of the default classes, on agents with the given concurrency.</summary>
    private static PolicyDocument Classes(int[] agents, (int Agent, string ServiceClass)[] assets, int? siteLimit = null)
    {
        var policy = SamplePolicy.Of(agents, [.. assets.Select(a => (a.Agent, Hour, (BackupWindow?)null))]);
        return policy with
        {
            Sites = [policy.Sites[0] with { Concurrency = siteLimit }],
            ServiceClasses = PolicyDefaults.ServiceClasses,
            Assets = [.. policy.Assets.Select((a, i) => a with { ServiceClass = new(assets[i].ServiceClass) })],
        };
    }
}
