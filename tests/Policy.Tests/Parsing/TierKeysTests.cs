using Backup.Policy.Bandwidth;
using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class TierKeysTests
{
    private const string Frame = """
        version: 1
        sites: [ { name: lab, timeZone: Europe/Berlin }, { name: annex } ]
        tiers:
          - { name: hot, container: "vault-{agent}", accessTier: Hot, region: westeurope }
          - { name: other-region, container: "geo-{agent}", accessTier: Cool, region: northeurope, copyFrom: hot }
          - { name: second-node, kind: vault, place: second }
          - { name: annex-node, kind: vault, place: copies, agent: annex-agent, source: "{agent}-{vault}", gigabytesMax: 4000, bandwidth: [ { limit: 50MB/s, from: "08:00", to: "18:00" }, { limit: 200MB/s } ] }
          - { name: frozen, container: frozen, accessTier: Archive }
        agents: [ { name: one, site: lab }, { name: annex-agent, site: annex } ]
        assets:
          - { name: a, kind: files, agent: one, vault: main, serviceClass: research, dataClass: active, paths: [/a], replicateTo: [hot, other-region, second-node, annex-node] }
        """;

    [Fact]
    public void Tiers_OfAllKinds_AreRead()
    {
        var policy = PolicyParser.Parse(Frame, "policy.yaml");
        var asset = policy.Assets.Single();
        var tiers = policy.TiersOf(asset);
        tiers.Select(t => (t.Name.Value, t.Region, t.CopyFrom?.Value, t.Node?.Place, policy.IsOffsite(t, asset))).ShouldBe(
        [
            ("hot", "westeurope", null, null, true),
            ("other-region", "northeurope", "hot", null, true),
            ("second-node", null, null, "second", false),
            ("annex-node", null, null, "copies", true),
        ]);
        var (own, pulled) = (tiers[2].Node!, tiers[3].Node!);
        (own.CopierOf(asset.Agent).Value, own.SourceOf(asset.Agent, asset.Vault)).ShouldBe(("one", "main"));
        (pulled.CopierOf(asset.Agent).Value, pulled.SourceOf(asset.Agent, asset.Vault)).ShouldBe(("annex-agent", "one-main"));
        tiers[3].BytesMax.ShouldBe(4_000_000_000_000);
        policy.CopiesOf(asset).ShouldBe(1);
    }

    [Fact]
    public void NodeBandwidth_ByTimeOfDay_BecomesSteps()
    {
        var policy = PolicyParser.Parse(Frame, "policy.yaml");
        var plan = policy.FindTier(new("annex-node"))!.Node!.Bandwidth;
        var morning = new DateTimeOffset(2026, 5, 4, 7, 0, 0, TimeSpan.Zero);
        BandwidthSchedule.Of(plan, TimeZoneInfo.Utc, 1, morning).Take(3).Select(s => ((int)(s.From - morning).TotalHours, s.BytesPerSecond)).ShouldBe([(0, 200_000_000), (1, 50_000_000), (11, 200_000_000)]);
    }

    [Theory]
    [InlineData("place: second", "accessTier: Hot, place: second", "\"accessTier\" means nothing for a tier that is another node's storage; remove it")]
    [InlineData("kind: vault, place: second", "kind: tape, place: second", "kind")]
    [InlineData(", place: second", "", "a tier needs the key \"place\"")]
    [InlineData("place: second", "place: second, source: x", "\"source\" says what the copying agent calls the vault; name that agent with \"agent\"")]
    [InlineData("agent: annex-agent", "agent: nobody", "unknown agent \"nobody\"")]
    [InlineData("copyFrom: hot", "copyFrom: warm", "unknown tier \"warm\"")]
    [InlineData("copyFrom: hot", "copyFrom: other-region", "can be copied only from a tier in blob storage that an agent sends to; \"other-region\" is none")]
    [InlineData("copyFrom: hot", "copyFrom: second-node", "can be copied only from a tier in blob storage that an agent sends to; \"second-node\" is none")]
    [InlineData("copyFrom: hot", "copyFrom: frozen", "tier \"frozen\" is in the archive")]
    [InlineData("accessTier: Cool, ", "accessTier: Cool, place: x, ", "\"place\" means nothing for a tier that is blob storage; remove it")]
    [InlineData("replicateTo: [hot, other-region", "replicateTo: [other-region", "tier \"other-region\" is copied from \"hot\", which the asset is not copied to")]
    public void Tiers_Wrong_SayWhatAndWhere(string from, string to, string problem)
    {
        Frame.ShouldContain(from);
        var fault = Should.Throw<PolicyException>(() => PolicyParser.Parse(Frame.Replace(from, to, StringComparison.Ordinal), "policy.yaml"));
        fault.Message.ShouldContain(problem);
    }

    [Theory]
    [InlineData("serviceClasses", "research")]
    [InlineData("dataClasses", "active")]
    public void Copies_MoreThanTiersMake_AreRefused(string classes, string name)
    {
        var enough = Frame.Replace("assets:", $"{classes}: [ {{ name: {name}, copies: 5 }} ]\nassets:", StringComparison.Ordinal);
        var policy = PolicyParser.Parse(enough, "policy.yaml");
        policy.CopiesOf(policy.Assets.Single()).ShouldBe(5);
        Should.Throw<PolicyException>(() => PolicyParser.Parse(enough.Replace("copies: 5", "copies: 6", StringComparison.Ordinal), "policy.yaml"))
            .Message.ShouldContain("its classes want 6 copies, and its vault and 4 tiers make 5");
    }
}
