using Shouldly;

namespace Backup.Policy.Tests.Parsing;

public sealed class HookKeysTests
{
    private const string Text = """
        version: 1
        sites: [ { name: lab } ]
        agents: [ { name: a, site: lab } ]
        assets:
          - { name: files, kind: files, agent: a, vault: v, serviceClass: critical, dataClass: active, paths: [/x], hooks: { before: [hold-app], after: [resume-app, tell] } }
          - { name: other, kind: files, agent: a, vault: v, serviceClass: critical, dataClass: active, paths: [/x] }
        """;

    [Fact]
    public void Parse_Hooks_AreNamesInOrder()
    {
        var policy = PolicyParser.Parse(Text, "p");
        var hooks = policy.FindAsset(new("files"))!.Hooks;
        hooks.Before.ShouldBe(["hold-app"]);
        hooks.After.ShouldBe(["resume-app", "tell"]);
        policy.FindAsset(new("other"))!.Hooks.ShouldBe(HookRule.None);
    }

    [Fact]
    public void Parse_GroupWithMoreHooksThanOneOrderCarries_IsRefused()
    {
        var many = string.Join(", ", Enumerable.Range(1, 16).Select(n => $"h{n}"));
        var text = Text.Replace("[hold-app]", $"[{many}]", StringComparison.Ordinal).Replace("paths: [/x] }", "paths: [/x], hooks: { before: [h1, one-more] } }", StringComparison.Ordinal)
            + "\ngroups: [ { name: both, assets: [files, other] } ]";
        Should.Throw<PolicyException>(() => PolicyParser.Parse(text, "p")).Problems.Single().ToString()
            .ShouldBe("7:33: the assets of group \"both\" have 17 hooks on agent \"a\", which are run together; the limit is 16");
    }

    [Theory]
    [InlineData("[hold-app]", "[\"/bin/rm -rf /\"]", "is not the name of a hook")]
    [InlineData("before:", "during:", "has no key \"during\"")]
    [InlineData("[resume-app, tell]", "[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]", "the limit is 16")]
    public void Parse_WrongHooks_SaysWhatAndWhere(string right, string wrong, string expected) =>
        Should.Throw<PolicyException>(() => PolicyParser.Parse(Text.Replace(right, wrong, StringComparison.Ordinal), "p")).Problems
            .ShouldContain(p => p.Message.Contains(expected, StringComparison.Ordinal) && p.At.Line == 5);
}
