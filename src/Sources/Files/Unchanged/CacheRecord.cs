using System.Buffers.Binary;
using Backup.Sources.Posix;

namespace Backup.Sources.Files.Unchanged;

/// <summary>What must be the same for a file to count as unchanged.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedNanoseconds">Modification time.</param>
/// <param name="ChangedNanoseconds">Change time: covers owner, mode and attributes, and cannot be set back by a program.</param>
/// <param name="Inode">A replaced file has another one.</param>
internal readonly record struct FileStamp(long Size, long ModifiedNanoseconds, long ChangedNanoseconds, ulong Inode)
{
    internal const int Bytes = 32;

    /// <summary>The same, for a content that may not be the file's any more: it equals no file's stamp.</summary>
    internal FileStamp Unsettled => this with { ChangedNanoseconds = -1 };

    internal static FileStamp Of(in FileStatus status) =>
        new(status.Size, status.ModifiedNanoseconds, status.ChangedNanoseconds, status.Inode);

    internal static FileStamp Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt64LittleEndian(bytes),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));

    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Size);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], ModifiedNanoseconds);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], ChangedNanoseconds);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], Inode);
    }
}

/// <summary>
/// The cache file, version 2: <c>magic[8] vault[16] scope[32] record* root[8] snapshot[32] sha256[32]</c>, little-endian. The records are directories,
/// children before parents, each <c>count[4]</c> and then its entries by name: <c>kind[1] nameLength[2] payloadLength[4] name payload</c>.
/// A directory's payload is the offset of its record; a file's is its stamp and then the rest of what a tree entry needs.
/// </summary>
internal static class CacheFormat
{
    internal const int HeaderBytes = 8 + 16 + 32;
    internal const int TrailerBytes = 8 + 32 + 32;
    internal const int EntryHeaderBytes = 7;
    internal const byte DirectoryKind = 1;
    internal const byte FileKind = 2;

    internal static ReadOnlySpan<byte> Magic => "BkUnch\x00\x02"u8;
}
