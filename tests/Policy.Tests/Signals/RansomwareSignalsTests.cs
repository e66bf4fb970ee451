using Backup.Policy.Signals;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Signals;

public sealed class RansomwareSignalsTests
{
    // A usual night: 2 % new, stored at half its size, a thousand files.
    private static readonly RunStatistics Usual = new(1_000_000, 20_000, 10_000, 1_000);
    private static readonly RunStatistics[] History = [.. Enumerable.Repeat(Usual, 10)];

    [Fact]
    public void Assess_UsualNight_IsQuiet() => RansomwareSignals.Assess(Usual, History).Signals.ShouldBeEmpty();

    [Fact]
    public void Assess_EverythingEncrypted_FreezesOnEntropyAndDeduplication()
    {
        var verdict = RansomwareSignals.Assess(new(1_000_000, 1_000_000, 1_000_000, 1_000), History);
        verdict.Freezes.ShouldBeTrue();
        verdict.Signals.Select(s => s.Kind).ShouldBe([SignalKind.Entropy, SignalKind.DeduplicationCollapse]);
    }

    [Fact]
    public void Assess_ATenthEncrypted_FreezesOnEntropy() =>
        RansomwareSignals.Assess(new(1_000_000, 100_000, 99_000, 1_000), History).Signals.ShouldHaveSingleItem().Kind.ShouldBe(SignalKind.Entropy);

    [Fact]
    public void Assess_AThirdOfTheFilesGone_Freezes() =>
        RansomwareSignals.Assess(Usual with { FilesTotal = 690 }, History).Signals.ShouldHaveSingleItem().Kind.ShouldBe(SignalKind.DeletionRate);

    [Fact]
    public void Assess_ABusyWeek_IsReportedAndStopsNothing()
    {
        var verdict = RansomwareSignals.Assess(new(1_000_000, 300_000, 150_000, 1_300), History);
        verdict.Signals.ShouldHaveSingleItem().Kind.ShouldBe(SignalKind.ChangeRate);
        verdict.Freezes.ShouldBeFalse();
    }

    [Fact]
    public void Assess_DataThatNeverCompressed_IsNoEntropySignal()
    {
        RunStatistics[] images = [.. History.Select(r => r with { BytesStored = r.BytesNew })];
        RansomwareSignals.Assess(new(1_000_000, 100_000, 100_000, 1_000), images).Signals.ShouldBeEmpty();
    }

    [Fact]
    public void Assess_FirstRuns_AreNeverStrange() => RansomwareSignals.Assess(new(1_000_000, 1_000_000, 1_000_000, 1), History[..4]).Signals.ShouldBeEmpty();

    /// <summary>Whatever an asset's nights look like, one more of the same kind freezes nothing. CsCheck prints the seed of a failing case.</summary>
    [Fact]
    public void Assess_ARunLikeAllOthers_NeverFreezes() =>
        Gen.Select(Gen.Long[0, 1_000_000], Gen.Double[0, 1], Gen.Double[0, 1.2], Gen.Long[0, 100_000]).Sample((read, change, stored, files) =>
        {
            var run = new RunStatistics(read, (long)(read * change), (long)(read * change * stored), files);
            RansomwareSignals.Assess(run, [.. Enumerable.Repeat(run, 8)]).Freezes.ShouldBeFalse();
        });
}
