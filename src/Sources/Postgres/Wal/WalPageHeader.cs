using System.Buffers.Binary;

namespace Backup.Sources.Postgres.Wal;

/// <summary>What every 8 KiB page of write-ahead log begins with; the same layout from PostgreSQL 13 to 18.</summary>
internal readonly ref struct WalPageHeader(ReadOnlySpan<byte> bytes)
{
    internal const int PageBytes = 8192;
    internal const int ShortBytes = 24;
    internal const int LongBytes = 40;

    private const int FirstIsContinuationFlag = 1;
    private const int LongFlag = 2;
    private const int FirstOverwritesFlag = 8;
    private const int FlagsMax = 15;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    internal ushort Magic => BinaryPrimitives.ReadUInt16LittleEndian(_bytes);

    private ushort Flags => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[2..]);

    internal bool HasKnownFlags => Flags <= FlagsMax;

    /// <summary>Longer, with the cluster's identity: the first page of a file.</summary>
    internal bool IsLong => (Flags & LongFlag) != 0;

    /// <summary>The page begins with the rest of a record from the page before.</summary>
    internal bool FirstIsContinuation => (Flags & FirstIsContinuationFlag) != 0;

    /// <summary>The record begun on the page before was never finished (the server crashed) and does not count.</summary>
    internal bool FirstOverwrites => (Flags & FirstOverwritesFlag) != 0;

    internal uint Timeline => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[4..]);

    internal Lsn Address => new(BinaryPrimitives.ReadUInt64LittleEndian(_bytes[8..]));

    /// <summary>Bytes that the continued record still has, from this page on.</summary>
    internal uint ContinuationBytes => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[16..]);

    internal ulong SystemIdentifier => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[24..]);

    internal uint SegmentBytes => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[32..]);

    internal uint BlockBytes => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[36..]);

    /// <summary>The major version that writes this magic number, or null.</summary>
    internal static int? MajorVersionOf(ushort magic) => magic switch
    {
        0xD106 => 13,
        0xD10D => 14,
        0xD110 => 15,
        0xD113 => 16,
        0xD116 => 17,
        0xD118 => 18,
        _ => null,
    };
}
