using Backup.Sources.Files;
using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Files;

/// <summary>What Linux can hold and the vault's format cannot: it is told, every time, and nothing wrong is stored in its place.</summary>
public sealed class OddValueTests : IDisposable
{
    private readonly FilesFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Backup_AttributeNameThatIsNotUtf8_IsLeftOutAndToldAgainWhenNothingChanged()
    {
        using var tree = MakeTree();
        OddTree.Write(tree, "file"u8, [1]);
        if (ExtendedAttributes.Set(tree, "file"u8, new ExtendedAttribute([.. "user."u8, 0xFF], [1])) == Errno.NotSupported)
            Assert.Skip("The file system has no extended attributes.");
        ExtendedAttributes.Set(tree, "file"u8, new ExtendedAttribute("user.good"u8.ToArray(), [2])).ShouldBe(Errno.None);
        for (var run = 0; run < 2; run++)
        {
            var outcome = await _fixture.BackupAsync();
            outcome.IsPartial.ShouldBeTrue();
            outcome.Problems.ShouldHaveSingleItem().Reason.ShouldContain("not UTF-8");
            await _fixture.RestoreTreeAsync(outcome.SnapshotId, _fixture.Path($"back{run}"));
            SafePath.OpenDirectory(_fixture.Path($"back{run}"), out var back).ShouldBe(Errno.None);
            using (back)
            {
                ExtendedAttributes.Read(back!, "file"u8, out var attributes).ShouldBe(Errno.None);
                attributes.ShouldHaveSingleItem().Name.ShouldBe("user.good"u8.ToArray());
            }
        }
    }

    [Theory]
    [InlineData(10_413_792_000L, 9_223_372_036L)]
    [InlineData(-9_300_000_000L, -9_223_372_037L)]
    [InlineData(9_223_372_035L, 9_223_372_035L)]
    public void Status_TimeBeyondTheFormat_IsTheNearestTimeWithin(long seconds, long expected)
    {
        var raw = new Libc.StatXBuffer { Modified = new Libc.StatXTime { Seconds = seconds, Nanoseconds = 5 } };
        FileStatus.TimeSpecOf(FileStatus.From(raw).ModifiedNanoseconds).Seconds.ShouldBe(expected);
    }

    [Theory]
    [InlineData("folder 01/file 2?", 10, 0)]
    [InlineData("/folder 01/file 2?", 0, 0)]
    [InlineData("**/file 29", 1, 1)]
    [InlineData("folder 02/", 0, 30)]
    public async Task Restore_PatternWithASlash_MeansBelowWhatWasBackedUp(string include, int inFirst, int inSecond)
    {
        OddTree.Make(_fixture.Tree, seed: 21);
        var outcome = await _fixture.BackupAsync();
        var back = _fixture.Path("back");
        (await _fixture.RestoreAsync(outcome.SnapshotId, new FilesRestoreRequest { Target = back, Include = [include] })).IsComplete.ShouldBeTrue();
        FilesIn("folder 01").ShouldBe(inFirst);
        FilesIn("folder 02").ShouldBe(inSecond);

        int FilesIn(string folder) => Directory.Exists($"{back}{_fixture.Tree}/{folder}") ? Directory.GetFiles($"{back}{_fixture.Tree}/{folder}").Length : 0;
    }

    private Descriptor MakeTree()
    {
        Directory.CreateDirectory(_fixture.Tree);
        SafePath.OpenDirectory(_fixture.Tree, out var tree).ShouldBe(Errno.None);
        return tree!;
    }
}
