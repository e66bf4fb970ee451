using System.Diagnostics;
using Backup.Services.Testing;
using Backup.Sources.Files;
using Backup.Vault;
using Shouldly;

namespace Backup.Sources.Tests.Files;

/// <summary>What a power loss leaves of a restore, and how the restore goes on after it.</summary>
public sealed class RestoreDurabilityTests : IDisposable
{
    private const string Mark = ".restore-in-progress";
    private readonly FilesFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Restore_Continued_TrustsTimesOnlyWhileTheMachineRanOn(bool sameBoot)
    {
        OddTree.Make(_fixture.Tree, 31);
        File.SetLastWriteTimeUtc(Path.Combine(_fixture.Tree, "small"), DateTime.UnixEpoch.AddDays(20_000));
        var snapshot = (await _fixture.BackupAsync()).SnapshotId;
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        // As delayed allocation may leave a file whose length and times were on disk already: its bytes are zeros.
        var file = new FileInfo(_fixture.Path("back/small"));
        var modified = file.LastWriteTimeUtc;
        await File.WriteAllBytesAsync(file.FullName, new byte[file.Length]);
        File.SetLastWriteTimeUtc(file.FullName, modified);
        var boot = (await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id")).Trim();
        await File.WriteAllTextAsync(_fixture.Path("back/" + Mark), $"{snapshot}\n{(sameBoot ? boot : Guid.NewGuid().ToString())}\n");

        var outcome = await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));

        outcome.IsComplete.ShouldBeTrue();
        File.ReadAllBytes(file.FullName).SequenceEqual(File.ReadAllBytes(Path.Combine(_fixture.Tree, "small"))).ShouldBe(!sameBoot);
        File.Exists(_fixture.Path("back/" + Mark)).ShouldBeFalse();
    }

    [Fact]
    public async Task Restore_OverwritingInterrupted_IsContinuedByContent()
    {
        var snapshot = await BackUpAsync(32);
        await _fixture.RestoreTreeAsync(snapshot, _fixture.Path("back"));
        await File.WriteAllTextAsync(_fixture.Path("back/small"), new string('x', 300));
        var seen = new List<string>();
        using var stop = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(() => _fixture.RestoreAsync(
            snapshot, Request() with { Overwrite = true }, new AtPhase(TransferPhase.Copying, () => { seen.Add(File.ReadAllText(_fixture.Path("back/" + Mark))); stop.Cancel(); }), stop.Token));
        seen[0].ShouldBe($"{snapshot}\n\n");

        (await _fixture.RestoreAsync(snapshot, Request())).IsComplete.ShouldBeTrue();
        TreeListing.ShouldBeSame(_fixture.Path("back"), _fixture.Tree);
    }

    /// <summary>Killed while it put its mark there: once before anything else was written, once when an interrupted restore was to go on.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Restore_KilledWhileSettingItsMark_IsContinued(bool isSecondAttempt)
    {
        var snapshot = await BackUpAsync(35);
        if (isSecondAttempt)
        {
            using var stop = new CancellationTokenSource();
            await Should.ThrowAsync<OperationCanceledException>(() => _fixture.RestoreAsync(snapshot, Request(), new AtPhase(TransferPhase.Copying, stop.Cancel), stop.Token));
        }

        Directory.CreateDirectory(_fixture.Path("back"));
        await File.WriteAllTextAsync(_fixture.Path($"back/{Mark}.new"), snapshot.ToString()[..9]);

        (await _fixture.RestoreAsync(snapshot, Request())).IsComplete.ShouldBeTrue();
        TreeListing.ShouldBeSame(_fixture.Path("back"), _fixture.Tree);
    }

    /// <summary>The disk's bytes as they are when the restore returns are what a power loss at that moment would leave.</summary>
    [Fact]
    public async Task Restore_PowerLostAtItsEnd_EverythingIsOnDisk()
    {
        using var disk = LoopDisk.TryMount(_fixture.Path("disk"));
        Assert.SkipWhen(disk is null, "Mounting a disk of its own needs root.");
        var snapshot = await BackUpAsync(33);
        await _fixture.RestoreAsync(snapshot, Request() with { Target = disk.Folder + "/back" });
        using var after = disk.AfterPowerLoss();
        TreeListing.ShouldBeSame(after.Folder + "/back", _fixture.Tree);
    }

    [Theory]
    [InlineData(TransferPhase.Copying)]
    [InlineData(TransferPhase.Finishing)]
    public async Task Restore_PowerLostMidway_NeverPassesForFinishedAndContinues(TransferPhase moment)
    {
        using var disk = LoopDisk.TryMount(_fixture.Path("disk"));
        Assert.SkipWhen(disk is null, "Mounting a disk of its own needs root.");
        var snapshot = await BackUpAsync(34);
        LoopDisk? after = null;
        await _fixture.RestoreAsync(snapshot, Request() with { Target = disk.Folder + "/back" }, new AtPhase(moment, () => after = disk.AfterPowerLoss()));
        using (after.ShouldNotBeNull())
        {
            File.Exists($"{after.Folder}/back/{Mark}").ShouldBeTrue();
            // The machine that finds it has started anew.
            await File.WriteAllTextAsync($"{after.Folder}/back/{Mark}", $"{snapshot}\n{Guid.NewGuid()}\n");
            (await _fixture.RestoreAsync(snapshot, Request() with { Target = after.Folder + "/back" })).IsComplete.ShouldBeTrue();
            TreeListing.ShouldBeSame(after.Folder + "/back", _fixture.Tree);
        }
    }

    private async Task<SnapshotId> BackUpAsync(int seed)
    {
        OddTree.Make(_fixture.Tree, seed);
        return (await _fixture.BackupAsync()).SnapshotId;
    }

    private FilesRestoreRequest Request() => new() { Target = _fixture.Path("back"), Subtree = _fixture.Tree };

    /// <summary>An ext4 file system in a file. A copy of that file, mounted, is the disk after a power loss.</summary>
    private sealed class LoopDisk : IDisposable
    {
        private readonly string _image;
        private int _copies;

        private LoopDisk(string image) => _image = image;

        internal string Folder => _image + ".mounted";

        internal static LoopDisk? TryMount(string image)
        {
            using (var file = File.Create(image))
                file.SetLength(128 << 20);
            return Run("mkfs.ext4", "-q", "-b", "4096", image) == 0 ? TryMountMade(image) : null;
        }

        internal LoopDisk AfterPowerLoss()
        {
            var copy = $"{_image}.{++_copies}";
            File.Copy(_image, copy);
            return TryMountMade(copy) ?? throw new IOException($"{copy} cannot be mounted.");
        }

        public void Dispose()
        {
            Run("umount", Folder).ShouldBe(0);
            File.Delete(_image);
        }

        private static LoopDisk? TryMountMade(string image)
        {
            var disk = new LoopDisk(image);
            Directory.CreateDirectory(disk.Folder);
            return Run("mount", "-o", "loop", image, disk.Folder) == 0 ? disk : null;
        }

        private static int Run(string program, params string[] arguments)
        {
            try
            {
                using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                process.StandardError.ReadToEnd();
                process.WaitForExit();
                return process.ExitCode;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return -1;
            }
        }
    }
}
