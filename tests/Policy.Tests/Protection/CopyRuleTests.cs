using Backup.Policy.Protection;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Protection;

public sealed class CopyRuleTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly PointCopy Vault = new("main", "disk", IsOffsite: false, IsImmutable: false, IsSound: true);
    private static readonly PointCopy Offsite = new("offsite-cold", "azure-blob", IsOffsite: true, IsImmutable: true, IsSound: true);

    [Fact]
    public void Assess_VaultOffsiteImmutableAndProvenRestore_IsKept()
    {
        var state = CopyRule.Assess(Now, [Vault, Offsite], Now.AddDays(-10), restoresFailedSince: 0);
        (state.Copies, state.Media, state.Offsite, state.Immutable, state.Errors, state.IsKept).ShouldBe((3, 3, 1, 1, 0, true));
    }

    [Theory]
    [InlineData(true, true, true, true, 10, 1, "1 restores failed since the last good one")]
    [InlineData(true, true, true, true, 100, 0, "the last proven restore is older than 92 days")]
    [InlineData(true, true, true, true, null, 0, "no restore was ever proven")]
    [InlineData(false, true, true, true, 10, 0, "2 of 3 copies")]
    [InlineData(true, false, true, true, 10, 0, "no sound copy off-site")]
    [InlineData(true, true, false, true, 10, 0, "no immutable copy")]
    [InlineData(true, true, true, false, 10, 0, "1 copies unchecked or damaged")]
    public void Assess_SomethingLacks_SaysWhat(bool vault, bool offsite, bool immutable, bool sound, int? provenDaysAgo, int failed, string missing)
    {
        PointCopy[] copies = [.. vault ? [Vault] : Array.Empty<PointCopy>(), Offsite with { IsOffsite = offsite, IsImmutable = immutable, IsSound = sound }];
        var state = CopyRule.Assess(Now, copies, provenDaysAgo is { } d ? Now.AddDays(-d) : null, failed);
        state.Missing.ShouldContain(missing);
        state.IsKept.ShouldBeFalse();
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(3, 1)]
    public void Assess_ClassesWantMoreCopies_CountsSoundOnes(int wanted, int missing) =>
        CopyRule.Assess(Now, [Vault, Offsite], Now, 0, wanted).Missing.Count(m => m == $"2 of {wanted} copies that its classes want").ShouldBe(missing);

    /// <summary>CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
    [Fact]
    public void Assess_AnyCopies_AFurtherSoundCopyNeverMakesItWorse() => Gen.Select(Gen.Bool.Array[4].Array[0, 5], Gen.Bool.Array[4]).Sample((list, more) =>
    {
        var before = CopyRule.Assess(Now, [.. list.Select(Of)], Now, 0);
        var after = CopyRule.Assess(Now, [.. list.Select(Of), Of(more) with { IsSound = true }], Now, 0);
        after.Missing.Count.ShouldBeLessThanOrEqualTo(before.Missing.Count);
    });

    private static PointCopy Of(bool[] flags) => new("p", flags[0] ? "disk" : "azure-blob", flags[1], flags[2], flags[3]);
}
