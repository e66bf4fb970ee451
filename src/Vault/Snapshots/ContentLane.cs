using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Backup.Vault.Chunking;
using Backup.Vault.Packs;

namespace Backup.Vault.Snapshots;

/// <summary>Where a lane takes bytes from; a struct, so that the call is direct.</summary>
internal interface IByteSource
{
    /// <summary>Reads some bytes; zero only at the end.</summary>
    int Read(Span<byte> destination);
}

/// <summary>
/// What one thread needs to turn bytes into stored chunks: input buffer, open frame, compressor. A writer keeps a few and lends them out;
/// the open frame stays with the lane between files.
/// </summary>
internal sealed class ContentLane(SnapshotWriter writer, PackWriter packs, WriterOptions options) : IDisposable
{
    private const int InputBytes = 2 * 1024 * 1024, InputBytesMax = 4 * 1024 * 1024;
    private readonly FrameBuilder _frames = new(packs, options.CompressionLevel, FrameBuilder.ContentBytesTarget, options.TypedFrameBytes);
    private readonly ChunkHasher _ids = new(writer.Secrets.DataIdKey);
    private readonly List<ChunkPlace> _places = [];
    private readonly ImmutableArray<ContentPart>.Builder _parts = ImmutableArray.CreateBuilder<ContentPart>();

    // At its full size from the start: what is never written to takes no memory, what is outgrown would until it is collected.
    private readonly byte[] _input = GC.AllocateUninitializedArray<byte>(InputBytesMax);

    internal void Flush() => _frames.Flush();

    public void Dispose()
    {
        _frames.Dispose();
        _ids.Dispose();
    }

    internal Content Add<TSource>(ref TSource source, ContentHints hints, CancellationToken cancel)
        where TSource : struct, IByteSource
    {
        _parts.Clear();
        var sizes = ChunkSizes.For(hints.LengthExpected ?? long.MaxValue);
        int start = 0, end = 0, region = 0;
        long position = 0;
        var isWhole = false;
        for (var atEnd = false; ;)
        {
            // What a cut needs to see: one maximal chunk; at first just enough to know whether the file is small.
            var wanted = hints.FixedChunkBytes > 0 ? hints.FixedChunkBytes : position == 0 && end == 0 ? ChunkSizes.WholeBytesMax + 1 : sizes.Max;
            if (!atEnd && end - start < wanted)
            {
                cancel.ThrowIfCancellationRequested();
                atEnd = Fill(ref source, ref start, ref end, wanted);
                if (position == 0) isWhole = atEnd && end <= ChunkSizes.WholeBytesMax;
                if (!atEnd && end - start < sizes.Max && hints.FixedChunkBytes == 0) continue;
            }

            if (start == end) break;
            var data = _input.AsSpan(start, end - start);
            var length = hints.FixedChunkBytes > 0 ? AddFixed(data, hints, position, ref region, atEnd) : AddCut(data, hints, position, ref region, isWhole, sizes);
            start += length;
            position += length;
        }

        return new Content(position, 0, _parts.ToImmutable());
    }

    /// <summary>Adds the next chunk; answers its length.</summary>
    private int AddCut(Span<byte> data, ContentHints hints, long position, ref int region, bool isWhole, ChunkSizes sizes)
    {
        var (stride, phase) = LimitToRegion(hints, position, ref region, ref data);
        var chunk = data[..(isWhole ? data.Length : writer.Gear.FindCut(data, sizes))];
        AddChunk(_ids.IdOf(chunk), chunk, stride, phase);
        return chunk.Length;
    }

    /// <summary>Adds all whole chunks that have been read, and at the end what is left; answers their length. They are equally long, so their ids are computed side by side.</summary>
    private int AddFixed(Span<byte> data, ContentHints hints, long position, ref int region, bool atEnd)
    {
        _places.Clear();
        var taken = 0;
        for (; data.Length - taken >= hints.FixedChunkBytes; taken += hints.FixedChunkBytes) _places.Add(new ChunkPlace(taken, hints.FixedChunkBytes));
        if (atEnd && taken < data.Length)
        {
            _places.Add(new ChunkPlace(taken, data.Length - taken));
            taken = data.Length;
        }

        var ids = _ids.IdsOf(data, CollectionsMarshal.AsSpan(_places));
        for (var i = 0; i < ids.Length; i++)
        {
            var rest = data[_places[i].Offset..];
            var (stride, phase) = LimitToRegion(hints, position + _places[i].Offset, ref region, ref rest);
            AddChunk(ids[i], data.Slice(_places[i].Offset, _places[i].Length), stride, phase);
        }

        return taken;
    }

    private bool Fill<TSource>(ref TSource source, ref int start, ref int end, int wanted)
        where TSource : struct, IByteSource
    {
        if (start > 0)
        {
            _input.AsSpan(start, end - start).CopyTo(_input);
            end -= start;
            start = 0;
        }

        var limit = wanted <= InputBytes ? InputBytes : InputBytesMax;
        while (end < wanted)
        {
            var count = source.Read(_input.AsSpan(end, limit - end));
            if (count == 0) return true;
            end += count;
        }

        return false;
    }

    /// <summary>Chunks never straddle the edge of a typed region, so the filter's element grid is known for each.</summary>
    private static (int Stride, int Phase) LimitToRegion(ContentHints hints, long position, ref int next, ref Span<byte> data)
    {
        while (next < hints.Regions.Count && hints.Regions[next].Offset + hints.Regions[next].Length <= position) next++;
        if (next == hints.Regions.Count) return (0, 0);
        var region = hints.Regions[next];
        var inside = position >= region.Offset;
        var edge = inside ? region.Offset + region.Length : region.Offset;
        if (hints.FixedChunkBytes > 0)
        {
            if (!inside || position + Math.Min(data.Length, hints.FixedChunkBytes) > edge) return (0, 0);
        }
        else if (edge - position < data.Length)
        {
            data = data[..(int)(edge - position)];
        }

        if (!inside) return (0, 0);
        var over = (int)((position - region.Offset) % region.ElementBytes);
        return (region.ElementBytes, over == 0 ? 0 : region.ElementBytes - over);
    }

    private void AddChunk(ChunkId id, ReadOnlySpan<byte> data, int stride, int phase)
    {
        _parts.Add(new ContentPart(id, data.Length));
        var isNew = writer.ChunkMap.TryClaim(id, (uint)data.Length);
        writer.CountChunk(data.Length, isNew);
        if (isNew) _frames.Add(id, data, stride, phase);
    }
}
