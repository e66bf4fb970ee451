using System.Buffers.Binary;
using System.Numerics;

namespace Backup.Sources.Postgres;

/// <summary>The checksum of PostgreSQL's log records and backup manifests (Castagnoli), as it grows: begun with all bits set, and inverted at the end.</summary>
internal static class Crc32C
{
    internal static uint Add(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var single in bytes)
            crc = BitOperations.Crc32C(crc, single);
        return crc;
    }
}
