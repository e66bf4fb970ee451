using System.Runtime.InteropServices;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>One chunk as a directory lists it.</summary>
internal readonly record struct ListedChunk(ChunkId Id, uint Length);

/// <summary>What a pack holds, frame by frame: in the pack's own directory and, in the same encoding, in index objects.</summary>
internal sealed class FrameDirectory
{
    /// <summary>A frame's plain content is at most this long; the reader allocates no more.</summary>
    internal const int FrameBytesMax = 8 * 1024 * 1024;

    /// <summary>Stored bytes of each frame (ciphertext and tag), in pack order.</summary>
    internal List<uint> FrameStoredBytes { get; } = [];

    /// <summary>How many chunks each frame holds.</summary>
    internal List<int> FrameChunks { get; } = [];

    /// <summary>The chunks of all frames, in order.</summary>
    internal List<ListedChunk> Chunks { get; } = [];

    internal void AddFrame(uint storedBytes, ReadOnlySpan<ListedChunk> chunks)
    {
        FrameStoredBytes.Add(storedBytes);
        FrameChunks.Add(chunks.Length);
        Chunks.AddRange(chunks);
    }

    /// <summary>Length of all chunks together.</summary>
    internal long PlainBytes()
    {
        long bytes = 0;
        foreach (var chunk in CollectionsMarshal.AsSpan(Chunks)) bytes += chunk.Length;
        return bytes;
    }

    internal void Write(ByteWriter w)
    {
        w.VarUInt(FrameStoredBytes.Count);
        var at = 0;
        for (var frame = 0; frame < FrameStoredBytes.Count; frame++)
        {
            w.VarUInt(FrameStoredBytes[frame]);
            w.VarUInt(FrameChunks[frame]);
            for (var end = at + FrameChunks[frame]; at < end; at++)
            {
                w.Hash(Chunks[at].Id.Hash);
                w.VarUInt(Chunks[at].Length);
            }
        }
    }

    /// <summary>Equal for equal directories: 32 bytes stand for a list that has as many per chunk.</summary>
    /// <param name="scratch">Written over.</param>
    internal ContentHash Digest(ByteWriter scratch)
    {
        scratch.Clear();
        Write(scratch);
        return ContentHash.Of(scratch.WrittenSpan);
    }

    /// <summary>Reads a directory in place of what this one held.</summary>
    internal void Read(ref ByteReader r, uint packBytes)
    {
        FrameStoredBytes.Clear();
        FrameChunks.Clear();
        Chunks.Clear();
        long offset = PackHeader.Length;
        for (var frames = r.Count(2); frames > 0; frames--)
        {
            var stored = r.VarUpTo(IObjectStore.ObjectBytesMax);
            offset += stored;
            if (stored == 0 || offset > packBytes) throw r.Bad("a frame lies outside its pack");
            var chunks = r.Count(33);
            long raw = 0;
            for (var i = 0; i < chunks; i++)
            {
                var id = new ChunkId(r.Hash());
                var length = r.VarUpTo(FrameBytesMax);
                raw += length;
                Chunks.Add(new ListedChunk(id, (uint)length));
            }

            if (chunks == 0 || raw > FrameBytesMax) throw r.Bad("a frame is empty or over its limit");
            FrameStoredBytes.Add((uint)stored);
            FrameChunks.Add(chunks);
        }
    }
}

/// <summary>Hides exact lengths: stored sizes are rounded up, in steps of about 1/128 of the size, so that a size tells little.</summary>
internal static class SizePadding
{
    private const int StepBytesMin = 256;

    /// <summary>The padded size of something that needs <paramref name="bytes"/>; costs under 0.4 % on average.</summary>
    internal static int Pad(int bytes)
    {
        var step = Math.Max(StepBytesMin, (int)(System.Numerics.BitOperations.RoundUpToPowerOf2((uint)bytes) >> 8));
        return checked((bytes + step - 1) / step * step);
    }
}
