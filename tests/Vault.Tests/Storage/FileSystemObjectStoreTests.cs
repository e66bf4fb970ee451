using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Storage;

public sealed class FileSystemObjectStoreTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private FileSystemObjectStore Store => new(_scratch.At("v"));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Create_LeavesOneFileForItsOwnerOnlyAndNoTemporary()
    {
        byte[] content = [1, 2, 3];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        await Store.CreateAsync(name, content, Cancel);
        Files().ShouldBe([Path.Combine(_scratch.At("v"), name.ToString())]);
        File.GetUnixFileMode(Files()[0]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.GetUnixFileMode(_scratch.At("v")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task Create_WhereNoFolderCanBeMade_IsNotSaidToBeAMissingObject()
    {
        byte[] content = [1];
        var failure = await Should.ThrowAsync<VaultException>(() => new FileSystemObjectStore("/proc/no-place-for-a-vault").CreateAsync(ObjectName.For(ObjectKind.DataPack, content), content, Cancel));
        (failure.Fault, failure.IsTransient).ShouldBe((VaultFault.StoreUnavailable, true));
        failure.Message.ShouldContain("its folder cannot be made");
    }

    [Fact]
    public async Task Listing_LeavesOutWhatIsNoObject()
    {
        byte[] content = [1];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        await Store.CreateAsync(name, content, Cancel);
        var folder = Path.GetDirectoryName(Files()[0])!;
        await File.WriteAllTextAsync(Path.Combine(folder, "notes.txt"), "x", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, name.Hash.ToString().ToUpperInvariant()), "x", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, new string('f', 64)), "in the wrong folder", Cancel);
        (await StoreReading.ListAllAsync(Store, ObjectKind.DataPack, Cancel)).ShouldHaveSingleItem().Name.ShouldBe(name);
    }

    [Fact]
    public async Task Quarantine_MovesOnlyWhatIsNotWhatItsNameSays()
    {
        byte[] content = [1, 2, 3], wrong = [1, 2, 4];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        (await Store.QuarantineAsync(name, Cancel)).ShouldBeFalse("there is none");
        await Store.CreateAsync(name, content, Cancel);
        (await Store.QuarantineAsync(name, Cancel)).ShouldBeFalse();
        await File.WriteAllBytesAsync(Files()[0], wrong, Cancel);
        (await Store.QuarantineAsync(name, Cancel)).ShouldBeTrue();
        (await Store.FindLengthAsync(name, Cancel)).ShouldBeNull();
        Files().ShouldBe([Path.Combine(_scratch.At("v"), Quarantine.PathOf(name, ContentHash.Of(wrong)))]);
        (await File.ReadAllBytesAsync(Files()[0], Cancel)).ShouldBe(wrong);

        await Store.CreateAsync(name, content, Cancel);
        (await StoreReading.ListAllAsync(Store, ObjectKind.DataPack, Cancel)).ShouldHaveSingleItem("what is in quarantine is no object");
    }

    [Fact]
    public async Task Quarantine_LongerThanAnObjectMayBe_IsMovedToo()
    {
        byte[] content = [1, 2, 3];
        var name = ObjectName.For(ObjectKind.DataPack, content);
        await Store.CreateAsync(name, content, Cancel);
        using (var file = File.OpenWrite(Files()[0])) file.SetLength(IObjectStore.ObjectBytesMax + 1L);
        (await Store.QuarantineAsync(name, Cancel)).ShouldBeTrue();
        new FileInfo(Files().ShouldHaveSingleItem()).ShouldSatisfyAllConditions(f => f.Length.ShouldBe(IObjectStore.ObjectBytesMax + 1L), f => f.FullName.ShouldContain(Quarantine.Folder));
        await Store.CreateAsync(name, content, Cancel);

        // The same wrong content once more: it is in quarantine already, and must not stay in the way.
        using (var file = File.OpenWrite(Files().Single(f => !f.Contains(Quarantine.Folder, StringComparison.Ordinal)))) file.SetLength(IObjectStore.ObjectBytesMax + 1L);
        (await Store.QuarantineAsync(name, Cancel)).ShouldBeTrue();
        (await Store.FindLengthAsync(name, Cancel)).ShouldBeNull();
        Files().Length.ShouldBe(1);
    }

    [Fact]
    public async Task TemporaryFilesOfTheDead_AreNoObjectsAndAreRemovedByAge()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_scratch.At("v"), "tmp"));
        var left = Path.Combine(folder.FullName, "left.part");
        await File.WriteAllBytesAsync(left, new byte[10], Cancel);
        File.SetLastWriteTimeUtc(left, new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var fresh = Path.Combine(folder.FullName, "fresh.part");
        await File.WriteAllBytesAsync(fresh, new byte[10], Cancel);
        File.SetLastWriteTimeUtc(fresh, new DateTime(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc));
        Store.RemoveTemporaryFiles(new DateTimeOffset(2026, 2, 1, 0, 0, 0, TimeSpan.Zero)).ShouldBe(1);
        Files().ShouldBe([fresh]);
    }

    [Fact]
    public async Task Create_WhereAFolderCannotBeMade_FailsClearly()
    {
        await File.WriteAllTextAsync(_scratch.At("v"), "a file where the vault should be", Cancel);
        byte[] content = [1];
        var failure = await Should.ThrowAsync<VaultException>(() => Store.CreateAsync(ObjectName.For(ObjectKind.DataPack, content), content, Cancel));
        failure.Fault.ShouldBe(VaultFault.StoreUnavailable);
        failure.Hint.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Create_OnAFullDisk_SaysSoAndKeepsWhatWasThere()
    {
        var disk = Directory.CreateDirectory(_scratch.At("disk")).FullName;
        if (Run("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk) != 0) Assert.Skip("Mounting a small disk needs privileges.");
        try
        {
            var store = new FileSystemObjectStore(Path.Combine(disk, "v"));
            var (small, large) = (TestVault.Bytes(1, 50_000), TestVault.Bytes(2, 400_000));
            await store.CreateAsync(ObjectName.For(ObjectKind.DataPack, small), small, Cancel);
            var failure = await Should.ThrowAsync<VaultException>(() => store.CreateAsync(ObjectName.For(ObjectKind.DataPack, large), large, Cancel));
            failure.Fault.ShouldBe(VaultFault.StoreFull);
            Directory.GetFiles(disk, "*.part", SearchOption.AllDirectories).ShouldBeEmpty();
            (await store.ReadAsync(ObjectName.For(ObjectKind.DataPack, small), Cancel)).ShouldBe(small);
        }
        finally
        {
            Run("umount", disk).ShouldBe(0);
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }

    private string[] Files() => Directory.GetFiles(_scratch.At("v"), "*", SearchOption.AllDirectories);
}
