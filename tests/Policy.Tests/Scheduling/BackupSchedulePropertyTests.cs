using Backup.Policy.Scheduling;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

/// <summary>CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
public sealed class BackupSchedulePropertyTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    private static readonly Gen<(int[] Concurrency, (int Agent, int RpoMinutes, int? Age, bool Running, int Failures)[] Assets)> Fleets =
        Gen.Select(
            Gen.Int[1, 4].Array[1, 3],
            Gen.Select(Gen.Int[0, 2], Gen.Int[2, 3000], Gen.Int[-10, 6000].Nullable(), Gen.Bool, Gen.Int[0, 5]).Array[0, 25]);

    [Fact]
    public void DueAssets_AnyFleet_NeverOverfillsAnAgentAndNeverRepeatsARunningAsset() => Fleets.Sample(fleet =>
    {
        var (policy, facts) = Build(fleet);
        var due = BackupSchedule.DueAssets(policy, Now, facts);

        var running = facts.Where(f => f.IsRunning).Select(f => f.Asset).ToHashSet();
        due.ShouldAllHold(d => !running.Contains(d.Asset.Name));
        due.Select(d => d.Asset.Name).ShouldBeUnique();
        foreach (var agent in policy.Agents)
        {
            var busy = policy.Assets.Count(a => a.Agent == agent.Name && running.Contains(a.Name));
            (due.Count(d => d.Asset.Agent == agent.Name) + busy).ShouldBeLessThanOrEqualTo(Math.Max(agent.Concurrency, busy));
        }
    });

    [Fact]
    public void DueAssets_OrderOfFacts_ChangesNothing() => Fleets.Sample(fleet =>
    {
        var (policy, facts) = Build(fleet);
        BackupSchedule.DueAssets(policy, Now, [.. facts.Reverse()]).ShouldBe(BackupSchedule.DueAssets(policy, Now, facts));
    });

    /// <summary>Simulated week: a healthy fleet with room, ticked each minute, never breaks an objective and never backs up more than twice per RPO.</summary>
    [Fact]
    public void DueAssets_TickedEachMinute_KeepsEveryObjective() =>
        Gen.Select(Gen.Int[4, 1500], Gen.Double[0, 0.2]).Sample(
            asset =>
            {
                var (rpoMinutes, durationShare) = asset;
                var rpo = TimeSpan.FromMinutes(rpoMinutes);
                var duration = rpo * durationShare;
                var policy = SamplePolicy.Of([1], [(0, rpo, null)]);
                var fact = AssetFacts.None(new("asset-0"));
                DateTimeOffset? started = null;
                var runs = 0;
                for (var now = Now; now < Now + TimeSpan.FromDays(3); now += TimeSpan.FromMinutes(1))
                {
                    if (started is { } start && now >= start + duration)
                    {
                        fact = fact with { LastRecoveryPoint = start, LastRunEnded = start + duration, Durations = [duration], RunningSince = null };
                        started = null;
                    }

                    if (fact.LastRecoveryPoint is { } last)
                    {
                        (now - last).ShouldBeLessThanOrEqualTo(rpo);
                    }

                    if (BackupSchedule.DueAssets(policy, now, [fact]).Count > 0)
                    {
                        started = now;
                        runs++;
                        fact = fact with { RunningSince = now };
                    }
                }

                runs.ShouldBeLessThanOrEqualTo((int)(TimeSpan.FromDays(3) / (rpo / 2)) + 1);
            },
            iter: 40);

    private static (PolicyDocument Policy, AssetFacts[] Facts) Build((int[] Concurrency, (int Agent, int RpoMinutes, int? Age, bool Running, int Failures)[] Assets) fleet)
    {
        var policy = SamplePolicy.Of(
            fleet.Concurrency, [.. fleet.Assets.Select(a => (a.Agent % fleet.Concurrency.Length, TimeSpan.FromMinutes(a.RpoMinutes), (BackupWindow?)null))]);
        var facts = fleet.Assets.Select((a, i) => new AssetFacts(
            new($"asset-{i}"), a.Age is { } age ? Now - TimeSpan.FromMinutes(age) : null, Now - TimeSpan.FromMinutes(3), [], a.Failures, a.Running ? Now : null));
        return (policy, [.. facts]);
    }
}
