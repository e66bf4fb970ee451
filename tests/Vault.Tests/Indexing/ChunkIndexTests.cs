using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.Tests.Indexing;

public sealed class ChunkIndexTests
{
    [Fact]
    public void Locations_OfManyChunks_AreThoseOfTheirPacks()
    {
        var index = Filled(packs: 300, frames: 20, chunksPerFrame: 3);
        for (var pack = 0; pack < 300; pack += 7)
        {
            for (var frame = 0; frame < 20; frame++)
            {
                for (var chunk = 0; chunk < 3; chunk++)
                {
                    index.TryLocate(IdOf(pack, frame, chunk), out var at).ShouldBeTrue();
                    index.PackName(at.Pack).ShouldBe(PackOf(pack));
                    at.FrameOrdinal.ShouldBe((uint)frame);
                    at.FrameOffset.ShouldBe((uint)(PackHeader.Length + (frame * 1000)));
                    at.FrameStoredBytes.ShouldBe(1000u);
                    at.OffsetInFrame.ShouldBe((uint)(chunk * 500));
                }
            }
        }

        index.TryLocate(IdOf(300, 0, 0), out _).ShouldBeFalse();
    }

    [Fact]
    public void Memory_PerChunk_StaysBelowSixtyFourBytes()
    {
        // Just past a doubling of the table, the worst moment, with as few chunks in a pack as large files make.
        var index = Filled(packs: 13_200, frames: 16, chunksPerFrame: 1);
        ((double)index.BytesHeld / index.ChunkCount).ShouldBeLessThan(65);
        var fuller = Filled(packs: 20_000, frames: 16, chunksPerFrame: 1);
        ((double)fuller.BytesHeld / fuller.ChunkCount).ShouldBeLessThan(64);
    }

    [Fact]
    public void Claim_OfOneChunkByManyThreads_IsGrantedOnce()
    {
        var index = new ChunkIndex();
        var granted = 0;
        Parallel.For(0, 10_000, i =>
        {
            if (index.TryClaim(IdOf(i % 100, 0, 0), 10)) Interlocked.Increment(ref granted);
        });
        granted.ShouldBe(100);
    }

    [Fact]
    public void MarkedPack_IsAbsentForWritersAndReadableForReaders()
    {
        var index = new ChunkIndex();
        index.AddPack(Pack(1, 1, 1), isAbsent: true);
        index.Rely(IdOf(1, 0, 0), 500).ShouldBeFalse();
        index.TryLocate(IdOf(1, 0, 0), out var marked).ShouldBeTrue();
        index.AddPack(new IndexedPack(PackOf(2), 5000, Pack(1, 1, 1).Frames), isAbsent: false);
        index.TryLocate(IdOf(1, 0, 0), out var better).ShouldBeTrue();
        better.Pack.ShouldNotBe(marked.Pack);
        index.Rely(IdOf(1, 0, 0), 500).ShouldBeTrue();
        index.ReliedPacks().ShouldBe([PackOf(2)]);
    }

    private static ChunkIndex Filled(int packs, int frames, int chunksPerFrame)
    {
        var index = new ChunkIndex();
        for (var pack = 0; pack < packs; pack++) index.AddPack(Pack(pack, frames, chunksPerFrame), isAbsent: false);
        return index;
    }

    private static IndexedPack Pack(int pack, int frames, int chunksPerFrame)
    {
        var directory = new FrameDirectory();
        for (var frame = 0; frame < frames; frame++) directory.AddFrame(1000, [.. Enumerable.Range(0, chunksPerFrame).Select(c => new ListedChunk(IdOf(pack, frame, c), 500))]);
        return new IndexedPack(PackOf(pack), 50_000, directory);
    }

    private static ObjectName PackOf(int pack) => ObjectName.For(ObjectKind.DataPack, BitConverter.GetBytes(pack));

    private static ChunkId IdOf(int pack, int frame, int chunk) => new(ContentHash.Of([.. BitConverter.GetBytes(pack), (byte)frame, (byte)chunk]));
}
