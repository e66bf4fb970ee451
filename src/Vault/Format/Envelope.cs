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
        var prefix = new byte[ObjectPrefix.Length];
        ObjectPrefix.Write(prefix, kind, vault);
        return [.. prefix, .. AuthenticatedCipher.SealOnce(key, purpose, content.WrittenSpan, prefix)];
    }

    internal static byte[] Open(ReadOnlySpan<byte> stored, ObjectKind kind, VaultId vault, ReadOnlySpan<byte> key, string purpose, string what)
    {
        ObjectPrefix.Check(stored, kind, vault, what);
        return AuthenticatedCipher.OpenOnce(key, purpose, stored[ObjectPrefix.Length..], stored[..ObjectPrefix.Length])
            ?? throw VaultException.Damaged(what, "it is not authentic");
    }
}
