using System.Buffers;
using System.Buffers.Binary;

namespace Backup.Sources.Posix;

/// <summary>One entry as the directory holds it; the type is <see cref="FileType.Unknown"/> where the file system does not keep it there.</summary>
internal readonly record struct DirectoryEntry(byte[] Name, FileType Type, ulong Inode);

/// <summary>Reads whole directories, sorted by the bytes of the names so that equal directories give equal trees.</summary>
internal static unsafe class DirectoryListing
{
    private const int BufferBytes = 64 * 1024;

    internal static Errno Read(Descriptor directory, out List<DirectoryEntry> entries)
    {
        entries = [];
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            fixed (byte* start = buffer)
            {
                while (true)
                {
                    var length = Libc.ReadDirectory(directory.Number, start, buffer.Length);
                    if (length < 0)
                        return Errno.Last;
                    if (length == 0)
                        break;
                    Parse(buffer.AsSpan(0, (int)length), entries);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        entries.Sort(static (left, right) => left.Name.AsSpan().SequenceCompareTo(right.Name));
        return Errno.None;
    }

    // struct linux_dirent64: inode u64, offset s64, record length u16, type u8, name (NUL-terminated).
    private static void Parse(ReadOnlySpan<byte> records, List<DirectoryEntry> entries)
    {
        const int nameOffset = 19;
        while (!records.IsEmpty)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(records[16..]);
            var name = records[nameOffset..length];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                entries.Add(new DirectoryEntry(name.ToArray(), (FileType)(records[18] << 12), BinaryPrimitives.ReadUInt64LittleEndian(records)));
            records = records[length..];
        }
    }
}
