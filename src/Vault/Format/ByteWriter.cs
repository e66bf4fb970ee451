using System.Buffers.Binary;
using System.Text;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>Builds a stored structure. Integers are little-endian; varints are LEB128.</summary>
internal sealed class ByteWriter(int capacity = 256)
{
    private byte[] _buffer = new byte[capacity];

    internal int Length { get; private set; }

    internal ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, Length);

    internal ReadOnlySpan<byte> WrittenSpan => _buffer.AsSpan(0, Length);

    internal void Clear() => Length = 0;

    internal byte[] ToArray() => WrittenSpan.ToArray();

    internal Span<byte> Take(int count)
    {
        if (_buffer.Length - Length < count) Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + count));
        var span = _buffer.AsSpan(Length, count);
        Length += count;
        return span;
    }

    internal void U8(byte value) => Take(1)[0] = value;

    internal void U16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), value);

    internal void U32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    internal void U64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);

    internal void I64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Take(8), value);

    internal void VarUInt(ulong value)
    {
        while (value >= 0x80)
        {
            U8((byte)(value | 0x80));
            value >>= 7;
        }

        U8((byte)value);
    }

    internal void VarUInt(long value) => VarUInt((ulong)value);

    /// <summary>Zigzag: small magnitudes of either sign take few bytes.</summary>
    internal void VarInt(long value) => VarUInt((ulong)((value << 1) ^ (value >> 63)));

    internal void Raw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    internal void Hash(ContentHash hash) => hash.CopyTo(Take(ContentHash.Length));

    internal void Blob(ReadOnlySpan<byte> bytes)
    {
        VarUInt((ulong)bytes.Length);
        Raw(bytes);
    }

    internal void Text(string text) => Blob(Encoding.UTF8.GetBytes(text));
}
