using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Backup.Vault.Storage;

namespace Backup.Vault;

/// <summary>A vault's identity: 16 random bytes made when it is created.</summary>
public readonly record struct VaultId
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 16;

    // Two words, not one UInt128: code that touches that type is left out of ahead-of-time compilation, and every command opens a vault.
    private readonly ulong _high, _low;

    /// <summary>Takes exactly <see cref="Length"/> bytes.</summary>
    public VaultId(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Length) throw new ArgumentException($"A vault id has {Length} bytes.", nameof(bytes));
        _high = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _low = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
    }

    /// <summary>Reads 32 hexadecimal digits.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out VaultId id)
    {
        id = default;
        Span<byte> bytes = stackalloc byte[Length];
        if (text.Length != Length * 2 || Convert.FromHexString(text, bytes, out _, out _) != OperationStatus.Done) return false;
        id = new VaultId(bytes);
        return true;
    }

    internal static VaultId New() => new(RandomNumberGenerator.GetBytes(Length));

    /// <summary>Writes the 16 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _low);
    }

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{_high:x16}{_low:x16}");
}

/// <summary>Identity of a chunk: HMAC-SHA-256 of its plain bytes under the vault's id key.</summary>
/// <param name="Hash">The 32 bytes.</param>
public readonly record struct ChunkId(ContentHash Hash)
{
    /// <inheritdoc/>
    public override string ToString() => Hash.ToString();
}

/// <summary>Identity of a stored directory tree: the chunk id of its root node.</summary>
/// <param name="Chunk">The chunk that holds it.</param>
public readonly record struct TreeId(ChunkId Chunk)
{
    /// <inheritdoc/>
    public override string ToString() => Chunk.ToString();
}

/// <summary>Identity of a snapshot: the SHA-256 in its store object's name.</summary>
/// <param name="Hash">The 32 bytes.</param>
public readonly record struct SnapshotId(ContentHash Hash)
{
    /// <summary>The store object that is this snapshot.</summary>
    public ObjectName Name => new(ObjectKind.Snapshot, Hash);

    /// <summary>Reads 64 lower-case hexadecimal digits.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SnapshotId id)
    {
        var parsed = ContentHash.TryParse(text, out var hash);
        id = new SnapshotId(hash);
        return parsed;
    }

    /// <inheritdoc/>
    public override string ToString() => Hash.ToString();
}
