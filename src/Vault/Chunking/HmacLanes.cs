using System.Buffers.Binary;
using Backup.Vault.Storage;

namespace Backup.Vault.Chunking;

/// <summary>HMAC-SHA-256 (RFC 2104) of up to sixteen chunks at once, where <see cref="Sha256Lanes.IsSupported"/>.</summary>
internal sealed unsafe class HmacLanes
{
    /// <summary>The end of a message and its length, which take one block or two.</summary>
    private const int TailBytes = 2 * Sha256Lanes.BlockBytes;
    private const int LengthBytes = sizeof(ulong);
    private const int StateLength = Sha256Lanes.StateWords * Sha256Lanes.Count;

    /// <summary>All lanes' state once the key has been hashed: before the chunk, and before the chunk's hash.</summary>
    private readonly uint[] _inner, _outer;

    internal HmacLanes(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, Sha256Lanes.BlockBytes, nameof(key));
        _inner = AfterKey(key, 0x36);
        _outer = AfterKey(key, 0x5C);
    }

    /// <summary>Whether chunks of these lengths, longest first, are hashed sooner side by side than one after another: not when most lanes would wait for the longest.</summary>
    internal static bool Pays(ReadOnlySpan<ChunkPlace> places)
    {
        long bytes = 0;
        foreach (var place in places) bytes += place.Length;
        return places.Length >= Sha256Lanes.Count / 2 && bytes >= places[0].Length * (long)(Sha256Lanes.Count / 2);
    }

    /// <param name="data">Where the chunks lie.</param>
    /// <param name="places">One to sixteen, the longest first.</param>
    /// <param name="ids">Takes as many.</param>
    internal void Hash(ReadOnlySpan<byte> data, ReadOnlySpan<ChunkPlace> places, Span<ChunkId> ids)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(places.Length, Sha256Lanes.Count, nameof(places));
        var state = stackalloc uint[StateLength];
        var ended = stackalloc uint[StateLength];
        var next = stackalloc byte*[Sha256Lanes.Count];
        var tails = stackalloc byte[Sha256Lanes.Count * TailBytes];
        for (var lane = 0; lane < places.Length; lane++) PutTail(data.Slice(places[lane].Offset, places[lane].Length), new Span<byte>(tails + (lane * TailBytes), TailBytes));
        _inner.CopyTo(new Span<uint>(state, StateLength));
        fixed (byte* start = data)
        {
            for (var lane = 0; lane < Sha256Lanes.Count; lane++) next[lane] = start + places[lane < places.Length ? lane : 0].Offset;
            var done = 0;
            for (var lane = places.Length - 1; lane >= 0; lane--)
            {
                var blocks = places[lane].Length / Sha256Lanes.BlockBytes;
                ArgumentOutOfRangeException.ThrowIfLessThan(blocks, done, nameof(places));
                Sha256Lanes.Compress(state, next, blocks - done);
                done = blocks;
                CopyLane(state, ended, lane);

                // A lane that has come to its end goes on with the longest chunk: nobody looks at what comes of that.
                next[lane] = next[0];
            }
        }

        HashTails(ended, state, tails, next, places);
        for (var lane = 0; lane < places.Length; lane++) PutHash(ended, lane, new Span<byte>(tails + (lane * TailBytes), TailBytes));
        _outer.CopyTo(new Span<uint>(state, StateLength));
        PointAt(tails, next);
        Sha256Lanes.Compress(state, next, 1);
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        for (var lane = 0; lane < places.Length; lane++)
        {
            ReadLane(state, lane, hash);
            ids[lane] = new ChunkId(new ContentHash(hash));
        }
    }

    /// <summary>Takes the chunks' ends; <paramref name="ended"/> becomes the inner hashes.</summary>
    private static void HashTails(uint* ended, uint* state, byte* tails, byte** next, ReadOnlySpan<ChunkPlace> places)
    {
        PointAt(tails, next);
        Sha256Lanes.Compress(ended, next, 1);
        new Span<uint>(ended, StateLength).CopyTo(new Span<uint>(state, StateLength));
        Sha256Lanes.Compress(state, next, 1);
        for (var lane = 0; lane < places.Length; lane++)
        {
            if (TailBlocks(places[lane].Length) == 2) CopyLane(state, ended, lane);
        }
    }

    private static uint[] AfterKey(ReadOnlySpan<byte> key, byte pad)
    {
        var block = stackalloc byte[Sha256Lanes.BlockBytes];
        var next = stackalloc byte*[Sha256Lanes.Count];
        new Span<byte>(block, Sha256Lanes.BlockBytes).Fill(pad);
        for (var i = 0; i < key.Length; i++) block[i] ^= key[i];
        for (var lane = 0; lane < Sha256Lanes.Count; lane++) next[lane] = block;
        var state = new uint[StateLength];
        for (var i = 0; i < StateLength; i++) state[i] = Sha256Lanes.Initial[i / Sha256Lanes.Count];
        fixed (uint* s = state) Sha256Lanes.Compress(s, next, 1);
        return state;
    }

    private static int TailBlocks(int length) => (length % Sha256Lanes.BlockBytes) + 1 + LengthBytes <= Sha256Lanes.BlockBytes ? 1 : 2;

    private static void PutTail(ReadOnlySpan<byte> chunk, Span<byte> tail)
    {
        var rest = chunk[^(chunk.Length % Sha256Lanes.BlockBytes)..];
        rest.CopyTo(tail);
        Pad(tail[..(TailBlocks(chunk.Length) * Sha256Lanes.BlockBytes)], rest.Length, chunk.Length);
    }

    private static void PutHash(uint* state, int lane, Span<byte> tail)
    {
        ReadLane(state, lane, tail[..ContentHash.Length]);
        Pad(tail[..Sha256Lanes.BlockBytes], ContentHash.Length, ContentHash.Length);
    }

    /// <summary>Ends a message of which <paramref name="used"/> bytes stand at the beginning here; the key's block came before it.</summary>
    private static void Pad(Span<byte> blocks, int used, int length)
    {
        blocks[used] = 0x80;
        blocks[(used + 1)..^LengthBytes].Clear();
        BinaryPrimitives.WriteUInt64BigEndian(blocks[^LengthBytes..], (ulong)(Sha256Lanes.BlockBytes + (long)length) * 8);
    }

    private static void PointAt(byte* tails, byte** next)
    {
        for (var lane = 0; lane < Sha256Lanes.Count; lane++) next[lane] = tails + (lane * TailBytes);
    }

    private static void CopyLane(uint* from, uint* to, int lane)
    {
        for (var word = lane; word < StateLength; word += Sha256Lanes.Count) to[word] = from[word];
    }

    private static void ReadLane(uint* state, int lane, Span<byte> hash)
    {
        for (var word = 0; word < Sha256Lanes.StateWords; word++) BinaryPrimitives.WriteUInt32BigEndian(hash[(word * sizeof(uint))..], state[(word * Sha256Lanes.Count) + lane]);
    }
}
