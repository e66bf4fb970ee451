using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Backup.Sources.Postgres;

/// <summary>
/// PostgreSQL's data page checksum (its checksum_impl.h documents the algorithm): 32 interleaved FNV-1a sums over the page as 32-bit
/// words, folded together and mixed with the block number.
/// </summary>
internal static class PageChecksum
{
    internal const int PageBytes = 8192;
    private const uint Prime = 16777619;
    private const int ChecksumOffset = 8;

    internal static readonly uint[] Seeds =
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>
    /// Whether the page is as the server wrote it. True too for a page that was never used, and for one written after
    /// <paramref name="backupStart"/>: it may be torn, and replay puts it right.
    /// </summary>
    internal static bool IsSound(ReadOnlySpan<byte> page, uint block, Lsn backupStart)
    {
        var isUnused = BinaryPrimitives.ReadUInt16LittleEndian(page[14..]) == 0;
        if (isUnused)
            return true;
        var written = new Lsn(((ulong)BinaryPrimitives.ReadUInt32LittleEndian(page) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(page[4..]));
        return written >= backupStart || Compute(page, block) == BinaryPrimitives.ReadUInt16LittleEndian(page[ChecksumOffset..]);
    }

    internal static ushort Compute(ReadOnlySpan<byte> page, uint block)
    {
        Span<uint> words = stackalloc uint[PageBytes / sizeof(uint)];
        MemoryMarshal.Cast<byte, uint>(page[..PageBytes]).CopyTo(words);
        // The checksum's own 16 bits count as zero.
        words[ChecksumOffset / 4] &= 0xFFFF0000;

        var sums = (V0: Vector256.Create<uint>(Seeds), V1: Vector256.Create<uint>(Seeds, 8), V2: Vector256.Create<uint>(Seeds, 16), V3: Vector256.Create<uint>(Seeds, 24));
        for (var row = 0; row < words.Length; row += 32)
        {
            sums.V0 = Round(sums.V0, Vector256.Create<uint>(words[row..]));
            sums.V1 = Round(sums.V1, Vector256.Create<uint>(words[(row + 8)..]));
            sums.V2 = Round(sums.V2, Vector256.Create<uint>(words[(row + 16)..]));
            sums.V3 = Round(sums.V3, Vector256.Create<uint>(words[(row + 24)..]));
        }

        for (var extra = 0; extra < 2; extra++)
        {
            sums.V0 = Round(sums.V0, Vector256<uint>.Zero);
            sums.V1 = Round(sums.V1, Vector256<uint>.Zero);
            sums.V2 = Round(sums.V2, Vector256<uint>.Zero);
            sums.V3 = Round(sums.V3, Vector256<uint>.Zero);
        }

        var folded = sums.V0 ^ sums.V1 ^ sums.V2 ^ sums.V3;
        var result = block;
        for (var lane = 0; lane < Vector256<uint>.Count; lane++)
            result ^= folded[lane];
        return (ushort)((result % 65535) + 1);
    }

    private static Vector256<uint> Round(Vector256<uint> sum, Vector256<uint> value)
    {
        var mixed = sum ^ value;
        return (mixed * Prime) ^ Vector256.ShiftRightLogical(mixed, 17);
    }
}
