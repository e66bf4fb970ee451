using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Packs;

/// <summary>One writer's random data key, sealed once to the current epoch's public key and carried in all of its packs.</summary>
internal sealed class WriteSession
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(AuthenticatedCipher.KeyBytes);
    private readonly byte[] _id = RandomNumberGenerator.GetBytes(PackHeader.SessionIdBytes);
    private readonly byte[] _box;

    internal WriteSession(VaultSecrets secrets)
    {
        Secrets = secrets;
        _box = PackHeader.SealSession(secrets, _id, _key);
    }

    internal VaultSecrets Secrets { get; }

    /// <summary>Writes a header with a fresh salt and answers the cipher for the frames under it.</summary>
    internal AesGcm BeginPack(Span<byte> header, ObjectKind kind)
    {
        Span<byte> salt = stackalloc byte[AuthenticatedCipher.SaltBytes];
        RandomNumberGenerator.Fill(salt);
        PackHeader.Write(header, kind, Secrets.Vault, _id, Secrets.Epoch, salt, _box);
        return PackHeader.FrameCipher(header[..PackHeader.Length], _key);
    }
}
