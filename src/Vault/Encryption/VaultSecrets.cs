using System.Security.Cryptography;
namespace Backup.Vault.Encryption;

/// <summary>What an opened vault works with. Without <see cref="Restore"/> nothing stored can be read back.</summary>
internal sealed class VaultSecrets
{
    internal VaultSecrets(VaultId vault, byte[] idKey, byte[] indexKey, byte[] signingPublic, uint epoch, byte[] epochPublic, RestoreSecrets? restore)
    {
        Vault = vault;
        IdKey = idKey;
        IndexKey = indexKey;
        SigningPublic = signingPublic;
        Epoch = epoch;
        EpochPublic = BoxKey.FromPublic(epochPublic);
        Restore = restore;
        DataIdKey = Derive("chunk id: data");
        MetaIdKey = Derive("chunk id: meta");
        GearKey = Derive("gear table");

        byte[] Derive(string purpose)
        {
            var key = new byte[32];
            AuthenticatedCipher.DeriveKey(idKey, default, purpose, key);
            return key;
        }
    }

    internal VaultId Vault { get; }

    internal byte[] IdKey { get; }

    internal byte[] IndexKey { get; }

    internal byte[] SigningPublic { get; }

    internal uint Epoch { get; }

    internal BoxKey EpochPublic { get; }

    internal RestoreSecrets? Restore { get; }

    /// <summary>Content and metadata have id keys of their own: a file that holds the bytes of a tree is not that tree.</summary>
    internal byte[] DataIdKey { get; }

    internal byte[] MetaIdKey { get; }

    internal byte[] GearKey { get; }

    internal RestoreSecrets RequireRestore(string action) => Restore ?? throw new VaultException(
        VaultFault.KeyRole, $"A backup key cannot {action}.", "Use a restore key, a passphrase or the recovery kit.");
}

/// <summary>The secrets only a restore key opens.</summary>
internal sealed class RestoreSecrets(byte[] root, byte[] signingPrivate, IReadOnlyDictionary<uint, BoxKey> epochs)
{
    internal const int RootBytes = 32;

    /// <summary>Wraps secrets and epoch private keys; sealed to every slot; replaced at every rotation.</summary>
    internal byte[] Root { get; } = root;

    internal byte[] SigningPrivate { get; } = signingPrivate;

    internal IReadOnlyDictionary<uint, BoxKey> Epochs { get; } = epochs;
}

/// <summary>The signing key as ECDSA.</summary>
internal static class Signing
{
    internal static ECDsa Open(ReadOnlySpan<byte> point, byte[] secret) => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() },
        D = secret,
    });

    internal static byte[] Fingerprint(ReadOnlySpan<byte> point) => SHA256.HashData(point)[..RestoreKey.FingerprintBytes];
}
