using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>The shape of small encrypted objects: prefix ‖ salt ‖ AES-GCM(content ‖ zero padding) ‖ tag, the prefix bound as associated data.</summary>
internal static class Envelope
{
    private const int OverheadBytes = ObjectPrefix.Length + AuthenticatedCipher.SaltBytes + AuthenticatedCipher.TagBytes;

    internal static byte[] Seal(ObjectKind kind, VaultId vault, ReadOnlySpan<byte> key, string purpose, ByteWriter content)
    {
        content.Take(SizePadding.Pad(content.Length + OverheadBytes) - OverheadBytes - content.Length).Clear();
        var stored = new byte[content.Length + OverheadBytes];
        ObjectPrefix.Write(stored, kind, vault);
        AuthenticatedCipher.SealOnce(key, purpose, content.WrittenSpan, stored.AsSpan(0, ObjectPrefix.Length), stored.AsSpan(ObjectPrefix.Length));
        return stored;
    }

    /// <summary>How many bytes <see cref="Open(ReadOnlySpan{byte}, ObjectKind, VaultId, ReadOnlySpan{byte}, string, string, Span{byte})"/> makes of so many stored ones.</summary>
    internal static int PlainBytes(int storedBytes) => Math.Max(0, storedBytes - OverheadBytes);

    internal static byte[] Open(ReadOnlySpan<byte> stored, ObjectKind kind, VaultId vault, ReadOnlySpan<byte> key, string purpose, string what)
    {
        var plain = new byte[PlainBytes(stored.Length)];
        Open(stored, kind, vault, key, purpose, what, plain);
        return plain;
    }

    /// <summary>Opens into a span of <see cref="PlainBytes"/>.</summary>
    internal static void Open(ReadOnlySpan<byte> stored, ObjectKind kind, VaultId vault, ReadOnlySpan<byte> key, string purpose, string what, Span<byte> plain)
    {
        ObjectPrefix.Check(stored, kind, vault, what);
        if (stored.Length < OverheadBytes || !AuthenticatedCipher.TryOpenOnce(key, purpose, stored[ObjectPrefix.Length..], stored[..ObjectPrefix.Length], plain))
            throw VaultException.Damaged(what, "it is not authentic");
    }
}
