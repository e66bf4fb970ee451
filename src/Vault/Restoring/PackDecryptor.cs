using System.Collections.Concurrent;
using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>Opens packs for reading; remembers the session keys, since all packs of a session share one.</summary>
internal sealed class PackDecryptor(VaultSecrets secrets)
{
    private readonly RestoreSecrets _restore = secrets.RequireRestore("read content");
    private readonly ConcurrentDictionary<VaultIdAndSession, byte[]> _sessions = new();

    private readonly record struct VaultIdAndSession(UInt128 Session, uint Epoch);

    internal VaultSecrets Secrets => secrets;

    /// <summary>The frame cipher of a pack, from its first 192 bytes. Not thread-safe; dispose it.</summary>
    internal AesGcm Open(ReadOnlySpan<byte> header, ObjectName pack)
    {
        ObjectPrefix.Check(header, pack.Kind, secrets.Vault, pack.ToString());
        var key = new VaultIdAndSession(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(PackHeader.SessionIdOf(header)), PackHeader.EpochOf(header));
        if (!_sessions.TryGetValue(key, out var session))
        {
            session = PackHeader.OpenSession(header, secrets.Vault, _restore, pack.ToString());
            _sessions.TryAdd(key, session);
        }

        return PackHeader.FrameCipher(header, session);
    }

    /// <summary>Decrypts one frame into <paramref name="encoded"/>, which must have the stored length less the tag.</summary>
    internal static void Decrypt(AesGcm cipher, ReadOnlySpan<byte> header, uint ordinal, ReadOnlySpan<byte> stored, Span<byte> encoded, ObjectName pack)
    {
        if (!AuthenticatedCipher.TryDecrypt(cipher, ordinal, stored, encoded, header))
            throw VaultException.Damaged(pack.ToString(), $"frame {ordinal} is not authentic");
    }
}
