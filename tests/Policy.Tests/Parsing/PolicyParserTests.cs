using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class PolicyParserTests
{
    [Fact]
    public void Parse_WholePolicy_ResolvesEverything()
    {
        var policy = SamplePolicy.Policy;

        policy.Sites.Single().TimeZone.Id.ShouldBe("Europe/Berlin");
        policy.Agents.Select(a => (a.Name.Value, a.RelayPath, a.Concurrency)).ShouldBe(
            [("lab-agent-1", "agents/lab-agent-1", 3), ("lab-agent-2", "agents/lab-agent-2", PolicyDefaults.AgentConcurrency)]);
        var database = policy.FindAsset(new("voids-db")).ShouldNotBeNull();
        database.Kind.ShouldBe(SourceKind.Postgres);
        database.Connection.ShouldBe("voids");
        policy.TiersOf(database).Select(t => t.ContainerOf(database)).ShouldBe(["vault-replica-hot"]);
        var files = policy.FindAsset(new("fits-files")).ShouldNotBeNull();
        files.Paths.ShouldBe(["/data/fits", "/data/spectra"]);
        files.Excludes.ShouldBe(["*.tmp"]);
        files.OneFileSystem.ShouldBeTrue();
        files.Window!.Length.ShouldBe(TimeSpan.FromHours(8));
        policy.TiersOf(files).Select(t => (t.AccessTier, t.ContainerOf(files))).ShouldBe(
            [(AccessTier.Hot, "vault-replica-hot"), (AccessTier.Cold, "cold-lab-agent-1-main")]);
    }

    [Theory]
    [InlineData("critical", 60, 15, 1, true)]
    [InlineData("development", 480, 240, 5, false)]
    [InlineData("archival", 1440, 1440, 7, false)]
    [InlineData("research", 240, 30, 3, false)]
    [InlineData("weekly", 2880, 10080, 5, false)]
    public void Parse_ServiceClasses_AreDefaultsWithOverrides(string name, int rtoMinutes, int rpoMinutes, int priority, bool ignoresBlackout) =>
        SamplePolicy.Policy.ServiceClasses.Single(c => c.Name.Value == name)
            .ShouldBe(new ServiceClass(new(name), TimeSpan.FromMinutes(rtoMinutes), TimeSpan.FromMinutes(rpoMinutes))
            {
                Priority = priority,
                IgnoresBlackout = ignoresBlackout,
                Retention = PolicyDefaults.ServiceClasses.FirstOrDefault(c => c.Name.Value == name)?.Retention ?? PolicyDefaults.Retention,
            });

    [Fact]
    public void Parse_NoClassesGiven_HasTheFourOfEachKind()
    {
        var policy = PolicyParser.Parse("version: 1", "policy.yaml");
        policy.ServiceClasses.ShouldBe(PolicyDefaults.ServiceClasses);
        policy.DataClasses.Select(c => c.Name.Value).ShouldBe(["active", "published", "collaborative", "archival"]);
    }

    [Fact]
    public void Parse_ManyMistakes_ReportsAllWithLineAndColumn()
    {
        const string Text = """
            version: 1
            colour: blue
            sites: [ { name: lab }, { name: lab } ]
            agents:
              - { name: one, site: nowhere, name: two }
              - { name: Big_Name, site: lab, concurrency: 0 }
            serviceClasses:
              - { name: critical, rpo: 15m }
              - { name: mine, rto: 1h }
            tiers:
              - { name: cold, container: Bad_Container, accessTier: Frozen }
            assets:
              - name: a
                kind: files
                agent: three
                vault: main
                serviceClass: gold
                dataClass: active
                connection: voids
                paths: [data]
              - name: a
                kind: postgres
                agent: one
                vault: main
                serviceClass: critical
                dataClass: active
                paths: [/x]
                window: { from: "22:00", to: "24:30", dais: [mon] }
            """;

        var problems = Problems(Text);

        problems.Select(p => (p.At.Line, p.At.Column)).ShouldBe(
            [
                (2, 1), (3, 33), (5, 24), (5, 33), (6, 13), (6, 47), (8, 28), (9, 5), (11, 30), (11, 57),
                (15, 12), (17, 19), (19, 17), (20, 13), (21, 5), (21, 11), (27, 12), (28, 34), (28, 43),
            ],
            string.Join('\n', problems));
    }

    [Theory]
    [InlineData("version: 2", "1:10: \"version\" is one of 1; this is \"2\"")]
    [InlineData("{}", "1:1: a policy needs the key \"version\"")]
    [InlineData("", "1:1: the file is empty; a policy begins with \"version: 1\"")]
    [InlineData("- a", "1:1: a policy is a group of keys; this is a list")]
    [InlineData("version: 1\nsites: lab", "2:8: \"sites\" is a list; this is the text \"lab\"")]
    [InlineData("version: 1\nsites: [lab]", "2:9: a site is a group of keys; this is the text \"lab\"")]
    [InlineData("version: 1\nsites: [{name: lab, timeZone: Mars/Base}]", "2:31: this machine knows no time zone \"Mars/Base\"; use an IANA name such as Europe/Berlin")]
    [InlineData("version: 1\nversion: 1", "2:1: key \"version\" stands twice; first on line 1")]
    [InlineData("version: &v 1", "1:10: anchors (&name) are not used in policies; remove it")]
    [InlineData("version: !include 1", "1:10: tags (!name) are not used in policies; remove it")]
    [InlineData("version: 1\nsites: [{name: lab}]\nagents: [{name: one, site: lab, relayPath: agents/..}]", "3:44: \"agents/..\" is not a relay path: letters, digits, dashes, underscores, dots but not in front, and single slashes between them, at most 260 characters")]
    [InlineData("version: 1\nsites: [{name: lab}]\nagents: [{name: one, site: lab, relayPath: agents/Two}, {name: two, site: lab}]", "3:64: the relay path \"agents/two\" is that of agent \"one\"; each agent has its own")]
    [InlineData("version: 1\n---\nversion: 1", "2:1: a policy file holds one document; remove this one")]
    public void Parse_OneMistake_SaysWhatIsWrong(string text, string problem) => Problems(text).Select(p => p.ToString()).ShouldBe([problem]);

    [Fact]
    public void Parse_ByteOrderMark_IsNoPartOfAKey() => PolicyParser.Parse("\uFEFFversion: 1", "policy.yaml").Sites.ShouldBeEmpty();

    [Fact]
    public void Parse_HugeOrOddText_IsQuotedInOneShortLine()
    {
        Problems($"version: {new string('9', 100_000)}").Single().Message.Length.ShouldBeLessThan(600);
        Problems("version: \"1\\n\\e[31m\"").Single().Message.ShouldNotContain(c => char.IsControl(c));
    }

    [Fact]
    public void Parse_NotYaml_SaysWhere()
    {
        var problem = Problems("version: 1\nsites: [ {").Single();
        problem.Message.ShouldStartWith("this is not valid YAML");
        problem.At.Line.ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public void Parse_TagThatIsNoAddress_IsNotYaml() => Problems("version: !!/$ks+[Y 1").Single().Message.ShouldStartWith("this is not valid YAML");

    [Fact]
    public void Parse_Alias_IsRefusedAndNotExpanded() =>
        Problems("version: 1\nsites: &s [ { name: lab } ]\ntiers: *s").Select(p => p.At.Line).ShouldBe([2, 3, 3]);

    [Fact]
    public void Parse_TooDeep_IsRefused() =>
        Problems("version: " + new string('[', 200) + new string(']', 200)).Single().Message.ShouldContain("levels deep");

    [Fact]
    public void Parse_ContainerNameThatStorageRefuses_IsRefused()
    {
        var text = SamplePolicy.Text.Replace("container: \"cold-{agent}-{vault}\"", $"container: \"{new string('c', 50)}-{{agent}}-{{vault}}\"", StringComparison.Ordinal);
        text.ShouldNotBe(SamplePolicy.Text);
        Problems(text).Single().Message.ShouldContain("not 3 to 63 characters long");
    }

    [Fact]
    public void Parse_WindowThatBreaksTheObjective_IsRefused()
    {
        var text = SamplePolicy.Text.Replace("serviceClass: archival", "serviceClass: development", StringComparison.Ordinal);
        Problems(text).Single().Message.ShouldBe(
            "this window stays closed for 16h, so class \"development\" (rpo 4h) cannot be kept; widen the window or choose another class");
    }

    [Fact]
    public void Parse_HundredsOfMistakes_StopsListingAtTheLimit()
    {
        var text = "version: 1\n" + string.Concat(Enumerable.Range(0, 1000).Select(i => $"key{i}: 1\n"));
        Problems(text).Count.ShouldBe(PolicyLimits.ProblemsMax + 1);
    }

    [Theory]
    [InlineData("paths: [/data/fits, /data/spectra]", "paths: [\"/da\\0ta\"]", "a path or pattern has at most 4096 characters, none of them zero")]
    [InlineData("excludes: [\"*.tmp\"]", "excludes: [{4097}]", "a path or pattern has at most 4096 characters, none of them zero")]
    [InlineData("excludes: [\"*.tmp\"]", "excludes: [{4096}, {4096}, {4096}, {4096}, {4096}, {4096}, {4096}, {4096}, {4096}, {4096}]", "the paths, patterns and databases of this asset take 245819 bytes; the limit is 196608: make several assets of it")]
    public void Parse_MoreThanAnOrderCarries_IsRefused(string right, string wrong, string problem)
    {
        // Each of these letters takes six bytes in an order.
        var text = SamplePolicy.Text.Replace(right, wrong.Replace("{4096}", new string('é', 4096), StringComparison.Ordinal).Replace("{4097}", new string('é', 4097), StringComparison.Ordinal), StringComparison.Ordinal);
        text.ShouldNotBe(SamplePolicy.Text);
        Problems(text).Single().Message.ShouldBe(problem);
    }

    [Fact]
    public async Task Load_MissingFile_SaysWhichSetting()
    {
        var fault = await Should.ThrowAsync<PolicyException>(() => PolicyParser.LoadAsync("/nowhere/policy.yaml", CancellationToken.None));
        fault.Fault.ShouldBe(PolicyFault.Unreadable);
        fault.Message.ShouldContain("Policy:File");
    }

    private static IReadOnlyList<PolicyProblem> Problems(string text)
    {
        var fault = Should.Throw<PolicyException>(() => PolicyParser.Parse(text, "policy.yaml"));
        fault.Fault.ShouldBe(PolicyFault.Invalid);
        fault.Problems.ShouldAllBe(p => fault.Message.Contains($"policy.yaml:{p}"));
        return fault.Problems;
    }
}
