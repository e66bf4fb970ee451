using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class ProofKeysTests
{
    private const string Text = """
        version: 1
        sites: [ { name: lab } ]
        agents: [ { name: a, site: lab } ]
        assets:
          - name: db
            kind: postgres
            agent: a
            vault: v
            serviceClass: critical
            dataClass: active
            connection: c
            dump: { databases: [voids, sky] }
            spreadCheckpoint: true
            fullSpeed: true
            proof:
              recordMiB: 64
              timeLimit: 30min
              checks:
                - { name: rows, database: voids, sql: "SELECT count(*) FROM voids", expect: "12" }
                - { name: any, database: voids, sql: "SELECT true", timeLimit: 5s }
          - { name: other, kind: postgres, agent: a, vault: v, serviceClass: critical, dataClass: active, connection: c }
        """;

    [Fact]
    public void Parse_Proof_HasWhatIsWrittenAndDefaultsElsewhere()
    {
        var policy = PolicyParser.Parse(Text, "p");
        var rule = policy.FindAsset(new("db"))!.Proof;
        (rule.RecordMebibytes, rule.TimeLimit).ShouldBe((64, TimeSpan.FromMinutes(30)));
        rule.Checks.ShouldBe([
            new ProofQuestion("rows", "voids", "SELECT count(*) FROM voids", "12", TimeSpan.FromMinutes(1)),
            new ProofQuestion("any", "voids", "SELECT true", null, TimeSpan.FromSeconds(5)),
        ]);
        policy.FindAsset(new("db"))!.Dump.ShouldNotBeNull().Databases.ShouldBe(["voids", "sky"]);
        policy.FindAsset(new("other"))!.Proof.ShouldBe(ProofRule.Standard);
        policy.FindAsset(new("other"))!.Dump.ShouldBeNull();
        (policy.FindAsset(new("db"))!.SpreadCheckpoint, policy.FindAsset(new("other"))!.SpreadCheckpoint).ShouldBe((true, false));
        (policy.FindAsset(new("db"))!.FullSpeed, policy.FindAsset(new("other"))!.FullSpeed).ShouldBe((true, false));
    }

    [Theory]
    [InlineData("recordMiB: 64", "recordMiB: -1", "whole number from 0")]
    [InlineData("timeLimit: 30min", "timeLimit: 3d", "at most 1d")]
    [InlineData("database: voids, sql: \"SELECT true\"", "sql: \"SELECT true\"", "needs the key \"database\"")]
    [InlineData("[voids, sky]", "[voids, voids]", "database \"voids\" stands twice in this list")]
    [InlineData("[voids, sky]", "[voids, \"a-name-of-sixty-four-bytes-which-no-server-takes-for-a-database-\"]", "is not the name of a database")]
    [InlineData("name: any", "name: rows", "there are two checks \"rows\"")]
    [InlineData("sql: \"SELECT true\"", "sql: \"SELECT true\", retries: 3", "has no key \"retries\"")]
    [InlineData("kind: postgres\n", "kind: files\n", "\"proof\" means nothing for an asset of kind files")]
    public void Parse_WrongProof_SaysWhatAndWhere(string right, string wrong, string expected) =>
        Should.Throw<PolicyException>(() => PolicyParser.Parse(Text.Replace(right, wrong, StringComparison.Ordinal), "p")).Problems
            .ShouldContain(p => p.Message.Contains(expected, StringComparison.Ordinal) && p.At.Line > 5);
}
