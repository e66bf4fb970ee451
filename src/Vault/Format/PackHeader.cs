using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>The first 192 bytes of a pack: whose it is, the session key sealed to the epoch's public key, and the pack's salt.</summary>
internal static class PackHeader
{
    internal const int Length = 192, SessionIdBytes = 16;
    private const int SessionAt = ObjectPrefix.Length, EpochAt = SessionAt + SessionIdBytes, SaltAt = EpochAt + 4, BoxAt = SaltAt + AuthenticatedCipher.SaltBytes;
    private const int BoxBytes = AuthenticatedCipher.KeyBytes + SealedBox.OverheadBytes;
    private const string SessionPurpose = "epoch: session key", FramePurpose = "session: pack frames", DirectoryPurpose = "index key: pack directory";

    /// <summary>Seals a session key once; the result goes into every pack of that session.</summary>
    internal static byte[] SealSession(VaultSecrets secrets, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> sessionKey)
    {
        var bound = BoundToSession(secrets.Vault, secrets.Epoch, sessionId);
        return SealedBox.Seal(secrets.EpochPublic, SessionPurpose, sessionKey, bound);
    }

    internal static void Write(Span<byte> destination, ObjectKind kind, VaultId vault, ReadOnlySpan<byte> sessionId, uint epoch, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> box)
    {
        destination[..Length].Clear();
        ObjectPrefix.Write(destination, kind, vault);
        sessionId.CopyTo(destination[SessionAt..]);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(destination[EpochAt..], epoch);
        salt.CopyTo(destination[SaltAt..]);
        box.CopyTo(destination[BoxAt..]);
    }

    internal static uint EpochOf(ReadOnlySpan<byte> header) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(header[EpochAt..]);

    internal static ReadOnlySpan<byte> SessionIdOf(ReadOnlySpan<byte> header) => header.Slice(SessionAt, SessionIdBytes);

    internal static byte[] OpenSession(ReadOnlySpan<byte> header, VaultId vault, RestoreSecrets restore, string what)
    {
        var epoch = EpochOf(header);
        if (!restore.Epochs.TryGetValue(epoch, out var pair)) throw VaultException.Damaged(what, $"it names epoch {epoch}, which the keyring does not hold");
        var key = SealedBox.Open(pair, SessionPurpose, header.Slice(BoxAt, BoxBytes), BoundToSession(vault, epoch, SessionIdOf(header)));
        return key is { Length: AuthenticatedCipher.KeyBytes } ? key : throw VaultException.Damaged(what, "its session key does not open");
    }

    /// <summary>The cipher for the frames of one pack. Frame n uses nonce n and the whole header as associated data.</summary>
    internal static AesGcm FrameCipher(ReadOnlySpan<byte> header, ReadOnlySpan<byte> sessionKey) => CipherFor(sessionKey, header, FramePurpose);

    /// <summary>The cipher for trailer (nonce 0) and directory (nonce 1), which a backup key can open too: the index can be rebuilt with it.</summary>
    internal static AesGcm DirectoryCipher(ReadOnlySpan<byte> header, ReadOnlySpan<byte> indexKey) => CipherFor(indexKey, header, DirectoryPurpose);

    private static AesGcm CipherFor(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> header, string purpose)
    {
        Span<byte> key = stackalloc byte[AuthenticatedCipher.KeyBytes];
        AuthenticatedCipher.DeriveKey(secret, header.Slice(SaltAt, AuthenticatedCipher.SaltBytes), purpose, key);
        var cipher = new AesGcm(key, AuthenticatedCipher.TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }

    private static byte[] BoundToSession(VaultId vault, uint epoch, ReadOnlySpan<byte> sessionId)
    {
        var writer = new ByteWriter(36);
        vault.CopyTo(writer.Take(VaultId.Length));
        writer.U32(epoch);
        writer.Raw(sessionId);
        return writer.ToArray();
    }
}
