using Backup.Policy.Archive;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Archive;

public sealed class ArchiveTests
{
    private const long Gigabyte = 1_000_000_000;
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly TierPrices Prices = new("EUR", GigabyteMonth: 0.002m, GigabyteRead: 0.02m, GigabyteReadHigh: 0.1m, TenThousandReads: 5m);

    [Theory]
    [InlineData(AccessTier.Hot, 0)]
    [InlineData(AccessTier.Cool, 30)]
    [InlineData(AccessTier.Cold, 90)]
    [InlineData(AccessTier.Archive, 180)]
    public void EarlyDeletion_EachTier_WaitsForItsMinimum(AccessTier tier, int days)
    {
        EarlyDeletion.MinimumOf(tier).ShouldBe(TimeSpan.FromDays(days));
        EarlyDeletion.Plan(tier, Now, [new("p", 1, Now.AddDays(-days))], null).DeleteNow.Count.ShouldBe(1);
        if (days > 0)
        {
            EarlyDeletion.Plan(tier, Now, [new("p", 1, Now.AddDays(-days).AddSeconds(1))], null).Wait.Single().FreeAt.ShouldBe(Now.AddSeconds(1));
        }
    }

    [Fact]
    public void EarlyDeletion_WithPrices_ShowsWhatHasteWouldCost()
    {
        // 100 GB that have to stay another 90 days: three months of 0.2.
        var plan = EarlyDeletion.Plan(AccessTier.Archive, Now, [new("p", 100 * Gigabyte, Now.AddDays(-90))], Prices);
        plan.Penalty!.Value.ShouldBe(0.6m, tolerance: 0.0001m);
        EarlyDeletion.Plan(AccessTier.Archive, Now, [new("p", 100 * Gigabyte, Now.AddDays(-90))], null).Penalty.ShouldBeNull();
    }

    [Theory]
    [InlineData(RehydrationPriority.Standard, 15, 2.0)]
    [InlineData(RehydrationPriority.High, 10, 10.0)]
    public void ArchivePlan_OneColdPack_HasHoursAndCost(RehydrationPriority priority, double hours, double cost)
    {
        // 100 packs of 1 GB cold, and one read operation in 10,000 costs 5: 101 packs cost about 0.05.
        PackNeeded[] packs = [new("ready", Gigabyte, true), .. Enumerable.Range(0, 100).Select(i => new PackNeeded($"p{i}", Gigabyte, false))];
        var plan = ArchiveRestorePlanner.Plan(packs, priority, Prices);
        (plan.HoursMax, plan.BytesTotal, plan.BytesRehydrated, plan.PacksReady.Count).ShouldBe((hours, 101 * Gigabyte, 100 * Gigabyte, 1));
        plan.Cost!.Value.ShouldBe((decimal)cost + 0.05m, tolerance: 0.001m);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(25, 3)]
    [InlineData(500, 15)]
    public void ArchivePlan_HighPriority_IsBoundByWhatAnAccountGetsInAnHour(int gibibytes, double hours) =>
        ArchiveRestorePlanner.Plan([.. Enumerable.Range(0, gibibytes).Select(i => new PackNeeded($"p{i}", 1L << 30, false))], RehydrationPriority.High, null).HoursMax.ShouldBe(hours);

    [Fact]
    public void ArchivePlan_CopiesAreKept_CostsTheirKeeping()
    {
        // 100 GB for the 15 hours of rehydrating and 15 days after it, at 0.02 a gigabyte and month.
        var prices = Prices with { OnlineGigabyteMonth = 0.02m };
        var packs = Enumerable.Range(0, 100).Select(i => new PackNeeded($"p{i}", Gigabyte, false)).ToArray();
        var without = ArchiveRestorePlanner.Plan(packs, RehydrationPriority.Standard, Prices, TimeSpan.FromDays(15)).Cost!.Value;
        (ArchiveRestorePlanner.Plan(packs, RehydrationPriority.Standard, prices, TimeSpan.FromDays(15)).Cost!.Value - without).ShouldBe(1m + 0.0417m, tolerance: 0.0001m);
    }

    [Theory]
    [InlineData(100.0, 100.0, false)]
    [InlineData(100.0, 100.01, true)]
    [InlineData(100.0, null, true)]
    [InlineData(null, 1e6, false)]
    public void Rules_Cost_NeedsApprovalAboveTheLimitOrWhenNobodyKnowsIt(double? limit, double? cost, bool expected) =>
        new ArchiveRules { ApprovalAboveCost = (decimal?)limit }.NeedsApproval((decimal?)cost).ShouldBe(expected);

    [Fact]
    public void Parse_ArchiveRules_AreReadOrRefused()
    {
        PolicyParser.Parse("version: 1\narchive: { approvalAboveCost: 12.5, keepCopies: 2d }", "p").Archive
            .ShouldBe(new ArchiveRules { ApprovalAboveCost = 12.5m, KeepCopies = TimeSpan.FromDays(2) });
        PolicyParser.Parse("version: 1", "p").Archive.ShouldBe(new ArchiveRules { ApprovalAboveCost = null, KeepCopies = TimeSpan.FromDays(3) });
        Should.Throw<PolicyException>(() => PolicyParser.Parse("version: 1\narchive: { keepCopies: 1min }", "p"));
        Should.Throw<PolicyException>(() => PolicyParser.Parse("version: 1\narchive: { keep: 1d }", "p"));
    }

    [Fact]
    public void ArchivePlan_HugePackAtHighPriority_TakesAsLongAsStandard() =>
        ArchiveRestorePlanner.Plan([new("p", 10 * Gigabyte, false)], RehydrationPriority.High, null).HoursMax.ShouldBe(ArchiveRestorePlanner.StandardHoursMax);

    /// <summary>Nothing is forgotten, nothing asked for twice, the order kept. CsCheck prints the seed of a failing case.</summary>
    [Fact]
    public void ArchivePlan_AnyPacks_EachIsReadyOrInOneBatch() => Gen.Bool.Array[0, 1_500].Sample(
        ready =>
        {
            var packs = ready.Select((r, i) => new PackNeeded($"p{i:D4}", i, r)).ToArray();
            var plan = ArchiveRestorePlanner.Plan(packs, RehydrationPriority.Standard, null);
            plan.PacksReady.Concat(plan.Batches.SelectMany(b => b.Packs)).OrderBy(p => p.Name, StringComparer.Ordinal).ShouldBe(packs);
            plan.Batches.SelectMany(b => b.Packs).ShouldBe(packs.Where(p => !p.IsReady));
            plan.Batches.ShouldAllHold(b => b.Packs.Count <= ArchiveRestorePlanner.BatchPacksMax && b.Bytes == b.Packs.Sum(p => p.Bytes));
        },
        iter: 200);

    [Theory]
    [InlineData("gigabyteRead: 0.02", "gigabyteRead: cheap", "\"cheap\" is not a price such as 0.0018")]
    [InlineData("gigabyteRead: 0.02", "gigabyteRead: -1", "\"-1\" is not a price such as 0.0018")]
    [InlineData("currency: EUR, ", "", "\"prices\" needs the key \"currency\"")]
    public void Parse_Prices_AreReadOrRefusedWithTheirPlace(string right, string wrong, string expected)
    {
        const string text = """
            version: 1
            tiers: [ { name: cold, container: c-{vault}, accessTier: Archive, prices: { currency: EUR, gigabyteMonth: 0.002, gigabyteRead: 0.02 } } ]
            """;
        var yaml = text.Replace("c-{vault}", "\"c-{vault}\"", StringComparison.Ordinal);
        PolicyParser.Parse(yaml, "p").Tiers.Single().Prices.ShouldBe(new TierPrices("EUR", 0.002m, 0.02m, 0.02m, 0));
        PolicyParser.Parse(yaml.Replace("0.02 }", "0.02, onlineGigabyteMonth: 0.018 }", StringComparison.Ordinal), "p").Tiers.Single().Prices!.OnlineGigabyteMonth.ShouldBe(0.018m);
        Should.Throw<PolicyException>(() => PolicyParser.Parse(yaml.Replace(right, wrong, StringComparison.Ordinal), "p")).Problems
            .ShouldContain(p => p.At.Line == 2 && p.Message.Contains(expected, StringComparison.Ordinal));
    }
}
