using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class SnapshotWriterTests
{
    private const int PageBytes = 8192;

    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Commit_AfterAnIndexFailureThatTheCallerIgnored_IsRefused()
    {
        var vault = await TestVault.CreateAsync(_store);
        for (var calls = 0; calls < 12; calls++)
        {
            var faulty = new FaultyObjectStore(_store.Clone(), StoreFailure.LoseAcknowledgement, calls);
            SnapshotInfo? committed = null;
            try
            {
                var open = await vault.Through(faulty).OpenForBackupAsync();
                await using var writer = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel);
                var contents = new List<Content?>();
                for (var i = 0; i < 6; i++) contents.Add(AddOrIgnore(writer, TestVault.Bytes(i, 1_500_000)));
                var entries = contents.Select((c, i) => new TreeEntry { Name = new[] { (byte)('a' + i) }, Type = EntryType.File, Size = c?.Length ?? 0, Content = c }).ToList();
                committed = await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, writer.AddTree(entries), Cancel);
            }
            catch (VaultException e) when (e.Fault == VaultFault.StoreUnavailable)
            {
                continue;
            }

            // Committed in spite of the lost acknowledgement: then nothing may be missing.
            var open2 = await vault.Through(faulty).OpenAsync();
            using var reader = await open2.OpenReaderAsync(Cancel);
            foreach (var entry in await reader.ReadTreeAsync((await open2.ReadSnapshotAsync(committed.Id, Cancel)).Root!.Value, Cancel))
            {
                if (entry.Content is null) continue;
                await using var stream = await reader.OpenContentAsync(entry.Content, Cancel);
                await stream.CopyToAsync(Stream.Null, Cancel);
            }
        }
    }

    [Fact]
    public async Task Pages_OfWords_AreCompressedTogetherAndFoundAgainOneByOne()
    {
        var vault = await TestVault.CreateAsync(_store);
        var pages = new byte[1_000 * PageBytes];
        for (var i = 0; i < pages.Length / 8; i++) System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(pages.AsSpan(i * 8), 1_000_000_000L + (i * 37L));
        var hints = ContentHints.PagesOfWords(PageBytes, pages.Length);
        var open = await vault.OpenForBackupAsync();
        await using (var writer = await open.BeginSnapshotAsync(new WriterOptions(), Cancel))
        {
            await CommitAsync(writer, pages, hints);
            // Eight-byte counters one after another do not compress well as they stand: four of eight bytes differ.
            writer.Statistics.BytesStored.ShouldBeLessThan(pages.Length / 8);
        }

        pages[(500 * PageBytes) + 3] ^= 1;
        await using (var writer = await open.BeginSnapshotAsync(new WriterOptions(), Cancel))
        {
            var committed = await CommitAsync(writer, pages, hints);
            writer.Statistics.BytesNew.ShouldBe(PageBytes);
            using var reader = await (await vault.OpenAsync()).OpenReaderAsync(Cancel);
            var entry = (await reader.ReadTreeAsync((await (await vault.OpenAsync()).ReadSnapshotAsync(committed.Id, Cancel)).Root!.Value, Cancel)).ShouldHaveSingleItem();
            await using var stream = await reader.OpenContentAsync(entry.Content!, Cancel);
            var back = new byte[pages.Length];
            await stream.ReadExactlyAsync(back, Cancel);
            back.AsSpan().SequenceEqual(pages).ShouldBeTrue();
        }
    }

    private static Task<SnapshotInfo> CommitAsync(SnapshotWriter writer, byte[] bytes, ContentHints hints)
    {
        var content = writer.AddContent(new MemoryStream(bytes), hints, Cancel);
        var root = writer.AddTree([new TreeEntry { Name = "f"u8.ToArray(), Type = EntryType.File, Size = bytes.Length, Content = content }]);
        return writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, root, Cancel);
    }

    [Fact]
    public async Task TryReuse_OfACachedContent_HoldsOnlyWhileItIsStored()
    {
        var vault = await TestVault.CreateAsync(_store);
        var open = await vault.OpenForBackupAsync();
        byte[] cached;
        await using (var writer = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel))
        {
            var content = writer.AddContent(new MemoryStream(TestVault.Bytes(1, 3_000_000)), ContentHints.None, Cancel);
            cached = content.ToBytes();
            await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, writer.AddTree([]), Cancel);
        }

        await using (var writer = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel))
        {
            writer.TryReuse(Content.FromBytes(cached)).ShouldBeTrue();
            writer.Statistics.BytesReused.ShouldBe(3_000_000);
            writer.Statistics.BytesRead.ShouldBe(0);
        }

        foreach (var name in _store.Objects.Keys.Where(n => n.Kind == ObjectKind.ChunkMap).ToList()) _store.Objects.TryRemove(name, out _);
        await using (var writer = await open.BeginSnapshotAsync(TestVault.SmallPacks, Cancel)) writer.TryReuse(Content.FromBytes(cached)).ShouldBeFalse();
    }

    [Fact]
    public async Task LargeFolderAndLargeFile_SpillAndReadBack()
    {
        var vault = await TestVault.CreateAsync(_store);
        var pages = new byte[4096 * 3000];
        for (var i = 0; i < 3000; i++) BitConverter.TryWriteBytes(pages.AsSpan(i * 4096), i);
        SnapshotInfo snapshot;
        await using (var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel))
        {
            var content = writer.AddContent(new MemoryStream(pages), new ContentHints { FixedChunkBytes = 4096 }, Cancel);
            var entries = Enumerable.Range(0, 20_000).Select(i => new TreeEntry { Name = System.Text.Encoding.UTF8.GetBytes($"{i:d6}"), Type = EntryType.Fifo })
                .Append(new TreeEntry { Name = "pages"u8.ToArray(), Type = EntryType.File, Size = pages.Length, Content = content }).ToList();
            snapshot = await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, writer.AddTree(entries), Cancel);
        }

        using var reader = await (await vault.OpenAsync()).OpenReaderAsync(Cancel);
        var back = await reader.ReadTreeAsync((await (await vault.OpenAsync()).ReadSnapshotAsync(snapshot.Id, Cancel)).Root!.Value, Cancel);
        back.Count.ShouldBe(20_001);
        back[^1].Content!.Depth.ShouldBeGreaterThan(0);
        await using var stream = await reader.OpenContentAsync(back[^1].Content!, Cancel);
        stream.Position = 4096 * 2222;
        var page = new byte[4096];
        await stream.ReadExactlyAsync(page, Cancel);
        BitConverter.ToInt32(page).ShouldBe(2222);
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "a")]
    [InlineData("", "a")]
    [InlineData(".", "a")]
    [InlineData("a/b", "c")]
    public async Task AddTree_OfBadNames_IsMisuse(string first, string second)
    {
        var vault = await TestVault.CreateAsync(_store);
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel);
        Should.Throw<ArgumentException>(() => writer.AddTree([.. new[] { first, second }.Select(n => new TreeEntry { Name = System.Text.Encoding.UTF8.GetBytes(n), Type = EntryType.Fifo })]));
    }

    [Fact]
    public async Task KilledBackup_IsContinuedFromWhatWasIndexed()
    {
        var vault = await TestVault.CreateAsync(_store);
        var bytes = TestVault.Bytes(3, 8_000_000);
        await using (var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel))
        {
            // Later calls index what earlier ones stored; then the writer is abandoned.
            for (var i = 0; i < 4; i++) writer.AddContent(new MemoryStream(bytes, i * 2_000_000, 2_000_000), ContentHints.None, Cancel);
        }

        await using var again = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(TestVault.SmallPacks, Cancel);
        for (var i = 0; i < 4; i++) again.AddContent(new MemoryStream(bytes, i * 2_000_000, 2_000_000), ContentHints.None, Cancel);
        again.Statistics.BytesNew.ShouldBeLessThan(again.Statistics.BytesRead);
    }

    private static Content? AddOrIgnore(SnapshotWriter writer, byte[] bytes)
    {
        try
        {
            return writer.AddContent(new MemoryStream(bytes), ContentHints.None, Cancel);
        }
        catch (VaultException)
        {
            return null;
        }
    }
}
