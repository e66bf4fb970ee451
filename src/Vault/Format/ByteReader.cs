using System.Buffers.Binary;
using System.Text;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>Reads a stored structure and trusts nothing: every length is checked against what is left before memory is taken.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes, string what)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly string _what = what;

    internal int Position { get; private set; }

    internal readonly int Left => _bytes.Length - Position;

    internal readonly VaultException Bad(string problem) => VaultException.Damaged(_what, problem);

    internal ReadOnlySpan<byte> Raw(int count)
    {
        if (count < 0 || count > Left) throw Bad($"it ends inside a field at byte {Position}");
        var span = _bytes.Slice(Position, count);
        Position += count;
        return span;
    }

    internal byte U8() => Raw(1)[0];

    internal ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Raw(2));

    internal uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Raw(4));

    internal ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Raw(8));

    internal long I64() => BinaryPrimitives.ReadInt64LittleEndian(Raw(8));

    internal ulong VarUInt()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var b = U8();
            if (shift == 63 && b > 1) break;
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return value;
        }

        throw Bad($"the number before byte {Position} has more than 64 bits");
    }

    internal long VarInt()
    {
        var value = VarUInt();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    /// <summary>A number that must lie in 0..<paramref name="max"/>.</summary>
    internal long VarUpTo(long max)
    {
        var value = VarUInt();
        if (value > (ulong)max) throw Bad($"the number {value} before byte {Position} is over its limit {max}");
        return (long)value;
    }

    /// <summary>A count of items that each take at least <paramref name="bytesEach"/> more bytes, so a lie cannot make us allocate.</summary>
    internal int Count(int bytesEach) => (int)VarUpTo(Left / Math.Max(1, bytesEach));

    internal ContentHash Hash() => new(Raw(ContentHash.Length));

    internal ReadOnlySpan<byte> Blob(int max) => Raw((int)VarUpTo(Math.Min(max, Left)));

    internal string Text(int maxBytes) => Encoding.UTF8.GetString(Blob(maxBytes));

    internal readonly void End()
    {
        if (Left != 0) throw Bad($"{Left} bytes follow its end");
    }
}
