using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files.Unchanged;

/// <summary>What the cache keeps of an entry beside its stamp: all that would need the file opened again.</summary>
/// <param name="Content">A file's content; null for a link.</param>
/// <param name="LinkTarget">A link's target.</param>
/// <param name="Attributes">Extended attributes.</param>
/// <param name="Extents">A sparse file's data.</param>
internal readonly record struct CachedPayload(
    Content? Content,
    ReadOnlyMemory<byte> LinkTarget,
    IReadOnlyList<Xattr> Attributes,
    IReadOnlyList<Extent>? Extents)
{
    internal static byte[] Write(TreeEntry entry)
    {
        var content = entry.Content?.ToBytes() ?? [];
        var buffer = new ArrayBufferWriter<byte>(content.Length + 16);
        WriteBytes(buffer, content);
        WriteBytes(buffer, entry.LinkTarget.Span);
        WriteNumber(buffer, entry.Attributes.Count);
        foreach (var attribute in entry.Attributes)
        {
            WriteBytes(buffer, Encoding.UTF8.GetBytes(attribute.Name));
            WriteBytes(buffer, attribute.Value.Span);
        }

        WriteNumber(buffer, entry.Extents?.Count ?? -1);
        foreach (var extent in entry.Extents ?? [])
        {
            BinaryPrimitives.WriteInt64LittleEndian(buffer.GetSpan(8), extent.Offset);
            buffer.Advance(8);
            BinaryPrimitives.WriteInt64LittleEndian(buffer.GetSpan(8), extent.Length);
            buffer.Advance(8);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote; the cache's checksum has vouched for it.</summary>
    internal static CachedPayload Read(ReadOnlySpan<byte> bytes)
    {
        var content = TakeBytes(ref bytes);
        var target = TakeBytes(ref bytes).ToArray();
        var attributes = new Xattr[TakeNumber(ref bytes)];
        for (var i = 0; i < attributes.Length; i++)
            attributes[i] = new Xattr(Encoding.UTF8.GetString(TakeBytes(ref bytes)), TakeBytes(ref bytes).ToArray());
        Extent[]? extents = null;
        if (TakeNumber(ref bytes) is var count and >= 0)
        {
            extents = new Extent[count];
            for (var i = 0; i < count; i++)
            {
                extents[i] = new Extent(BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]));
                bytes = bytes[16..];
            }
        }

        return new CachedPayload(content.IsEmpty ? null : Content.FromBytes(content), target, attributes, extents);
    }

    private static void WriteNumber(ArrayBufferWriter<byte> buffer, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(buffer.GetSpan(4), value);
        buffer.Advance(4);
    }

    private static void WriteBytes(ArrayBufferWriter<byte> buffer, ReadOnlySpan<byte> bytes)
    {
        WriteNumber(buffer, bytes.Length);
        buffer.Write(bytes);
    }

    private static int TakeNumber(ref ReadOnlySpan<byte> bytes)
    {
        var value = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        bytes = bytes[4..];
        return value;
    }

    private static ReadOnlySpan<byte> TakeBytes(ref ReadOnlySpan<byte> bytes)
    {
        var length = TakeNumber(ref bytes);
        var taken = bytes[..length];
        bytes = bytes[length..];
        return taken;
    }
}
