using Backup.Policy.Immutability;
using Backup.Policy.Retention;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Immutability;

public sealed class LockPlannerTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly LockRule Rule = new(TimeSpan.FromDays(30), IsFinal: true);

    [Fact]
    public void Plan_NothingIsLocked_LocksWhatIsInUseForTheWholeTime()
    {
        var plan = LockPlanner.Plan(Now, Rule, ["a", "b"], [], new Dictionary<string, ObjectLock>());
        plan.Extensions.ShouldBe([new("a", Now.AddDays(30)), new("b", Now.AddDays(30))]);
        plan.Coverage.ShouldBe(new LockCoverage(2, 0, 0, null));
        plan.Coverage.IsComplete.ShouldBeFalse();
    }

    [Theory]
    [InlineData(16, false)]
    [InlineData(15, false)]
    [InlineData(14.9, true)]
    [InlineData(-1, true)]
    public void Plan_LockEndsInDays_IsExtendedWhenHalfIsOver(double days, bool expected)
    {
        var plan = LockPlanner.Plan(Now, Rule, ["a"], [], Locks(("a", Now.AddDays(days))));
        plan.Extensions.Count.ShouldBe(expected ? 1 : 0);
        plan.Coverage.IsComplete.ShouldBe(days > 0);
    }

    [Fact]
    public void Plan_PublishedPoint_IsLockedForItsYears_AndWhatCameLaterIsNot()
    {
        var years = Now.AddDays(3650).AddMilliseconds(1);
        var plan = LockPlanner.Plan(Now, Rule, ["a", "b", "later"], [new(years, false, ["a", "b", "replaced"])], Locks(("b", years.AddSeconds(1)), ("later", Now.AddDays(20))));

        // What the vault has replaced since is needed by the point's copy all the same. Storage keeps whole seconds.
        plan.Extensions.ShouldBe([new("a", years.AddMilliseconds(999)), new("replaced", years.AddMilliseconds(999))]);
        plan.Coverage.ShouldBe(new LockCoverage(3, 2, 0, Now.AddDays(20)));
    }

    [Fact]
    public void Plan_LockIsShorterThanThePromise_DoesNotCount() =>
        LockPlanner.Plan(Now, Rule, ["a"], [new(Now.AddDays(100), false, ["a"])], Locks(("a", Now.AddDays(99)))).Coverage.Covered.ShouldBe(0);

    [Fact]
    public void Plan_LegalHold_IsSetAndLiftedWhenNothingAsksForIt()
    {
        var locks = Locks(("a", Now.AddDays(30)), ("b", Now.AddDays(30)));
        locks["old"] = new ObjectLock(null, HasLegalHold: true);
        var plan = LockPlanner.Plan(Now, Rule, ["a", "b"], [new(null, true, ["a"])], locks);
        (plan.Holds, plan.Releases, plan.Extensions.Count, plan.IsDone).ShouldSatisfyAllConditions(
            p => p.Holds.ShouldBe(["a"]), p => p.Releases.ShouldBe(["old"]), p => p.Count.ShouldBe(0), p => p.IsDone.ShouldBeFalse());
        locks["old"].Holds(Now).ShouldBeTrue();
        new ObjectLock(Now, false).Holds(Now).ShouldBeFalse();
        new ObjectLock(Now.AddTicks(1), false).Holds(Now).ShouldBeTrue();
    }

    /// <summary>Executed as planned, everything in use outlasts half of the time and every promise, nothing was shortened, and nothing is left to do. CsCheck prints the seed of a failing case.</summary>
    [Fact]
    public void Plan_Executed_LeavesNothingInUseWithoutALockThatOutlastsItsPromises() => Gen.Select(
        Gen.Int[0, 15].Array[0, 16],
        Gen.Select(Gen.Int[-100, 4000], Gen.Bool, Gen.Int[0, 20].Array[0, 12]).Array[0, 5],
        Gen.Select(Gen.Int[0, 20], Gen.Int[-40, 4000], Gen.Bool).Array[0, 20],
        Gen.Int[1, 400]).Sample(
        (inUse, promised, existing, lockDays) =>
        {
            var rule = new LockRule(TimeSpan.FromDays(lockDays), IsFinal: true);
            string[] names = [.. inUse.Select(Name).Distinct()];
            PromisedObjects[] promises = [.. promised.Select(p => new PromisedObjects(Now.AddDays(p.Item1).AddMilliseconds(p.Item1), p.Item2, [.. p.Item3.Select(Name).Distinct()]))];
            var before = existing.GroupBy(e => Name(e.Item1)).ToDictionary(g => g.Key, g => new ObjectLock(Now.AddDays(g.First().Item2), g.First().Item3));
            var plan = LockPlanner.Plan(Now, rule, names, promises, before);
            var after = new Dictionary<string, ObjectLock>(before);
            foreach (var extension in plan.Extensions)
            {
                (extension.Until > after.GetValueOrDefault(extension.Name).Until.GetValueOrDefault()).ShouldBeTrue();
                (extension.Until.UtcTicks % TimeSpan.TicksPerSecond).ShouldBe(0);
                after[extension.Name] = after.GetValueOrDefault(extension.Name) with { Until = extension.Until };
            }

            foreach (var (name, isHeld) in plan.Holds.Select(n => (n, true)).Concat(plan.Releases.Select(n => (n, false))))
            {
                after[name] = after.GetValueOrDefault(name) with { HasLegalHold = isHeld };
            }

            names.ShouldAllHold(name => after[name].Until >= Now + (rule.LockFor / 2));
            promises.Where(p => p.Until > Now).SelectMany(p => p.Objects.Select(name => (Name: name, p.Until))).ShouldAllHold(p => after[p.Name].Until >= p.Until);
            promises.Where(p => p.HasLegalHold).SelectMany(p => p.Objects).ShouldAllHold(name => after[name].HasLegalHold);
            var again = LockPlanner.Plan(Now, rule, names, promises, after);
            again.IsDone.ShouldBeTrue();
            again.Coverage.IsComplete.ShouldBe(names.Length > 0);
        },
        iter: 2000);

    /// <summary>What is locked for a promise is never let go by retention before, whatever other points there are and whenever it decides.</summary>
    [Fact]
    public void CertainUntil_AnyRule_RetentionKeepsThePointUntilThen() => Gen.Select(
        Gen.Int[0, 40], Gen.Int[0, 40], Gen.Int[0, 40], Gen.Int[0, 60].Array[1, 20], Gen.Int[0, 80]).Sample(
        (immutableDays, withinDays, continuousDays, ages, laterDays) =>
        {
            var rule = new RetentionRule
            {
                KeepLast = 1,
                ImmutableFor = TimeSpan.FromDays(immutableDays),
                KeepWithin = TimeSpan.FromDays(withinDays),
                ContinuousFor = TimeSpan.FromDays(continuousDays),
            };
            RetentionPoint[] points = [.. ages.Select((age, i) => new RetentionPoint($"p{i}", Now.AddDays(-age), Now.AddDays(-age)))];
            var later = Now.AddDays(laterDays - 60);
            RetentionPoint[] existing = [.. points.Where(p => p.PublishedAt <= later)];
            RetentionDecider.Decide(new("a"), rule, TimeZoneInfo.Utc, later, existing, isFrozen: false, RetentionGuards.Standard).Verdicts
                .Where(v => LockPlanner.CertainUntil(rule, v.Point.PublishedAt) > later).ShouldAllHold(v => v.IsKept);
        },
        iter: 2000);

    [Fact]
    public void Parse_ImmutableTier_IsReadOrRefused()
    {
        PolicyParser.Parse("version: 1\ntiers: [ { name: a, container: c, accessTier: Hot, immutable: { lockFor: 30d } } ]", "p").Tiers.Single().Immutable.ShouldBe(Rule);
        PolicyParser.Parse("version: 1\ntiers: [ { name: a, container: c, accessTier: Hot, immutable: { lockFor: 2d, mode: unlocked } } ]", "p").Tiers.Single().Immutable
            .ShouldBe(new LockRule(TimeSpan.FromDays(2), IsFinal: false));
        PolicyParser.Parse("version: 1\ntiers: [ { name: a, container: c, accessTier: Hot } ]", "p").Tiers.Single().Immutable.ShouldBeNull();
        foreach (var wrong in new[] { "{ lockFor: 1h }", "{ }", "{ lockFor: 30d, mode: maybe }", "{ lockFor: 30d, days: 3 }" })
        {
            Should.Throw<PolicyException>(() => PolicyParser.Parse($"version: 1\ntiers: [ {{ name: a, container: c, accessTier: Hot, immutable: {wrong} }} ]", "p"));
        }
    }

    private static string Name(int number) => $"o{number}";

    private static Dictionary<string, ObjectLock> Locks(params (string Name, DateTimeOffset Until)[] locks) => locks.ToDictionary(l => l.Name, l => new ObjectLock(l.Until, false));
}
