using Backup.LocalStack.Comparison;
using Backup.LocalStack.SampleData;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.LocalStack.Tests.Comparison;

public sealed class TreeComparisonTests : IDisposable
{
    private readonly ScratchFolder _scratch = new("compare");

    public TreeComparisonTests()
    {
        ConfigurationTree.Create(Original);
        // GNU cp as the reference for a faithful copy.
        using var copy = System.Diagnostics.Process.Start("cp", ["-a", "--sparse=always", Original, Copy]);
        copy.WaitForExit();
        copy.ExitCode.ShouldBe(0);
    }

    private string Original => _scratch.Combine("original");

    private string Copy => _scratch.Combine("copy");

    [Fact]
    public void Of_FaithfulCopy_IsEqual()
    {
        var result = Compare();
        result.Differences.ShouldBeEmpty();
        result.Entries.ShouldBeGreaterThan(200);
        result.Bytes.ShouldBeGreaterThan(64 << 20);
    }

    public static TheoryData<string, string, string> Damages => new()
    {
        { "content", "printf X | dd of=pve/storage.cfg conv=notrunc bs=1 seek=3 status=none; touch -d @1790000000.123456789 pve/storage.cfg pve", "pve/storage.cfg: content differs" },
        { "time", "touch -h -d @1790000000.000000002 links/dangling", "links/dangling: time of change" },
        { "mode", "chmod 0700 modes/755", "modes/755: mode 755 became 700" },
        { "missing", "rm odd/empty", "odd/empty: is missing" },
        { "extra", "touch odd/extra", "odd/extra: was never there" },
        { "link target", "ln -sfn elsewhere links/to-file", "links/to-file: points elsewhere" },
        { "hard link", "cp -a links/hard-2 x && mv x links/hard-2", "are no longer one file" },
        { "holes", "cp -a --sparse=never odd/sparse.img x && mv x odd/sparse.img", "odd/sparse.img: was sparse" },
        { "kind", "rm odd/fifo && touch odd/fifo", "odd/fifo: was a Fifo, is a File" },
        { "odd name", "rm names/latin1*", "is missing" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void Of_CopyWithOneDamage_NamesIt(string damage, string script, string expected)
    {
        using var bash = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash", ["-ec", script]) { WorkingDirectory = Copy })!;
        bash.WaitForExit();
        bash.ExitCode.ShouldBe(0, damage);
        Compare().Differences.ShouldContain(d => d.Contains(expected, StringComparison.Ordinal), damage);
    }

    public void Dispose() => _scratch.Dispose();

    private TreeComparison Compare() => TreeComparison.Of(Original, Copy, backupBegan: null, compareOwners: true);
}
