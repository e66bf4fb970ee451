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

    /// <summary>The element of pages, of which databases have gigabytes: done as the others are, but with every vector in a register, five times as fast.</summary>
    private const int Word = 8;

    private static bool HasInterleave => Sse2.IsSupported || AdvSimd.Arm64.IsSupported;

    /// <summary>Shuffles. The first <paramref name="phase"/> bytes and an incomplete last element are copied as they are.</summary>
    internal static void Shuffle(ReadOnlySpan<byte> source, Span<byte> destination, int stride, int phase)
    {
        var count = CopyRest(source, destination, stride, phase);
        var from = source.Slice(phase, count * stride);
        var to = destination.Slice(phase, count * stride);
        var done = !HasInterleave ? 0 : stride == Word ? ShuffleWords(from, to, count) : IsVectorStride(stride) ? ShuffleVectors(from, to, stride, count) : 0;
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
        var done = !HasInterleave ? 0 : stride == Word ? UnshuffleWords(from, to, count) : IsVectorStride(stride) ? UnshuffleVectors(from, to, stride, count) : 0;
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

    private static bool IsVectorStride(int stride) => stride is 2 or 4 or 16;

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

    private static int ShuffleWords(ReadOnlySpan<byte> from, Span<byte> to, int count)
    {
        ref var source = ref MemoryMarshal.GetReference(from);
        ref var target = ref MemoryMarshal.GetReference(to);
        var first = 0;
        for (; first + Lanes <= count; first += Lanes)
        {
            var words = EightVectors.Load(ref Unsafe.Add(ref source, first * Word), Lanes);
            words.Interleave();
            words.Interleave();
            words.Interleave();
            words.Interleave();
            words.Store(ref Unsafe.Add(ref target, first), count);
        }

        return first;
    }

    private static int UnshuffleWords(ReadOnlySpan<byte> from, Span<byte> to, int count)
    {
        ref var source = ref MemoryMarshal.GetReference(from);
        ref var target = ref MemoryMarshal.GetReference(to);
        var first = 0;
        for (; first + Lanes <= count; first += Lanes)
        {
            var columns = EightVectors.Load(ref Unsafe.Add(ref source, first), count);
            columns.Interleave();
            columns.Interleave();
            columns.Interleave();
            columns.Store(ref Unsafe.Add(ref target, first * Word), Lanes);
        }

        return first;
    }

    /// <summary>The bytes of two vectors by turns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Low, Vector128<byte> High) Pair(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? (Sse2.UnpackLow(a, b), Sse2.UnpackHigh(a, b)) : (AdvSimd.Arm64.ZipLow(a, b), AdvSimd.Arm64.ZipHigh(a, b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(ReadOnlySpan<Vector128<byte>> from, Span<Vector128<byte>> to)
    {
        var half = from.Length / 2;
        for (var i = 0; i < half; i++)
        {
            (to[2 * i], to[(2 * i) + 1]) = Pair(from[i], from[half + i]);
        }
    }

    /// <summary>What the compiler keeps in registers where a span of vectors would lie in memory.</summary>
    private ref struct EightVectors
    {
        private Vector128<byte> _a, _b, _c, _d, _e, _f, _g, _h;

        /// <summary>The callers' loops have checked that all eight lie inside.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static EightVectors Load(ref byte from, int apart)
        {
            EightVectors v;
            v._a = Vector128.LoadUnsafe(ref from);
            v._b = Vector128.LoadUnsafe(ref from, (nuint)apart);
            v._c = Vector128.LoadUnsafe(ref from, 2 * (nuint)apart);
            v._d = Vector128.LoadUnsafe(ref from, 3 * (nuint)apart);
            v._e = Vector128.LoadUnsafe(ref from, 4 * (nuint)apart);
            v._f = Vector128.LoadUnsafe(ref from, 5 * (nuint)apart);
            v._g = Vector128.LoadUnsafe(ref from, 6 * (nuint)apart);
            v._h = Vector128.LoadUnsafe(ref from, 7 * (nuint)apart);
            return v;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal readonly void Store(ref byte to, int apart)
        {
            _a.StoreUnsafe(ref to);
            _b.StoreUnsafe(ref to, (nuint)apart);
            _c.StoreUnsafe(ref to, 2 * (nuint)apart);
            _d.StoreUnsafe(ref to, 3 * (nuint)apart);
            _e.StoreUnsafe(ref to, 4 * (nuint)apart);
            _f.StoreUnsafe(ref to, 5 * (nuint)apart);
            _g.StoreUnsafe(ref to, 6 * (nuint)apart);
            _h.StoreUnsafe(ref to, 7 * (nuint)apart);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void Interleave()
        {
            var (a, b) = Pair(_a, _e);
            var (c, d) = Pair(_b, _f);
            var (e, f) = Pair(_c, _g);
            var (g, h) = Pair(_d, _h);
            (_a, _b, _c, _d, _e, _f, _g, _h) = (a, b, c, d, e, f, g, h);
        }
    }
}
