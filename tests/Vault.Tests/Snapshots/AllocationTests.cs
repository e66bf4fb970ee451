using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class AllocationTests
{
    /// <summary>Far below a copy of the data; parts and ids of chunks are what remains.</summary>
    private const long BytesPerMebibyteMax = 8 * 1024, BytesPerSmallFileMax = 2 * 1024;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AddContent_OfKnownData_AllocatesLittlePerMebibyte()
    {
        var vault = await TestVault.CreateAsync(new MemoryObjectStore());
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(new WriterOptions(), Cancel);
        var bytes = TestVault.Bytes(1, 32 << 20);
        using var stream = new MemoryStream(bytes);
        writer.AddContent(stream, ContentHints.None, Cancel);
        stream.Position = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        writer.AddContent(stream, ContentHints.None, Cancel);
        ((GC.GetAllocatedBytesForCurrentThread() - before) / 32).ShouldBeLessThan(BytesPerMebibyteMax);
    }

    [Fact]
    public async Task AddContent_OfSmallFiles_AllocatesLittlePerFile()
    {
        // The first files fill a frame once, so that its buffers have their size.
        const int Count = 2000, Before = 600;
        var vault = await TestVault.CreateAsync(new MemoryObjectStore());
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(new WriterOptions(), Cancel);
        var bytes = TestVault.Bytes(1, 4000);
        using var stream = new MemoryStream(bytes);
        for (var i = 0; i < Before; i++) Add(i);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = Before; i < Before + Count; i++) Add(i);
        ((GC.GetAllocatedBytesForCurrentThread() - before) / Count).ShouldBeLessThan(BytesPerSmallFileMax);

        void Add(int number)
        {
            BitConverter.TryWriteBytes(bytes, number);
            stream.Position = 0;
            writer.AddContent(stream, ContentHints.None, Cancel);
        }
    }
}
