using System.Diagnostics;
using Backup.Sources.Files;
using Backup.Vault;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Sources.Tests.Files;

/// <summary>Restores over what is there: what comes from the vault, what is written, and what is left alone.</summary>
public sealed class RestoreDeltaTests : IDisposable
{
    private readonly FilesFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Restore_OverAnEqualTree_ReadsNoContentFromTheVault()
    {
        var snapshot = await BackUpOddTreeAsync(21);
        var before = TreeListing.Of(_fixture.Tree);
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        // Without a single data pack only a restore that fetches nothing can succeed.
        var store = (MemoryObjectStore)(await _fixture.VaultAsync()).Store;
        foreach (var pack in store.Objects.Keys.Where(name => name.Kind == ObjectKind.DataPack).ToList())
            store.Objects.TryRemove(pack, out _);

        var planned = await _fixture.RestoreAsync(snapshot, Request() with { DryRun = true });
        var outcome = await _fixture.RestoreAsync(snapshot, Request());

        foreach (var done in new[] { planned, outcome })
        {
            done.IsComplete.ShouldBeTrue(string.Join('\n', done.Problems));
            (done.BytesFetched, done.BytesWritten).ShouldBe((0, 0));
            done.FilesUnchanged.ShouldBeGreaterThan(600);
            done.BytesVerified.ShouldBeGreaterThan(12_000_000);
        }

        TreeListing.Of(_fixture.Path("back")).ShouldBe(before);
    }

    [Fact]
    public async Task Restore_OneByteDiffers_FetchesOneFrameAndThePlanSaysSo()
    {
        var snapshot = await BackUpOddTreeAsync(22);
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        await ChangeByteAsync(_fixture.Path("back/large"), 5_000_000);

        var planned = await _fixture.RestoreAsync(snapshot, Request() with { DryRun = true });
        var outcome = await _fixture.RestoreAsync(snapshot, Request());

        // A chunk comes with the frame it was compressed in, of up to 2 MiB; only the chunk is written.
        outcome.BytesFetched.ShouldBeInRange(1, 2 << 20);
        outcome.BytesWritten.ShouldBeInRange(1, 1 << 20);
        (planned.BytesFetched, planned.BytesWritten, planned.FilesUnchanged).ShouldBe((outcome.BytesFetched, outcome.BytesWritten, outcome.FilesUnchanged));
        TreeListing.ShouldBeSame(_fixture.Path("back"), _fixture.Tree);
    }

    [Fact]
    public async Task Restore_DryRunIntoNothing_ReadsNoPackAndPlansWhatTheRestoreFetches()
    {
        var snapshot = await BackUpOddTreeAsync(23);
        var planned = await _fixture.RestoreAsync(snapshot, Request() with { DryRun = true });
        var outcome = await _fixture.RestoreAsync(snapshot, Request() with { Overwrite = false });
        (planned.BytesFetched, planned.BytesWritten, planned.FilesRestored).ShouldBe((outcome.BytesFetched, outcome.BytesWritten, outcome.FilesRestored));
        planned.BytesVerified.ShouldBe(0);
    }

    [Fact]
    public async Task Restore_SparseFileFilledInTheTarget_GetsItsHolesBack()
    {
        var snapshot = await BackUpOddTreeAsync(24);
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        await ChangeByteAsync(_fixture.Path("back/sparse"), 20 << 20);
        await ChangeByteAsync(_fixture.Path("back/sparse"), (40 << 20) + 5);
        await File.AppendAllTextAsync(_fixture.Path("back/only hole"), "and more");
        (await _fixture.RestoreAsync(snapshot, Request())).IsComplete.ShouldBeTrue();
        TreeListing.ShouldBeSame(_fixture.Path("back"), _fixture.Tree);
    }

    [Fact]
    public async Task Restore_RunningProgram_StaysWhenItIsRightAndIsReplacedWhenNot()
    {
        Directory.CreateDirectory(_fixture.Tree);
        File.Copy("/bin/sleep", Path.Combine(_fixture.Tree, "program"));
        var snapshot = (await _fixture.BackupAsync()).SnapshotId;
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        var copy = _fixture.Path("back/program");
        await RunningAsync(copy, async () =>
        {
            var outcome = await _fixture.RestoreAsync(snapshot, Request());
            (outcome.FilesUnchanged, outcome.BytesWritten, outcome.IsComplete).ShouldBe((1, 0, true));
        });
        var length = new FileInfo(copy).Length;
        await ChangeByteAsync(copy, length - 1);
        await RunningAsync(copy, async () =>
        {
            var outcome = await _fixture.RestoreAsync(snapshot, Request());
            (outcome.FilesUnchanged, outcome.BytesWritten, outcome.IsComplete).ShouldBe((0, length, true));
        });
        File.ReadAllBytes(copy).ShouldBe(File.ReadAllBytes("/bin/sleep"));
    }

    [Fact]
    public async Task Restore_DamagedPack_LeavesTheMarkAndTheSameRequestFinishesAfterTheRepair()
    {
        var snapshot = await BackUpOddTreeAsync(25);
        var store = (MemoryObjectStore)(await _fixture.VaultAsync()).Store;
        var healthy = store.Objects.Where(one => one.Key.Kind == ObjectKind.DataPack).ToDictionary(one => one.Key, one => one.Value.ToArray());
        foreach (var name in healthy.Keys)
            store.Objects[name][store.Objects[name].Length / 2] ^= 1;
        var first = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        first.IsComplete.ShouldBeFalse();
        File.Exists(_fixture.Path("back/.restore-in-progress")).ShouldBeTrue();

        foreach (var (name, bytes) in healthy)
            store.Objects[name] = bytes;
        var second = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        second.IsComplete.ShouldBeTrue(string.Join('\n', second.Problems));
        second.FilesUnchanged.ShouldBeGreaterThan(0);
        second.BytesFetched.ShouldBeLessThan(first.BytesFetched);
        TreeListing.ShouldBeSame(_fixture.Path("back"), _fixture.Tree);
    }

    private async Task<SnapshotId> BackUpOddTreeAsync(int seed)
    {
        OddTree.Make(_fixture.Tree, seed);
        return (await _fixture.BackupAsync()).SnapshotId;
    }

    private FilesRestoreRequest Request() => new() { Target = _fixture.Path("back"), Subtree = _fixture.Tree, Overwrite = true };

    private static async Task ChangeByteAsync(string path, long offset)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = offset;
        var old = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(old ^ 0x55));
    }

    private static async Task RunningAsync(string program, Func<Task> act)
    {
        using var process = Process.Start(program, "600");
        try
        {
            await act();
            process.HasExited.ShouldBeFalse();
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }
}
