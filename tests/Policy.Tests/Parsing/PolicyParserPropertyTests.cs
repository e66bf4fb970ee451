using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Parsing;

/// <summary>CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
public sealed class PolicyParserPropertyTests
{
    [Fact]
    public void Parse_AnyText_IsAPolicyOrAProblemList() => Gen.String.Sample(NeverThrowsAnythingElse, iter: 3_000);

    [Fact]
    public void Parse_MutatedPolicy_IsAPolicyOrAProblemListInsideTheText() =>
        Gen.Select(Gen.Int[0, SamplePolicy.Text.Length - 1], Gen.Int[0, 12], Gen.OneOf([.. new[] { "", "{", "]", ":", "\n", " ", "&a", "*a", "!!x ", "\"", "- ", "\t", "é" }.Select(Gen.Const)])).Sample(
            mutation =>
            {
                var (at, removed, inserted) = mutation;
                var end = Math.Min(SamplePolicy.Text.Length, at + removed);
                NeverThrowsAnythingElse(SamplePolicy.Text[..at] + inserted + SamplePolicy.Text[end..]);
            },
            iter: 3_000);

    private static void NeverThrowsAnythingElse(string text)
    {
        try
        {
            PolicyParser.Parse(text, "p");
        }
        catch (PolicyException e)
        {
            e.Problems.ShouldNotBeEmpty();
            e.Problems.ShouldAllHold(p => p.At.Line >= 1 && p.At.Column >= 1);
        }
    }
}
