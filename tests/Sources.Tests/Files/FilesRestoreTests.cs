using Backup.Sources.Files;
using Backup.Vault;
using Shouldly;

namespace Backup.Sources.Tests.Files;

public sealed class FilesRestoreTests : IDisposable
{
    private readonly FilesFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Restore_TargetHoldsSomething_IsRefusedUnlessOverwriting()
    {
        var snapshot = await BackUpAsync(1);
        Directory.CreateDirectory(_fixture.Path("back"));
        await File.WriteAllTextAsync(_fixture.Path("back/mine"), "mine");
        (await Should.ThrowAsync<SourcesException>(() => _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back")))).Fault.ShouldBe(SourcesFault.TargetNotEmpty);
        Directory.GetFileSystemEntries(_fixture.Path("back")).ShouldHaveSingleItem();

        var outcome = await OverwriteAsync(snapshot);
        outcome.IsComplete.ShouldBeTrue();
        File.ReadAllText(_fixture.Path("back/mine")).ShouldBe("mine");
    }

    [Fact]
    public async Task Restore_InPlace_WritesOnlyWhatDiffers()
    {
        var snapshot = await BackUpAsync(2);
        var before = TreeListing.Of(_fixture.Tree);
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        await using (var file = new FileStream(_fixture.Path("back/large"), FileMode.Open, FileAccess.Write))
        {
            file.Position = 5_000_000;
            file.Write("something else"u8);
        }

        await File.AppendAllTextAsync(_fixture.Path("back/small"), "longer than before");
        File.Delete(_fixture.Path("back/folder 01/file 3"));
        File.Delete(_fixture.Path("back/link"));
        Directory.CreateDirectory(_fixture.Path("back/folder 02/extra"));
        var missing = new FileInfo(Path.Combine(_fixture.Tree, "folder 01", "file 3")).Length;

        var planned = await _fixture.RestoreAsync(snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), Subtree = _fixture.Tree, DryRun = true });
        var outcome = await OverwriteAsync(snapshot);
        outcome.IsComplete.ShouldBeTrue(string.Join('\n', outcome.Problems));
        // One chunk of the large file (at most 1 MiB), and the file that was gone.
        outcome.BytesWritten.ShouldBeInRange(missing + 14, missing + (1 << 20));
        planned.BytesWritten.ShouldBe(outcome.BytesWritten);
        Directory.Delete(_fixture.Path("back/folder 02/extra"));
        var after = TreeListing.Of(_fixture.Path("back"));
        // Its extra entry, removed just now, changed this folder's time again.
        after.Remove("/folder 02");
        before.Remove("/folder 02");
        after.ShouldBe(before);
    }

    [Fact]
    public async Task Restore_SetIdBitsOfAFileThatKeepsItsOwner_AreRestoredByRootAndByAnyone()
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.SetUser | UnixFileMode.SetGroup;
        Directory.CreateDirectory(_fixture.Tree);
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "tool"), "a tool that lends its owner's rights");
        File.SetUnixFileMode(Path.Combine(_fixture.Tree, "tool"), mode);
        var snapshot = await BackUpAsync(11);

        var outcome = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));

        outcome.IsComplete.ShouldBeTrue(string.Join('\n', outcome.Problems));
        File.GetUnixFileMode(_fixture.Path("back/tool")).ShouldBe(mode);
    }

    [Fact]
    public async Task Restore_DryRun_WritesNothing()
    {
        var snapshot = await BackUpAsync(3);
        var outcome = await _fixture.RestoreAsync(snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), DryRun = true });
        outcome.BytesWritten.ShouldBeGreaterThan(9_000_000);
        Directory.Exists(_fixture.Path("back")).ShouldBeFalse();
        Directory.CreateDirectory(_fixture.Path("back"));
        await _fixture.RestoreAsync(snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), DryRun = true });
        Directory.GetFileSystemEntries(_fixture.Path("back")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Restore_CancelledMidway_ContinuesAndSkipsWhatIsDone()
    {
        var snapshot = await BackUpAsync(4);
        var before = TreeListing.Of(_fixture.Tree);
        using var stop = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(() => _fixture.RestoreAsync(
            snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), Subtree = _fixture.Tree }, new AtPhase(TransferPhase.Copying, stop.Cancel), stop.Token));

        // As a kill would have left it: some files finished, one half written, one not begun.
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        File.WriteAllText(_fixture.Path("back/.restore-in-progress"), snapshot.ToString());
        File.WriteAllText(_fixture.Path("back/large"), "half");
        File.Delete(_fixture.Path("back/small"));
        var outcome = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        outcome.FilesUnchanged.ShouldBeGreaterThan(500);
        outcome.BytesWritten.ShouldBeInRange(9_000_000, 9_400_000);
        TreeListing.Of(_fixture.Path("back")).ShouldBe(before);
    }

    [Fact]
    public async Task Restore_LinksInTheTarget_AreNeverFollowedOut()
    {
        var snapshot = await BackUpAsync(5);
        Directory.CreateDirectory(_fixture.Path("back"));
        Directory.CreateDirectory(_fixture.Path("outside"));
        await File.WriteAllTextAsync(_fixture.Path("outside/victim"), "untouched");
        File.CreateSymbolicLink(_fixture.Path("back/folder 00"), _fixture.Path("outside"));
        File.CreateSymbolicLink(_fixture.Path("back/small"), _fixture.Path("outside/victim"));
        var outcome = await OverwriteAsync(snapshot);
        outcome.IsComplete.ShouldBeTrue(string.Join('\n', outcome.Problems));
        Directory.GetFileSystemEntries(_fixture.Path("outside")).ShouldHaveSingleItem();
        File.ReadAllText(_fixture.Path("outside/victim")).ShouldBe("untouched");
        TreeListing.Of(_fixture.Path("back")).ShouldBe(TreeListing.Of(_fixture.Tree));
    }

    [Fact]
    public async Task Restore_FileWithOtherNamesInTheTarget_IsReplacedNotChanged()
    {
        var snapshot = await BackUpAsync(6);
        Directory.CreateDirectory(_fixture.Path("back"));
        await File.WriteAllTextAsync(_fixture.Path("elsewhere"), "somebody else's");
        Posix.SafePathLinks.Link(_fixture.Path("elsewhere"), _fixture.Path("back/small"));
        await OverwriteAsync(snapshot);
        File.ReadAllText(_fixture.Path("elsewhere")).ShouldBe("somebody else's");
        File.ReadAllBytes(_fixture.Path("back/small")).ShouldBe(File.ReadAllBytes(Path.Combine(_fixture.Tree, "small")));
    }

    [Fact]
    public async Task Restore_Patterns_TakeOnlyWhatTheyName()
    {
        var snapshot = await BackUpAsync(7);
        var outcome = await _fixture.RestoreAsync(snapshot, new FilesRestoreRequest
        {
            Target = _fixture.Path("back"),
            Include = [_fixture.Tree + "/folder 01", "file 2?", "!file 21"],
        });
        outcome.IsComplete.ShouldBeTrue();
        var restored = TreeListing.Of(_fixture.Path("back") + _fixture.Tree).Keys.ToList();
        restored.Count(path => path.StartsWith("/folder 01/", StringComparison.Ordinal)).ShouldBe(29);
        restored.Count(path => path.StartsWith("/folder 02/", StringComparison.Ordinal)).ShouldBe(9);
        restored.ShouldNotContain("/large");
        restored.ShouldNotContain(path => path.EndsWith("/file 21", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restore_DamagedPack_FailsOnlyItsFilesAndSaysWhich()
    {
        var snapshot = await BackUpAsync(8);
        var store = (Vault.Testing.MemoryObjectStore)(await _fixture.VaultAsync()).Store;
        foreach (var pack in store.Objects.Where(stored => stored.Key.Kind == Vault.Storage.ObjectKind.DataPack))
            pack.Value[pack.Value.Length / 2] ^= 1;
        var outcome = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        outcome.IsComplete.ShouldBeFalse();
        outcome.FilesRestored.ShouldBeGreaterThan(0);
        outcome.Problems.ShouldContain(problem => problem.Kind == ItemProblemKind.Unreadable && problem.Path.StartsWith(_fixture.Tree, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restore_UnknownSubtree_IsAClearError()
    {
        var snapshot = await BackUpAsync(9);
        var error = await Should.ThrowAsync<SourcesException>(() => _fixture.RestoreAsync(snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), Subtree = "/no/such" }));
        error.Fault.ShouldBe(SourcesFault.PathMissing);
    }

    private async Task<SnapshotId> BackUpAsync(int seed)
    {
        OddTree.Make(_fixture.Tree, seed);
        return (await _fixture.BackupAsync()).SnapshotId;
    }

    private Task<RestoreOutcome> OverwriteAsync(SnapshotId snapshot) =>
        _fixture.RestoreAsync(snapshot, new FilesRestoreRequest { Target = _fixture.Path("back"), Subtree = _fixture.Tree, Overwrite = true });
}
