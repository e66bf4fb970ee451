using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Backup.Vault.Chunking;

/// <summary>
/// The compression function of SHA-256 (FIPS 180-4, 6.2.2) for sixteen messages at once: each is a lane of 32 bits in vectors of 512. One message alone
/// cannot be hashed faster than its rounds follow one another; sixteen together take a processor with both two fifths of the time that its SHA instructions take for one after another.
/// </summary>
internal static unsafe class Sha256Lanes
{
    /// <summary>Messages at once.</summary>
    internal const int Count = 16;

    /// <summary>What one step takes of each message.</summary>
    internal const int BlockBytes = 64;

    /// <summary>Words of one message's state.</summary>
    internal const int StateWords = 8;

    private const byte Choose = 0xCA, Majority = 0xE8, Parity = 0x96;

    /// <summary>Constant in programs compiled ahead of time: true only when they were compiled for processors that all have AVX-512.</summary>
    internal static bool IsSupported => Avx512BW.IsSupported;

    /// <summary>What the state is before the first block.</summary>
    internal static ReadOnlySpan<uint> Initial => [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

    private static ReadOnlySpan<uint> Constants =>
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    /// <summary>Takes the next blocks of every message and moves the pointers behind them.</summary>
    /// <param name="state">Word by word, of each the sixteen lanes: word w of lane n stands at w * <see cref="Count"/> + n.</param>
    /// <param name="messages">Sixteen pointers, each to as many blocks.</param>
    /// <param name="blocks">How many; none does nothing.</param>
    // Optimised at once: what runs in loops of megabytes must not begin as the slow code that is compiled first.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Compress(uint* state, byte** messages, int blocks)
    {
        var space = stackalloc byte[(Count * BlockBytes) + BlockBytes];
        var w = (Vector512<uint>*)(((nint)space + BlockBytes - 1) & -BlockBytes);
        var s = (Vector512<uint>*)state;
        var k = (uint*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Constants));
        Vector512<uint> a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
        for (var block = 0; block < blocks; block++)
        {
            Load(messages, block * BlockBytes, w);
            for (var i = 0; i < 16; i += 8)
            {
                Round(a, b, c, ref d, e, f, g, ref h, w[i], k[i]);
                Round(h, a, b, ref c, d, e, f, ref g, w[i + 1], k[i + 1]);
                Round(g, h, a, ref b, c, d, e, ref f, w[i + 2], k[i + 2]);
                Round(f, g, h, ref a, b, c, d, ref e, w[i + 3], k[i + 3]);
                Round(e, f, g, ref h, a, b, c, ref d, w[i + 4], k[i + 4]);
                Round(d, e, f, ref g, h, a, b, ref c, w[i + 5], k[i + 5]);
                Round(c, d, e, ref f, g, h, a, ref b, w[i + 6], k[i + 6]);
                Round(b, c, d, ref e, f, g, h, ref a, w[i + 7], k[i + 7]);
            }

            for (var i = 16; i < 64; i += 16)
            {
                Round(a, b, c, ref d, e, f, g, ref h, Expand(w, 0), k[i]);
                Round(h, a, b, ref c, d, e, f, ref g, Expand(w, 1), k[i + 1]);
                Round(g, h, a, ref b, c, d, e, ref f, Expand(w, 2), k[i + 2]);
                Round(f, g, h, ref a, b, c, d, ref e, Expand(w, 3), k[i + 3]);
                Round(e, f, g, ref h, a, b, c, ref d, Expand(w, 4), k[i + 4]);
                Round(d, e, f, ref g, h, a, b, ref c, Expand(w, 5), k[i + 5]);
                Round(c, d, e, ref f, g, h, a, ref b, Expand(w, 6), k[i + 6]);
                Round(b, c, d, ref e, f, g, h, ref a, Expand(w, 7), k[i + 7]);
                Round(a, b, c, ref d, e, f, g, ref h, Expand(w, 8), k[i + 8]);
                Round(h, a, b, ref c, d, e, f, ref g, Expand(w, 9), k[i + 9]);
                Round(g, h, a, ref b, c, d, e, ref f, Expand(w, 10), k[i + 10]);
                Round(f, g, h, ref a, b, c, d, ref e, Expand(w, 11), k[i + 11]);
                Round(e, f, g, ref h, a, b, c, ref d, Expand(w, 12), k[i + 12]);
                Round(d, e, f, ref g, h, a, b, ref c, Expand(w, 13), k[i + 13]);
                Round(c, d, e, ref f, g, h, a, ref b, Expand(w, 14), k[i + 14]);
                Round(b, c, d, ref e, f, g, h, ref a, Expand(w, 15), k[i + 15]);
            }

            (s[0], s[1], s[2], s[3]) = (a += s[0], b += s[1], c += s[2], d += s[3]);
            (s[4], s[5], s[6], s[7]) = (e += s[4], f += s[5], g += s[6], h += s[7]);
        }

        for (var lane = 0; lane < Count; lane++) messages[lane] += blocks * BlockBytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(
        Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, ref Vector512<uint> d, Vector512<uint> e, Vector512<uint> f, Vector512<uint> g, ref Vector512<uint> h, Vector512<uint> w, uint k)
    {
        var t = h + Vector512.Create(k) + w + Avx512F.TernaryLogic(e, f, g, Choose)
            + Avx512F.TernaryLogic(Avx512F.RotateRight(e, 6), Avx512F.RotateRight(e, 11), Avx512F.RotateRight(e, 25), Parity);
        d += t;
        h = t + Avx512F.TernaryLogic(a, b, c, Majority) + Avx512F.TernaryLogic(Avx512F.RotateRight(a, 2), Avx512F.RotateRight(a, 13), Avx512F.RotateRight(a, 22), Parity);
    }

    /// <summary>The word of a round from those of the sixteen before it, the first of which it replaces.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Expand(Vector512<uint>* w, int round)
    {
        var (before15, before2) = (w[(round + 1) & 15], w[(round + 14) & 15]);
        return w[round] += w[(round + 9) & 15]
            + Avx512F.TernaryLogic(Avx512F.RotateRight(before15, 7), Avx512F.RotateRight(before15, 18), before15 >>> 3, Parity)
            + Avx512F.TernaryLogic(Avx512F.RotateRight(before2, 17), Avx512F.RotateRight(before2, 19), before2 >>> 10, Parity);
    }

    /// <summary>A block of each message, turned so that a vector has the same word of all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Load(byte** messages, nint offset, Vector512<uint>* w)
    {
        var bigEndian = Vector512.Create(Vector128.Create((byte)3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
        var quarters = stackalloc Vector512<uint>[Count];
        for (var i = 0; i < Count; i += 4)
        {
            var (a, b) = (Block(messages[i] + offset, bigEndian), Block(messages[i + 1] + offset, bigEndian));
            var (c, d) = (Block(messages[i + 2] + offset, bigEndian), Block(messages[i + 3] + offset, bigEndian));
            var (ab, cd) = (Avx512F.UnpackLow(a, b).AsUInt64(), Avx512F.UnpackLow(c, d).AsUInt64());
            var (abHigh, cdHigh) = (Avx512F.UnpackHigh(a, b).AsUInt64(), Avx512F.UnpackHigh(c, d).AsUInt64());

            // In its quarter q vector j now has the words 4q + j of four messages.
            quarters[i] = Avx512F.UnpackLow(ab, cd).AsUInt32();
            quarters[i + 1] = Avx512F.UnpackHigh(ab, cd).AsUInt32();
            quarters[i + 2] = Avx512F.UnpackLow(abHigh, cdHigh).AsUInt32();
            quarters[i + 3] = Avx512F.UnpackHigh(abHigh, cdHigh).AsUInt32();
        }

        for (var j = 0; j < 4; j++)
        {
            var (a, b, c, d) = (quarters[j], quarters[4 + j], quarters[8 + j], quarters[12 + j]);
            var (abLow, abHigh) = (Avx512F.Shuffle4x128(a, b, 0x44), Avx512F.Shuffle4x128(a, b, 0xEE));
            var (cdLow, cdHigh) = (Avx512F.Shuffle4x128(c, d, 0x44), Avx512F.Shuffle4x128(c, d, 0xEE));
            w[j] = Avx512F.Shuffle4x128(abLow, cdLow, 0x88);
            w[4 + j] = Avx512F.Shuffle4x128(abLow, cdLow, 0xDD);
            w[8 + j] = Avx512F.Shuffle4x128(abHigh, cdHigh, 0x88);
            w[12 + j] = Avx512F.Shuffle4x128(abHigh, cdHigh, 0xDD);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Block(byte* message, Vector512<byte> bigEndian) => Avx512BW.Shuffle(*(Vector512<byte>*)message, bigEndian).AsUInt32();
}
