using Backup.Vault.Storage;

namespace Backup.Vault.Indexing;

/// <summary>A set of the chunks of one <see cref="ChunkIndex"/>, one bit each. Not thread-safe.</summary>
internal sealed class ChunkSet
{
    private ulong[] _bits = new ulong[1024];

    /// <summary>True when it was not in the set.</summary>
    internal bool Add(uint number)
    {
        var word = (int)(number >> 6);
        if (word >= _bits.Length) Array.Resize(ref _bits, Math.Max(word + 1, _bits.Length * 2));
        var bit = 1UL << (int)(number & 63);
        var isNew = (_bits[word] & bit) == 0;
        _bits[word] |= bit;
        return isNew;
    }

    internal bool Contains(uint number) => (number >> 6) < _bits.Length && (_bits[number >> 6] & (1UL << (int)(number & 63))) != 0;
}

/// <summary>How much of a pack is needed.</summary>
/// <param name="Name">The pack.</param>
/// <param name="StoredBytes">Its stored length.</param>
/// <param name="PlainBytes">Plain bytes of all its chunks.</param>
/// <param name="LiveBytes">Plain bytes of its chunks that some snapshot needs and that no other pack is used for.</param>
/// <param name="LiveChunks">How many these are.</param>
internal readonly record struct PackUse(ObjectName Name, uint StoredBytes, long PlainBytes, long LiveBytes, int LiveChunks);
