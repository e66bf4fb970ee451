using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Backup.Vault.Chunking;

/// <summary>
/// Content-defined chunking by a gear hash whose 256 random values are derived from the vault's id key: without the key nobody can
/// tell where a known file would be cut. Normalised: a harder mask before the mean length and an easier one after it keep lengths close to the mean.
/// </summary>
internal sealed class GearTable
{
    /// <summary>How many mask bits are added before the mean and removed after it.</summary>
    private const int NormalisationBits = 2;
    private readonly ulong[] _values = new ulong[256];

    internal GearTable(ReadOnlySpan<byte> key)
    {
        // HKDF expands to at most 255 hashes, enough for 256 words.
        HKDF.Expand(HashAlgorithmName.SHA256, key, MemoryMarshal.AsBytes(_values.AsSpan()), "gear table values"u8);
        if (!BitConverter.IsLittleEndian) for (var i = 0; i < 256; i++) _values[i] = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(_values[i]);
    }

    /// <summary>The length of the chunk at the start of <paramref name="data"/>: all of it when no cut is found within it and it is no longer than the maximum.</summary>
    /// <param name="data">Must hold at least <c>sizes.Max</c> bytes, or everything up to the end of the stream.</param>
    /// <param name="sizes">The limits.</param>
    internal int FindCut(ReadOnlySpan<byte> data, ChunkSizes sizes)
    {
        if (data.Length <= sizes.Min) return data.Length;
        var bits = System.Numerics.BitOperations.Log2((uint)sizes.Mean);
        var end = Math.Min(data.Length, sizes.Max);
        var normal = Math.Min(end, sizes.Mean);
        var hash = 0UL;

        // A gear hash forgets what lies 64 bytes back, so scanning begins 64 bytes before the minimum.
        var at = sizes.Min - 64;
        for (; at < sizes.Min; at++) hash = (hash << 1) + _values[data[at]];
        at = Scan(data, at, normal, ref hash, MaskOf(bits + NormalisationBits));
        if (at >= 0) return at;
        at = Scan(data, normal, end, ref hash, MaskOf(bits - NormalisationBits));
        return at >= 0 ? at : end;
    }

    /// <summary>The top bits of the hash: those that all of the last 64 bytes have had a part in.</summary>
    private static ulong MaskOf(int bits) => ulong.MaxValue << (64 - bits);

    // Fully optimised at once: a short backup must not spend its time in the unoptimised first tier.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Scan(ReadOnlySpan<byte> data, int from, int to, ref ulong hash, ulong mask)
    {
        ref var values = ref MemoryMarshal.GetArrayDataReference(_values);
        ref var bytes = ref MemoryMarshal.GetReference(data);
        var h = hash;
        for (var at = from; at < to; at++)
        {
            h = (h << 1) + Unsafe.Add(ref values, (nint)Unsafe.Add(ref bytes, (nint)at));
            if ((h & mask) == 0)
            {
                hash = h;
                return at + 1;
            }
        }

        hash = h;
        return -1;
    }
}
