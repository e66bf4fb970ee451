using System.Text;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Pruning;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class SnapshotRoundTripTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(ChunkSizes.WholeBytesMax)]
    [InlineData(ChunkSizes.WholeBytesMax + 1)]
    [InlineData(5_000_000)]
    [InlineData(70_000_000)]
    public async Task Content_OfAnyLength_ReadsBack(int length)
    {
        var store = new MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, Cancel);
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        bytes.AsSpan(0, length / 2).Replace((byte)200, (byte)0);

        SnapshotInfo committed;
        var writing = await OpenVault.OpenAsync(store, made.BackupKey, TimeProvider.System, Cancel);
        await using (var writer = await writing.BeginSnapshotAsync(new WriterOptions(), Cancel))
        {
            var content = writer.AddContent(new MemoryStream(bytes), ContentHints.None, Cancel);
            content.Length.ShouldBe(length);
            var root = writer.AddTree([new TreeEntry { Name = Encoding.UTF8.GetBytes("file"), Type = EntryType.File, Size = length, Content = content, Mode = 0b110_100_100 }]);
            committed = await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test", Tags = new Dictionary<string, string> { ["run"] = "7" } }, root, Cancel);
        }

        var reading = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, Cancel);
        var snapshot = (await reading.ListSnapshotsAsync(Cancel)).ShouldHaveSingleItem();
        snapshot.Id.ShouldBe(committed.Id);
        snapshot.Tags["run"].ShouldBe("7");
        snapshot.Statistics.BytesRead.ShouldBe(length);
        using var reader = await reading.OpenReaderAsync(Cancel);
        var entry = (await reader.ReadTreeAsync(snapshot.Root!.Value, Cancel)).ShouldHaveSingleItem();
        entry.Size.ShouldBe(length);
        await using var stream = await reader.OpenContentAsync(entry.Content!, Cancel);
        var back = new byte[length];
        await stream.ReadExactlyAsync(back, Cancel);
        (await stream.ReadAsync(new byte[1], Cancel)).ShouldBe(0);
        back.AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    /// <summary>Chunks of a table share frames; where one is known already the grid breaks, and a repack takes frames apart.</summary>
    [Fact]
    public async Task TypedContent_PartlyKnownAndRepacked_ReadsBackAndStaysSmall()
    {
        const int HeaderBytes = 2880, RowBytes = 36, Rows = 120_000;
        var vault = await TestVault.CreateAsync(new MemoryObjectStore());
        var table = new byte[HeaderBytes + (Rows * RowBytes)];
        var random = new Random(5);
        for (var at = HeaderBytes; at < table.Length; at += RowBytes)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(table.AsSpan(at), 39_000_000_000_000 + at);
            for (var column = 8; column < RowBytes; column += 4) System.Buffers.Binary.BinaryPrimitives.WriteSingleBigEndian(table.AsSpan(at + column), 100f + (float)random.NextDouble());
        }

        var hints = new ContentHints { LengthExpected = table.Length, Regions = [new TypedRegion(HeaderBytes, table.Length - HeaderBytes, RowBytes)] };
        var first = await BackUpAsync(vault, table, hints);
        first.Statistics.ChunksNew.ShouldBeGreaterThan(8);
        var changed = table.ToArray();
        for (var at = HeaderBytes + 100_000; at < table.Length; at += 600_000) random.NextBytes(changed.AsSpan(at, 300));
        var second = await BackUpAsync(vault, changed, hints);
        second.Statistics.ChunksNew.ShouldBeInRange(2, first.Statistics.ChunksNew - 2);

        var opened = await vault.OpenAsync();
        var plan = await Pruner.PlanAsync(opened, new PruneRequest { Drop = [first.Id], Grace = TimeSpan.Zero, NoWriterIsRunning = true, WasteShareMax = 0 }, Cancel);
        plan.CountOf(PackFate.Repack).ShouldBeGreaterThan(0);
        await Pruner.ExecuteAsync(opened, plan, null, Cancel);

        (await vault.ReadBackAsync(second.Id))["file"].AsSpan().SequenceEqual(changed).ShouldBeTrue();
        var store = (MemoryObjectStore)vault.Store;
        var stored = store.Objects.Where(o => o.Key.Kind == ObjectKind.DataPack).Sum(o => (long)o.Value.Length);
        stored.ShouldBeLessThan(table.Length * 7L / 10, "a repack keeps the shuffle");
    }

    private static async Task<SnapshotInfo> BackUpAsync(TestVault vault, byte[] bytes, ContentHints hints)
    {
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(new WriterOptions(), Cancel);
        var content = writer.AddContent(new MemoryStream(bytes), hints, Cancel);
        var files = writer.AddTree([new TreeEntry { Name = "file"u8.ToArray(), Type = EntryType.File, Size = bytes.Length, Content = content }]);
        var root = writer.AddTree([new TreeEntry { Name = "files"u8.ToArray(), Type = EntryType.Directory, Subtree = files }]);
        return await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, root, Cancel);
    }
}
