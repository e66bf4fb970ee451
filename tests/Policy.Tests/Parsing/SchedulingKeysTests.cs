using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class SchedulingKeysTests
{
    private const string Text = """
        version: 1
        sites:
          - name: lab
            concurrency: 6
            blackoutDays: ["2026-12-24", "12-25"]
            bandwidth:
              - { limit: 200MB/s }
              - { limit: 20MiB/s, from: "08:00", to: "18:00", days: [mon, tue] }
        agents:
          - { name: one, site: lab, concurrency: 2 }
        serviceClasses:
          - { name: archival, priority: 9, ignoresBlackout: true }
        assets:
          - { name: db, kind: postgres, agent: one, vault: main, serviceClass: archival, dataClass: active, connection: db }
          - { name: files, kind: files, agent: one, vault: main, serviceClass: archival, dataClass: active, paths: [/d], window: { from: "20:00", to: "08:00", catchUp: true } }
        groups:
          - { name: catalogue, assets: [db, files] }
        """;

    [Fact]
    public void Parse_SchedulingKeys_AreRead()
    {
        var policy = PolicyParser.Parse(Text, "p");
        var site = policy.Sites[0];
        site.Concurrency.ShouldBe(6);
        site.Blackout.Contains(new DateOnly(2026, 12, 24)).ShouldBeTrue();
        site.Blackout.Contains(new DateOnly(2027, 12, 24)).ShouldBeFalse();
        site.Blackout.Contains(new DateOnly(2027, 12, 25)).ShouldBeTrue();
        site.Bandwidth.Limits.Select(l => (l.BytesPerSecond, l.Hours?.Days.Count)).ShouldBe([(200_000_000, null), (20 << 20, 2)]);
        var archival = policy.ServiceClasses.Single(c => c.Name.Value == "archival");
        (archival.Priority, archival.IgnoresBlackout, archival.Rpo).ShouldBe((9, true, TimeSpan.FromHours(24)));
        policy.FindAsset(new("files"))!.Window!.CatchUp.ShouldBeTrue();
        policy.Groups.Single().Assets.Select(a => a.Value).ShouldBe(["db", "files"]);
    }

    [Theory]
    [InlineData("\"2026-12-24\"", "\"2026-13-24\"", "5:20: \"2026-13-24\" is not a day such as \"2026-12-24\"")]
    [InlineData("\"12-25\"]", "\"12-25\", \"12-25\"]", "5:43: day \"12-25\" stands twice")]
    [InlineData("200MB/s", "200MB", "7:18: \"200MB\" is not a rate such as 20MB/s")]
    [InlineData("to: \"18:00\", ", "", "8:9: a bandwidth limit needs the key \"to\"")]
    [InlineData("priority: 9", "priority: 10", "12:33: \"priority\" is a whole number from 1 to 9; this is \"10\"")]
    [InlineData("catchUp: true", "catchUp: maybe", "\"catchUp\" is true or false")]
    [InlineData("assets: [db, files]", "assets: [db]", "17:32: a group needs \"assets\" with at least two names")]
    [InlineData("assets: [db, files]", "assets: [db, film]", "17:37: unknown asset \"film\"")]
    [InlineData("assets: [db, files]", "assets: [db, files, db]", "17:44: asset \"db\" stands twice in this list")]
    [InlineData("serviceClass: archival, dataClass: active, connection", "serviceClass: critical, dataClass: active, connection", "17:32: the window of asset \"files\" stays closed for 12h, longer than the shortest rpo in group \"catalogue\" (15min) allows")]
    [InlineData("concurrency: 2", "concurrency: 1", "17:32: group \"catalogue\" needs 2 backups at once on agent \"one\", whose concurrency is 1")]
    [InlineData("concurrency: 6", "concurrency: 1", "17:32: group \"catalogue\" needs 2 backups at once at site \"lab\", whose concurrency is 1")]
    public void Parse_WrongSchedulingKey_SaysWhere(string right, string wrong, string expected) =>
        Should.Throw<PolicyException>(() => PolicyParser.Parse(Text.Replace(right, wrong, StringComparison.Ordinal), "p")).Problems
            .ShouldContain(p => p.ToString().Contains(expected, StringComparison.Ordinal));
}
