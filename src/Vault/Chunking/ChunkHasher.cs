using System.Security.Cryptography;
using Backup.Vault.Storage;

namespace Backup.Vault.Chunking;

/// <summary>Where a chunk lies in the bytes at hand.</summary>
internal readonly record struct ChunkPlace(int Offset, int Length);

/// <summary>
/// Computes chunk ids. Set up once and used for many chunks: setting up anew for each costs a tenth of what hashing a small one does. One thread at a time.
/// </summary>
/// <param name="idKey">The vault's id key for this kind of chunk.</param>
/// <param name="maySideBySide">False hashes one chunk after another also where the processor can hash several at once.</param>
internal sealed class ChunkHasher(byte[] idKey, bool maySideBySide = true) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, idKey);
    private readonly HmacLanes? _lanes = maySideBySide && Sha256Lanes.IsSupported ? new HmacLanes(idKey) : null;
    private ChunkPlace[] _ordered = [];
    private int[] _order = [];
    private ChunkId[] _ids = [];

    internal ChunkId IdOf(ReadOnlySpan<byte> chunk)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        _hash.AppendData(chunk);
        _hash.GetHashAndReset(hash);
        return new ChunkId(new ContentHash(hash));
    }

    /// <summary>The ids of several chunks that lie in <paramref name="data"/>, in their order; valid until the next call. Several times as fast as one by one where many are about equally long.</summary>
    internal ReadOnlySpan<ChunkId> IdsOf(ReadOnlySpan<byte> data, ReadOnlySpan<ChunkPlace> places)
    {
        if (_ids.Length < places.Length)
        {
            _ids = new ChunkId[places.Length];
            _ordered = new ChunkPlace[places.Length];
            _order = new int[places.Length];
        }

        var ids = _ids.AsSpan(0, places.Length);
        var ordered = _ordered.AsSpan(0, places.Length);
        var order = _order.AsSpan(0, places.Length);
        places.CopyTo(ordered);
        for (var i = 0; i < order.Length; i++) order[i] = i;
        if (_lanes is not null) ordered.Sort(order, static (a, b) => b.Length.CompareTo(a.Length));
        Span<ChunkId> group = stackalloc ChunkId[Sha256Lanes.Count];
        for (int next = 0, count; next < ordered.Length; next += count)
        {
            count = Math.Min(Sha256Lanes.Count, ordered.Length - next);
            var together = ordered.Slice(next, count);
            if (_lanes is not null && HmacLanes.Pays(together)) _lanes.Hash(data, together, group);
            else (count, group[0]) = (1, IdOf(data.Slice(together[0].Offset, together[0].Length)));
            for (var i = 0; i < count; i++) ids[order[next + i]] = group[i];
        }

        return ids;
    }

    /// <summary>The same for a chunk now and then, from any thread.</summary>
    internal static ChunkId IdOf(byte[] idKey, ReadOnlySpan<byte> chunk)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Length];
        HMACSHA256.HashData(idKey, chunk, hash);
        return new ChunkId(new ContentHash(hash));
    }

    public void Dispose() => _hash.Dispose();
}
