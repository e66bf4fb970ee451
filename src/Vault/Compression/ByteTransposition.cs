using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Backup.Vault.Compression;

/// <summary>
/// The byte-shuffle filter: bytes that stand at the same place of successive elements (numbers, table rows) are brought together,
/// which makes numeric data far more compressible. A permutation: it loses nothing and keeps the length.
/// </summary>
internal static class ByteTransposition
{
    internal const int StrideMax = ushort.MaxValue;

    /// <summary>Elements handled at a time: keeps both sides in the first-level cache.</summary>
    private const int Block = 64;

    /// <summary>Elements that fill one vector for each byte place; also the longest element that is done in vectors.</summary>
    private const int Lanes = 16;

    private static bool HasInterleave => Sse2.IsSupported || AdvSimd.Arm64.IsSupported;

    /// <summary>Shuffles. The first <paramref name="phase"/> bytes and an incomplete last element are copied as they are.</summary>
    internal static void Shuffle(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        var count = CopyRest(source, destination, stride, phase);
        var from = source.Slice(phase, count * stride);
        var to = destination.Slice(phase, count * stride);
        var done = IsVectorStride(stride) ? ShuffleVectors(from, to, stride, count) : 0;
        for (var first = done; first < count; first += Block)
        {
            var last = Math.Min(count, first + Block);
            for (var column = 0; column < stride; column++)
            {
                var row = to.Slice((column * count) + first, last - first);
                var at = (first * stride) + column;
                for (var i = 0; i < row.Length; i++, at += stride) row[i] = from[at];
            }
        }
    }

    /// <summary>Undoes <see cref="Shuffle"/>.</summary>
    internal static void Unshuffle(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        var count = CopyRest(source, destination, stride, phase);
        var from = source.Slice(phase, count * stride);
        var to = destination.Slice(phase, count * stride);
        var done = IsVectorStride(stride) ? UnshuffleVectors(from, to, stride, count) : 0;
        for (var first = done; first < count; first += Block)
        {
            var last = Math.Min(count, first + Block);
            for (var column = 0; column < stride; column++)
            {
                var row = from.Slice((column * count) + first, last - first);
                var at = (first * stride) + column;
                for (var i = 0; i < row.Length; i++, at += stride) to[at] = row[i];
            }
        }
    }

    /// <summary>Copies what is not shuffled; answers the number of whole elements.</summary>
    private static int CopyRest(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        if (stride is < 2 or > StrideMax || phase < 0 || phase > source.Length || destination.Length != source.Length) throw new ArgumentException("Not a stride and phase that fit the data.", nameof(stride));
        var count = (source.Length - phase) / stride;
        source[..phase].CopyTo(destination);
        source[(phase + (count * stride))..].CopyTo(destination[(phase + (count * stride))..]);
        return count;
    }

    private static bool IsVectorStride(int stride) => HasInterleave && stride is 2 or 4 or 8 or 16;

    // Sixteen elements of 2^m bytes stand in 2^m vectors; the place of a byte is a number of 4 + m bits, element before column. Interleaving
    // the first half of the vectors with the second moves the top bit to the bottom: a rotation. Four of them put the column on top,
    // which is the shuffle; m more complete the circle, which is the way back.
    private static int ShuffleVectors(ReadOnlySpan<byte> from, Span<byte> to, int stride, int count)
    {
        Span<Vector128<byte>> space = stackalloc Vector128<byte>[2 * Lanes];
        var vectors = space[..stride];
        var others = space.Slice(Lanes, stride);
        var first = 0;
        for (; first + Lanes <= count; first += Lanes)
        {
            MemoryMarshal.Cast<byte, Vector128<byte>>(from.Slice(first * stride, Lanes * stride)).CopyTo(vectors);
            for (var round = 0; round < 2; round++)
            {
                Interleave(vectors, others);
                Interleave(others, vectors);
            }

            for (var column = 0; column < stride; column++) vectors[column].CopyTo(to[((column * count) + first)..]);
        }

        return first;
    }

    private static int UnshuffleVectors(ReadOnlySpan<byte> from, Span<byte> to, int stride, int count)
    {
        Span<Vector128<byte>> space = stackalloc Vector128<byte>[2 * Lanes];
        var vectors = space[..stride];
        var others = space.Slice(Lanes, stride);
        var rounds = BitOperations.Log2((uint)stride);
        var first = 0;
        for (; first + Lanes <= count; first += Lanes)
        {
            for (var column = 0; column < stride; column++) vectors[column] = Vector128.Create(from.Slice((column * count) + first, Lanes));
            var left = vectors;
            var right = others;
            for (var round = 0; round < rounds; round++)
            {
                Interleave(left, right);
                var swapped = left;
                left = right;
                right = swapped;
            }

            left.CopyTo(MemoryMarshal.Cast<byte, Vector128<byte>>(to.Slice(first * stride, Lanes * stride)));
        }

        return first;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(ReadOnlySpan<Vector128<byte>> from, Span<Vector128<byte>> to)
    {
        var half = from.Length / 2;
        for (var i = 0; i < half; i++)
        {
            var (a, b) = (from[i], from[half + i]);
            to[2 * i] = Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);
            to[(2 * i) + 1] = Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
        }
    }
}
