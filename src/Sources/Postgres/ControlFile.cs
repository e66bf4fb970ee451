using System.Buffers.Binary;
using System.Numerics;

namespace Backup.Sources.Postgres;

/// <summary>
/// <c>global/pg_control</c>: which cluster a data directory is. The server rewrites it in place, so a copy taken while it runs may be
/// torn; its CRC-32C says so.
/// </summary>
internal static class ControlFile
{
    internal const int Bytes = 8192;

    // Nothing older or newer than the supported versions has its checksum outside of this range; the file's used part ends before 512.
    private const int ChecksumOffsetMin = 200;
    private const int ChecksumOffsetMax = 508;

    // Behind the identifier and two versions; its values are the same since PostgreSQL 9.
    private const int StateOffset = 16;
    private const uint InArchiveRecovery = 5;

    internal static ulong SystemIdentifier(ReadOnlySpan<byte> content) => BinaryPrimitives.ReadUInt64LittleEndian(content);

    /// <summary>Replays log from a base backup, or was killed while it did.</summary>
    internal static bool IsInArchiveRecovery(ReadOnlySpan<byte> content) => BinaryPrimitives.ReadUInt32LittleEndian(content[StateOffset..]) == InArchiveRecovery;

    /// <summary>
    /// Whether some place in the content holds the CRC-32C of all before it. The place differs between versions; a chance match of
    /// a torn copy has odds of about 1 to 50 million.
    /// </summary>
    internal static bool IsWhole(ReadOnlySpan<byte> content)
    {
        if (content.Length != Bytes)
            return false;
        var crc = 0xFFFFFFFFu;
        for (var offset = 0; offset <= ChecksumOffsetMax; offset += sizeof(uint))
        {
            var word = BinaryPrimitives.ReadUInt32LittleEndian(content[offset..]);
            if (offset >= ChecksumOffsetMin && word == ~crc)
                return true;
            crc = BitOperations.Crc32C(crc, word);
        }

        return false;
    }
}
