using System.Buffers.Binary;
using System.Collections.Concurrent;
using Backup.Vault.Chunking;
using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Restoring;

public sealed class ChunkFetchTests
{
    private const int ChunkBytes = 16 * 1024, ChunksPerFrame = FrameBuilder.ContentBytesTarget / ChunkBytes, Frames = 5;

    private readonly MemoryObjectStore _store = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Fetch_OfFramesThatCompressWell_ReadsThemAtOnceAndDeliversEveryChunk(int parallelism)
    {
        var (vault, content, pages) = await StoreAsync(new WriterOptions());
        var counting = new CountingStore(_store);
        using var reader = await (await vault.Through(counting).OpenAsync()).OpenReaderAsync(Cancel);
        counting.Reads.Clear();

        var sink = new Sink();
        var read = await reader.FetchAsync(content.Parts, sink, parallelism, Cancel);

        sink.Failed.ShouldBeEmpty();
        sink.Assemble(content).AsSpan().SequenceEqual(pages).ShouldBeTrue();
        counting.Reads.Count(name => name.Kind == ObjectKind.DataPack).ShouldBe(2, "the pack's header and one stretch of all frames");
        read.ShouldBeLessThan(_store.Objects.Single(o => o.Key.Kind == ObjectKind.DataPack).Value.Length);
    }

    [Fact]
    public async Task Fetch_WhenOneFrameIsDamaged_FailsItsChunksAndDeliversTheOthersOfTheSameRead()
    {
        var (vault, content, pages) = await StoreAsync(new WriterOptions());
        _store.Objects.Single(o => o.Key.Kind == ObjectKind.DataPack).Value[PackHeader.Length + 100] ^= 1;
        using var reader = await (await vault.OpenAsync()).OpenReaderAsync(Cancel);

        var sink = new Sink();
        await reader.FetchAsync(content.Parts, sink, 4, Cancel);

        sink.Failed.Keys.Order().ShouldBe(Enumerable.Range(0, ChunksPerFrame));
        sink.Failed.Values.ShouldAllBe(why => why.Fault == VaultFault.Damaged);
        sink.Assemble(content).AsSpan(ChunksPerFrame * ChunkBytes).SequenceEqual(pages.AsSpan(ChunksPerFrame * ChunkBytes)).ShouldBeTrue();
    }

    [Fact]
    public async Task Fetch_WhenThePackIsGone_FailsEveryChunkAndEnds()
    {
        var (vault, content, _) = await StoreAsync(new WriterOptions());
        using var reader = await (await vault.OpenAsync()).OpenReaderAsync(Cancel);
        _store.Objects.TryRemove(_store.Objects.Keys.Single(name => name.Kind == ObjectKind.DataPack), out _).ShouldBeTrue();

        var sink = new Sink();
        await reader.FetchAsync(content.Parts, sink, 4, Cancel);

        sink.Failed.Count.ShouldBe(content.Parts.Length);
        sink.Failed.Values.ShouldAllBe(why => why.Fault == VaultFault.NotFound);
    }

    [Fact]
    public async Task TypedFrameBytes_OfEightMebibytes_GathersAsManyInAFrameAndReadsBackInPieces()
    {
        var (vault, content, pages) = await StoreAsync(new WriterOptions { TypedFrameBytes = 8 << 20 });
        var opened = await vault.OpenAsync();
        var (name, stored) = _store.Objects.Single(o => o.Key.Kind == ObjectKind.DataPack);
        (await new PackDirectoryReader(_store, opened.Secrets).ReadAsync(name, stored.Length, Cancel)).FrameChunks.ShouldBe([4 * ChunksPerFrame, ChunksPerFrame]);

        using var reader = await opened.OpenReaderAsync(Cancel);
        await using var stream = await reader.OpenContentAsync(content, Cancel);
        var back = new byte[pages.Length];
        await stream.ReadExactlyAsync(back, Cancel);
        back.AsSpan().SequenceEqual(pages).ShouldBeTrue();
    }

    /// <summary>Frames of pages, no two alike and all together far smaller than what is read at once.</summary>
    private async Task<(TestVault Vault, Content Content, byte[] Pages)> StoreAsync(WriterOptions options)
    {
        var pages = new byte[Frames * FrameBuilder.ContentBytesTarget];
        for (var at = 0; at < pages.Length; at += 64) BinaryPrimitives.WriteInt64LittleEndian(pages.AsSpan(at), at);
        var vault = await TestVault.CreateAsync(_store);
        await using var writer = await (await vault.OpenForBackupAsync()).BeginSnapshotAsync(options, Cancel);
        var content = writer.AddContent(new MemoryStream(pages), ContentHints.PagesOfWords(ChunkBytes, pages.Length), Cancel);
        var root = writer.AddTree([new TreeEntry { Name = "file"u8.ToArray(), Type = EntryType.File, Size = pages.Length, Content = content }]);
        await writer.CommitAsync(new SnapshotDescription { Asset = "a", SourceKind = "test" }, root, Cancel);
        return (vault, content, pages);
    }

    private sealed class Sink : IChunkSink
    {
        private readonly ConcurrentDictionary<int, byte[]> _delivered = new();

        internal ConcurrentDictionary<int, VaultException> Failed { get; } = new();

        public void Deliver(int want, int count, ReadOnlySpan<byte> data)
        {
            for (var i = 0; i < count; i++) _delivered.TryAdd(want + i, data.Slice(i * ChunkBytes, ChunkBytes).ToArray()).ShouldBeTrue("once each");
        }

        public void Fail(int want, VaultException why) => Failed.TryAdd(want, why).ShouldBeTrue("once each");

        /// <summary>The content, with zeros for what did not come.</summary>
        internal byte[] Assemble(Content content) =>
            [.. Enumerable.Range(0, content.Parts.Length).SelectMany(part => _delivered.GetValueOrDefault(part) ?? new byte[ChunkBytes])];
    }

    private sealed class CountingStore(IObjectStore inner) : ForwardingStore(inner)
    {
        internal ConcurrentBag<ObjectName> Reads { get; } = [];

        protected override Task<T> ThroughAsync<T>(StoreCall call, ObjectName? name, Func<Task<T>> forward)
        {
            if (call == StoreCall.Read) Reads.Add(name!.Value);
            return base.ThroughAsync(call, name, forward);
        }
    }
}
