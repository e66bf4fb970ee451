using System.Net.Sockets;
using Backup.Sources.Files;
using Shouldly;

namespace Backup.Sources.Tests.Files;

public sealed class FilesSourceTests : IDisposable
{
    private readonly FilesFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Backup_EveryOddity_RestoresAsItWas()
    {
        OddTree.Make(_fixture.Tree, seed: 1);
        var before = TreeListing.Of(_fixture.Tree);
        var outcome = await _fixture.BackupAsync();
        outcome.Problems.ShouldBeEmpty();
        outcome.IsPartial.ShouldBeFalse();

        var restored = await _fixture.RestoreTreeAsync(outcome.SnapshotId, _fixture.Path("back"));
        restored.IsComplete.ShouldBeTrue(string.Join('\n', restored.Problems));
        TreeListing.Of(_fixture.Path("back")).ShouldBe(before);
        TreeListing.Of(_fixture.Tree).ShouldBe(before);
    }

    [Fact]
    public async Task Backup_SparseFile_StaysSparse()
    {
        OddTree.Make(_fixture.Tree, seed: 2);
        var outcome = await _fixture.BackupAsync();
        await _fixture.RestoreTreeAsync(outcome.SnapshotId, _fixture.Path("back"));
        foreach (var name in new[] { "sparse", "only hole" })
        {
            Allocated(Path.Combine(_fixture.Path("back"), name)).ShouldBeLessThanOrEqualTo(Allocated(Path.Combine(_fixture.Tree, name)) + 65536);
        }
    }

    [Fact]
    public async Task Backup_NothingChanged_ReadsNothingAndGivesTheSameTree()
    {
        OddTree.Make(_fixture.Tree, seed: 3);
        var first = await _fixture.BackupAsync();
        var second = await _fixture.BackupAsync();
        second.Statistics.BytesRead.ShouldBe(0);
        second.Statistics.BytesNew.ShouldBe(0);
        second.BytesTotal.ShouldBe(first.BytesTotal);
        second.ItemsTotal.ShouldBe(first.ItemsTotal);
        (await RootAsync(second)).ShouldBe(await RootAsync(first));
    }

    [Fact]
    public async Task Backup_OneFileChanged_ReadsOnlyThat()
    {
        OddTree.Make(_fixture.Tree, seed: 4);
        await _fixture.BackupAsync();
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "folder 03", "file 7"), "changed");
        File.Delete(Path.Combine(_fixture.Tree, "folder 04", "file 0"));
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "folder 05", "file 000"), "new");
        var before = TreeListing.Of(_fixture.Tree);
        var second = await _fixture.BackupAsync();
        second.Statistics.BytesRead.ShouldBe("changed".Length + "new".Length);
        await _fixture.RestoreTreeAsync(second.SnapshotId, _fixture.Path("back"));
        TreeListing.Of(_fixture.Path("back")).ShouldBe(before);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(-1)]
    [InlineData(-41)]
    public async Task Backup_DamagedCache_ReadsEverythingAgain(int position)
    {
        OddTree.Make(_fixture.Tree, seed: 5);
        var first = await _fixture.BackupAsync();
        var cache = Directory.GetFiles(_fixture.Path("cache")).ShouldHaveSingleItem();
        var bytes = await File.ReadAllBytesAsync(cache);
        bytes[position < 0 ? bytes.Length + position : position] ^= 1;
        await File.WriteAllBytesAsync(cache, bytes);
        var second = await _fixture.BackupAsync();
        second.Statistics.BytesRead.ShouldBe(first.Statistics.BytesRead);
        (await RootAsync(second)).ShouldBe(await RootAsync(first));
    }

    [Fact]
    public async Task Backup_TruncatedCaches_NeverFail()
    {
        OddTree.Make(_fixture.Tree, seed: 6);
        await _fixture.BackupAsync();
        var cache = Directory.GetFiles(_fixture.Path("cache")).ShouldHaveSingleItem();
        var bytes = await File.ReadAllBytesAsync(cache);
        foreach (var length in new[] { 0, 10, 56, 96, bytes.Length / 2, bytes.Length - 1 })
        {
            await File.WriteAllBytesAsync(cache, bytes[..length]);
            (await _fixture.BackupAsync()).Statistics.BytesRead.ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public async Task Backup_FreshFiles_AreNotTrustedNextTime()
    {
        Directory.CreateDirectory(_fixture.Tree);
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "fresh"), "12345");
        var vault = await _fixture.VaultAsync();
        var now = new FilesSource(TimeProvider.System);
        await now.BackupAsync(vault, _fixture.Request(), new(), null, TestContext.Current.CancellationToken);
        (await now.BackupAsync(vault, _fixture.Request(), new(), null, TestContext.Current.CancellationToken)).Statistics.BytesRead.ShouldBe(5);
    }

    [Fact]
    public async Task Backup_Excludes_LeaveOutWhatTheySayAndNothingElse()
    {
        OddTree.Make(_fixture.Tree, seed: 7);
        Directory.CreateDirectory(Path.Combine(_fixture.Tree, "cache"));
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "cache", "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
        await File.WriteAllTextAsync(Path.Combine(_fixture.Tree, "cache", "big"), "content");
        var before = TreeListing.Of(_fixture.Tree);
        var outcome = await _fixture.BackupAsync(_fixture.Request() with { Excludes = ["file 1?", "!file 11", "/folder 02/", _fixture.Tree + "/folder 03"] });
        await _fixture.RestoreTreeAsync(outcome.SnapshotId, _fixture.Path("back"));
        var expected = before.Keys.Where(path =>
            path != "/cache/big" && path is not "/folder 03" && !path.StartsWith("/folder 03/", StringComparison.Ordinal)
            && (!path.Contains("/file 1", StringComparison.Ordinal) || path.EndsWith("/file 1", StringComparison.Ordinal) || path.EndsWith("/file 11", StringComparison.Ordinal)));
        TreeListing.Of(_fixture.Path("back")).Keys.ShouldBe(expected);
    }

    [Fact]
    public async Task Backup_SeveralPathsOneMissing_IsPartialAndNamesIt()
    {
        Directory.CreateDirectory(_fixture.Path("one/inner"));
        await File.WriteAllTextAsync(_fixture.Path("one/inner/file"), "1");
        await File.WriteAllTextAsync(_fixture.Path("two"), "2");
        var outcome = await _fixture.BackupAsync(_fixture.Request(_fixture.Path("one"), _fixture.Path("one/inner"), _fixture.Path("two"), _fixture.Path("missing")));
        outcome.IsPartial.ShouldBeTrue();
        outcome.Problems.ShouldHaveSingleItem().Path.ShouldBe(_fixture.Path("missing"));
        await _fixture.RestoreAsync(outcome.SnapshotId, new FilesRestoreRequest { Target = _fixture.Path("back") });
        File.ReadAllText(_fixture.Path("back") + _fixture.Path("one/inner/file")).ShouldBe("1");
        File.ReadAllText(_fixture.Path("back") + _fixture.Path("two")).ShouldBe("2");
    }

    [Fact]
    public async Task Backup_NoPathExists_SaysSo()
    {
        var error = await Should.ThrowAsync<SourcesException>(() => _fixture.BackupAsync(_fixture.Request(_fixture.Path("missing"))));
        error.Fault.ShouldBe(SourcesFault.PathMissing);
        (await (await _fixture.VaultAsync()).ListSnapshotsAsync(TestContext.Current.CancellationToken)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Backup_Socket_IsNotedAndLeftOut()
    {
        Directory.CreateDirectory(_fixture.Tree);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_fixture.Tree, "s")));
        var outcome = await _fixture.BackupAsync();
        outcome.IsPartial.ShouldBeFalse();
        outcome.Problems.ShouldHaveSingleItem().Kind.ShouldBe(ItemProblemKind.Note);
    }

    [Fact]
    public async Task Backup_FileRewrittenAllTheTime_IsFlagged()
    {
        Directory.CreateDirectory(_fixture.Tree);
        var path = Path.Combine(_fixture.Tree, "busy");
        await File.WriteAllBytesAsync(path, new byte[32 << 20]);
        using var stop = new CancellationTokenSource();
        using var started = new SemaphoreSlim(0);
        var busy = Task.Run(() =>
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 1);
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                file.Position = i % (32 << 20);
                file.WriteByte((byte)i);
                if (i == 0)
                    started.Release();
            }
        });
        await started.WaitAsync();
        var outcome = await _fixture.BackupAsync();
        await stop.CancelAsync();
        await busy;
        outcome.ItemsChangedWhileRead.ShouldBe(1);
        outcome.Problems.ShouldHaveSingleItem().Kind.ShouldBe(ItemProblemKind.ChangedWhileRead);
        (await _fixture.RestoreTreeAsync(outcome.SnapshotId, _fixture.Path("back"))).IsComplete.ShouldBeTrue();
    }

    [Fact]
    public async Task Backup_FilesComingAndGoing_NeverFails()
    {
        OddTree.Make(_fixture.Tree, seed: 8);
        using var stop = new CancellationTokenSource();
        using var started = new SemaphoreSlim(0);
        var churn = Task.Run(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                var folder = Path.Combine(_fixture.Tree, $"churn {i % 15}");
                if (Directory.Exists(folder))
                    Directory.Delete(folder, recursive: true);
                Directory.CreateDirectory(folder);
                for (var file = 0; file < 5; file++)
                    File.WriteAllText(Path.Combine(folder, $"{file}"), "content");
                if (i == 20)
                    started.Release();
            }
        });
        await started.WaitAsync();
        for (var round = 0; round < 3; round++)
        {
            var outcome = await _fixture.BackupAsync();
            outcome.ItemsUnreadable.ShouldBe(0, string.Join('\n', outcome.Problems));
            var back = _fixture.Path($"back {round}");
            (await _fixture.RestoreTreeAsync(outcome.SnapshotId, back)).IsComplete.ShouldBeTrue();
        }

        await stop.CancelAsync();
        await churn;
    }

    [Fact]
    public async Task Backup_Cancelled_LeavesNoSnapshotAndNoOpenFiles()
    {
        OddTree.Make(_fixture.Tree, seed: 9);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => _fixture.BackupAsync(cancel: stop.Token));
        (await (await _fixture.VaultAsync()).ListSnapshotsAsync(TestContext.Current.CancellationToken)).ShouldBeEmpty();
        (await _fixture.BackupAsync()).IsPartial.ShouldBeFalse();
    }

    /// <summary>The tree of the test's own folder; what is above it changes with whatever else this machine does.</summary>
    private async Task<Vault.TreeId?> RootAsync(BackupOutcome outcome)
    {
        var cancel = TestContext.Current.CancellationToken;
        var vault = await _fixture.VaultAsync();
        using var reader = await vault.OpenReaderAsync(cancel);
        var tree = (await vault.ReadSnapshotAsync(outcome.SnapshotId, cancel)).Root;
        foreach (var name in _fixture.Tree.Split('/', StringSplitOptions.RemoveEmptyEntries))
            tree = (await reader.ReadTreeAsync(tree!.Value, cancel)).Single(entry => System.Text.Encoding.UTF8.GetString(entry.Name.Span) == name).Subtree;
        return tree;
    }

    private static long Allocated(string path)
    {
        Backup.Sources.Posix.SafePath.OpenDirectory(Path.GetDirectoryName(path)!, out var folder).IsError.ShouldBeFalse();
        using (folder)
        {
            folder!.Status(Backup.Sources.Posix.ByteText.Encode(Path.GetFileName(path)), out var status).IsError.ShouldBeFalse();
            return status.AllocatedBytes;
        }
    }
}
