using Backup.Policy.Retention;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Retention;

/// <summary>A group point stays or goes as a whole, whatever its members' rules are.</summary>
public sealed class GroupRetentionTests
{
    private static readonly AssetName Database = new("db");
    private static readonly AssetName Files = new("files");
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly Gen<RetentionRule> Rules = Gen.Select(Gen.Int[1, 3], Gen.Int[0, 4], Gen.Int[0, 3], Gen.Int[0, 200]).Select((last, daily, weekly, hours) =>
        new RetentionRule { KeepLast = last, KeepDaily = daily, KeepWeekly = weekly, ImmutableFor = TimeSpan.FromHours(hours) });

    /// <summary>Points of three assets in as many slots, some of which each asset has missed, some held, with chains of log among them.</summary>
    private static readonly Gen<RetentionCase[]> Cases = Gen.Select(Rules.Array[3], Gen.Select(Gen.Int[0, 3].Array[3], Gen.Int[0, 20]).Array[1, 30], Gen.Bool.Array[3]).Select((rules, slots, frozen) =>
        Enumerable.Range(0, 3).Select(a =>
        {
            var points = new List<RetentionPoint>();
            for (var slot = 0; slot < slots.Length; slot++)
            {
                if (slots[slot].Item1[a] > 0)
                {
                    var at = Now.AddHours(-7 * (slots.Length - slot)).AddMinutes(a);
                    points.Add(new RetentionPoint($"{a}-{slot}", at, at, HasLegalHold: slots[slot].Item2 == a, NeedsPoint: slots[slot].Item1[a] == 1 ? points.LastOrDefault(p => p.NeedsPoint is null)?.Id : null));
                }
            }

            return new RetentionCase(new($"asset-{a}"), rules[a], TimeZoneInfo.Utc, points, frozen[a] && slots.Length % 5 == 0);
        }).ToArray());

    [Fact]
    public void Decide_AnyRulesAndHistories_UnitsStayOrGoAsWholesAndNoAssetLosesWhatItWants() => Cases.Sample(
        cases =>
        {
            var units = Units(cases);
            var plans = GroupRetention.Decide(cases, units, Now);
            var kept = plans.SelectMany(p => p.Verdicts.Where(v => v.IsKept).Select(v => new PointOfAsset(p.Asset, v.Point.Id))).ToHashSet();
            units.ShouldAllHold(unit => unit.All(kept.Contains) || !unit.Any(kept.Contains));

            foreach (var (single, plan) in cases.Zip(plans))
            {
                plan.Asset.ShouldBe(single.Asset);
                // Groups only ever keep more: each asset's own rule, holds and freezes hold as without them.
                RetentionDecider.Decide(single.Asset, single.Rule, single.Zone, Now, single.Points, single.IsFrozen).Verdicts.Where(v => v.IsKept).ShouldAllHold(v => kept.Contains(new(single.Asset, v.Point.Id)));
                single.Points.Where(p => p.HasLegalHold || single.IsFrozen || Now - p.PublishedAt < single.Rule.ImmutableFor).ShouldAllHold(p => kept.Contains(new(single.Asset, p.Id)));
                // And chains are still whole.
                single.Points.Where(p => p.NeedsPoint is not null).ShouldAllHold(p => kept.Contains(new(single.Asset, p.Id)) == kept.Contains(new(single.Asset, p.NeedsPoint!)));
            }

            // Nothing stays for no reason: what goes by every rule goes.
            foreach (var unit in units.Where(unit => unit.All(kept.Contains)))
            {
                plans.SelectMany(p => p.Verdicts).Where(v => unit.Contains(new(cases[v.Point.Id[0] - '0'].Asset, v.Point.Id))).Any(v => v.Reasons != KeepReason.Group || v.Point.NeedsPoint != null).ShouldBeTrue();
            }
        },
        iter: 2_000);

    [Fact]
    public void Decide_OneMemberIsWanted_TheOtherStaysForIt()
    {
        RetentionPoint[] db = [Point("d0", 3), Point("d1", 2), Point("d2", 1)];
        RetentionPoint[] files = [Point("f0", 3), Point("f1", 2), Point("f2", 1)];
        var plans = GroupRetention.Decide(
            [new(Database, new RetentionRule { KeepLast = 1 }, TimeZoneInfo.Utc, db), new(Files, new RetentionRule { KeepLast = 2 }, TimeZoneInfo.Utc, files)],
            [[new(Database, "d0"), new(Files, "f0")], [new(Database, "d1"), new(Files, "f1")]],
            Now);
        plans[0].Verdicts.Select(v => (v.Point.Id, v.Reasons)).ShouldBe([("d2", KeepReason.Last), ("d1", KeepReason.Group), ("d0", KeepReason.None)]);
        plans[1].Deletions.Select(p => p.Id).ShouldBe(["f0"]);
    }

    [Fact]
    public void Decide_TheOtherMemberLeftThePolicy_HoldsNothing()
    {
        var plans = GroupRetention.Decide(
            [new(Database, new RetentionRule { KeepLast = 1 }, TimeZoneInfo.Utc, [Point("d0", 3), Point("d1", 1)])], [[new(Database, "d0"), new(Files, "f0")]], Now);
        plans[0].Deletions.Select(p => p.Id).ShouldBe(["d0"]);
    }

    private static RetentionPoint Point(string id, int daysAgo) => new(id, Now.AddDays(-daysAgo), Now.AddDays(-daysAgo));

    private static IReadOnlyCollection<PointOfAsset>[] Units(RetentionCase[] cases) =>
    [
        .. cases.SelectMany(c => c.Points.Select(p => new PointOfAsset(c.Asset, p.Id))).GroupBy(p => p.Point[2..]).Where(slot => slot.Count() > 1).Select(slot => (IReadOnlyCollection<PointOfAsset>)[.. slot]),
    ];
}
