using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class RetentionKeysTests
{
    private const string Text = """
        version: 1
        sites: [ { name: lab } ]
        agents: [ { name: one, site: lab } ]
        retention: { approvalAbovePoints: 10, percentMax: 25 }
        serviceClasses:
          - { name: research, retention: { keepLast: 3, keepHourly: 12, keepDaily: 5, keepWithin: 2d, continuousFor: 3d } }
        dataClasses:
          - { name: published, retention: { keepYearly: 5, immutableFor: 365d } }
        assets:
          - { name: files, kind: files, agent: one, vault: main, serviceClass: research, dataClass: published, paths: [/d], legalHold: true }
          - { name: db, kind: postgres, agent: one, vault: main, serviceClass: research, dataClass: published, connection: db }
        """;

    [Fact]
    public void Parse_RetentionKeys_ServiceClassAndDataClassAddUp()
    {
        var policy = PolicyParser.Parse(Text, "p");
        var expected = new RetentionRule
        {
            KeepLast = 3,
            KeepHourly = 12,
            KeepDaily = 5,
            KeepYearly = 5,
            KeepWithin = TimeSpan.FromDays(2),
            ImmutableFor = TimeSpan.FromDays(365),
            ContinuousFor = TimeSpan.FromDays(3),
        };
        policy.RetentionOf(policy.FindAsset(new("db"))!).ShouldBe(expected);
        policy.RetentionOf(policy.FindAsset(new("files"))!).ShouldBe(expected with { ContinuousFor = TimeSpan.Zero });
        policy.Retention.ShouldBe(new RetentionGuards { ApprovalAbovePoints = 10, ShareMax = 0.25 });
        policy.FindAsset(new("files"))!.LegalHold.ShouldBeTrue();
    }

    [Fact]
    public void Parse_NoRetention_HasTheDefaults()
    {
        var policy = PolicyParser.Parse("version: 1", "p");
        policy.Retention.ShouldBe(RetentionGuards.Standard);
        policy.ServiceClasses.ShouldAllBe(c => c.Retention.KeepLast >= 1);
        policy.DataClasses.Single(c => c.Name.Value == "published").Retention.ImmutableFor.ShouldBe(TimeSpan.FromDays(3650));
    }

    [Theory]
    [InlineData("keepLast: 3", "keepLast: 0", "6:46: \"keepLast\" is a whole number from 1 to 100000; this is \"0\"")]
    [InlineData("keepDaily: 5", "keepDayly: 5", "\"retention\" has no key \"keepDayly\"; it has keepLast, keepHourly, keepDaily")]
    [InlineData("immutableFor: 365d", "immutableFor: forever", "\"forever\" is not a duration")]
    [InlineData("keepWithin: 2d", "keepWithin: 5min", "\"keepWithin\" is 5min; it has to be at least 1h")]
    [InlineData("percentMax: 25", "percentMax: 100", "4:51: \"percentMax\" is a whole number from 1 to 99; this is \"100\"")]
    [InlineData("legalHold: true", "legalHold: yes", "\"legalHold\" is true or false; this is \"yes\"")]
    public void Parse_WrongRetentionKey_SaysWhere(string right, string wrong, string expected) =>
        Should.Throw<PolicyException>(() => PolicyParser.Parse(Text.Replace(right, wrong, StringComparison.Ordinal), "p")).Problems
            .ShouldContain(p => p.ToString().Contains(expected, StringComparison.Ordinal));

    [Fact]
    public void Parse_CaretakerAndTierSize_AreReadAndCaretakersMustExist()
    {
        const string text = """
            version: 1
            sites: [ { name: lab } ]
            tiers: [ { name: hot, container: c, accessTier: Hot, gigabytesMax: 4000 } ]
            agents: [ { name: reader, site: lab, caretaker: keeper }, { name: keeper, site: lab } ]
            """;
        var policy = PolicyParser.Parse(text, "p");
        policy.Agents.Select(a => a.Caretaker.Value).ShouldBe(["keeper", "keeper"]);
        policy.Tiers[0].BytesMax.ShouldBe(4_000_000_000_000);
        Should.Throw<PolicyException>(() => PolicyParser.Parse(text.Replace("caretaker: keeper", "caretaker: nobody", StringComparison.Ordinal), "p")).Problems
            .ShouldHaveSingleItem().ShouldSatisfyAllConditions(p => p.At.Line.ShouldBe(4), p => p.Message.ShouldContain("unknown agent \"nobody\""));
    }
}
