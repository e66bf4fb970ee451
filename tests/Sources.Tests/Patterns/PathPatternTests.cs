using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using CsCheck;
using Shouldly;

namespace Backup.Sources.Tests.Patterns;

public sealed class PathPatternTests
{
    [Theory]
    [InlineData("*.tmp", "/data/a/b.tmp", true)]
    [InlineData("*.tmp", "/data/a/b.tmpx", false)]
    [InlineData("a*b*c", "/data/aXbXbYc", true)]
    [InlineData("a*b*c", "/data/aXbXbY", false)]
    [InlineData("?.x", "/data/\u00e9.x", true)]
    [InlineData("??.x", "/data/\u00e9.x", false)]
    [InlineData("[a-c]1", "/data/b1", true)]
    [InlineData("[!a-c]1", "/data/b1", false)]
    [InlineData("[^a-c]1", "/data/d1", true)]
    [InlineData("[]x]1", "/data/]1", true)]
    [InlineData("\\*.x", "/data/*.x", true)]
    [InlineData("\\*.x", "/data/a.x", false)]
    [InlineData("\\#x", "/data/#x", true)]
    [InlineData("x\\ ", "/data/x ", true)]
    [InlineData("[[:digit:]_]", "/data/7", true)]
    [InlineData("[[:digit:]_]", "/data/:", false)]
    [InlineData("[\\]]", "/data/]", true)]
    [InlineData("/****", "/data", true)]
    [InlineData("/data/a", "/data/a", true)]
    [InlineData("/data/a", "/other/data/a", false)]
    [InlineData("/data/*/c", "/data/b/c", true)]
    [InlineData("/data/*/c", "/data/b/b/c", false)]
    [InlineData("/data/**/c", "/data/b/b/c", true)]
    [InlineData("/data/**/c", "/data/c", true)]
    [InlineData("/data/**", "/data", false)]
    [InlineData("/data/**", "/data/x/y", true)]
    [InlineData("sub/x", "/data/sub/x", true)]
    [InlineData("sub/x", "/data/more/sub/x", false)]
    [InlineData("**/sub/x", "/data/more/sub/x", true)]
    [InlineData("keep/", "/data/keep", false)]
    public void Matches_File_AsGitignoreWouldBelowTheRoot(string pattern, string path, bool expected) =>
        PathPattern.Parse(pattern)!.Matches(ByteText.Encode(path), "/data".Length, isDirectory: false).ShouldBe(expected);

    [Fact]
    public void Matches_TrailingSlash_OnlyDirectories() =>
        PathPattern.Parse("keep/")!.Matches("/data/keep"u8, 5, isDirectory: true).ShouldBeTrue();

    [Theory]
    [InlineData("a[b")]
    [InlineData("a\\\\[b")]
    [InlineData("[[:nosuch:]]")]
    [InlineData("a\\")]
    [InlineData("../x")]
    [InlineData("!")]
    public void Parse_UnreadablePattern_SaysWhich(string pattern) =>
        Should.Throw<SourcesException>(() => PathPattern.Parse(pattern)).Message.ShouldContain(pattern);

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("# a comment")]
    public void Parse_NothingToSay_IsNull(string line) => PathPattern.Parse(line).ShouldBeNull();

    [Fact]
    public void Excludes_LaterNegation_TakesBack()
    {
        var rules = new ExcludeRules(["*.log", "!keep.log"]);
        rules.Excludes("/d/a.log"u8, 2, false).ShouldBeTrue();
        rules.Excludes("/d/keep.log"u8, 2, false).ShouldBeFalse();
    }

    [Fact]
    public void Includes_MatchOnDirectory_TakesAllBelow()
    {
        var rules = new IncludeRules(["/data/fits"]);
        rules.Includes("/data"u8, true, false).ShouldBeFalse();
        rules.MayIncludeBelow("/data"u8).ShouldBeTrue();
        rules.MayIncludeBelow("/other"u8).ShouldBeFalse();
        rules.Includes("/data/fits"u8, true, false).ShouldBeTrue();
        rules.Includes("/data/fits/x"u8, false, true).ShouldBeTrue();
    }

    [Fact]
    public void Includes_OnlyNegations_StartFromEverything()
    {
        var rules = new IncludeRules(["!*.tmp"]);
        rules.Includes("/a/b"u8, false, true).ShouldBeTrue();
        rules.Includes("/a/b.tmp"u8, false, true).ShouldBeFalse();
    }

    [Fact]
    public void MayMatchBelow_NeverDeniesAPathThatMatches()
    {
        Check.Sample(Gen.Select(PatternGen, PathGen), (patternText, path) =>
        {
            var pattern = PathPattern.Parse(patternText)!;
            var bytes = ByteText.Encode(path);
            if (!pattern.Matches(bytes, 0, isDirectory: true))
                return;
            for (var slash = path.LastIndexOf('/'); slash > 0; slash = path.LastIndexOf('/', slash - 1))
                pattern.MayMatchBelow(ByteText.Encode(path[..slash])).ShouldBeTrue($"{patternText} on {path}");
        });
    }

    private static Gen<string> PatternGen { get; } =
        OneOf("a", "b", "*", "**", "a*", "?").Array[1, 4].Select(parts => "/" + string.Join('/', parts));

    private static Gen<string> PathGen { get; } =
        OneOf("a", "b", "ab").Array[1, 5].Select(parts => "/" + string.Join('/', parts));

    private static Gen<string> OneOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);
}
