using System.Security.Cryptography;

namespace Backup.Vault.Encryption;

/// <summary>An ECDH P-256 key pair or public key: what session keys and the restore root are sealed to.</summary>
internal sealed class BoxKey
{
    internal const int PublicBytes = 65, PrivateBytes = 32;

    private BoxKey(byte[] publicKey, byte[]? privateKey)
    {
        Public = publicKey;
        Private = privateKey;
    }

    /// <summary>Uncompressed point: 4 ‖ X ‖ Y.</summary>
    internal byte[] Public { get; }

    internal byte[]? Private { get; }

    internal static BoxKey New()
    {
        using var pair = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var parameters = pair.ExportParameters(includePrivateParameters: true);
        return new BoxKey([4, .. parameters.Q.X!, .. parameters.Q.Y!], parameters.D!);
    }

    internal static BoxKey FromPublic(ReadOnlySpan<byte> point)
    {
        if (point.Length != PublicBytes || point[0] != 4) throw new ArgumentException("Not an uncompressed P-256 point.", nameof(point));
        return new BoxKey(point.ToArray(), null);
    }

    internal static BoxKey FromPair(ReadOnlySpan<byte> point, ReadOnlySpan<byte> secret)
    {
        if (secret.Length != PrivateBytes) throw new ArgumentException("Not a P-256 private key.", nameof(secret));
        return new BoxKey(FromPublic(point).Public, secret.ToArray());
    }

    /// <summary>Throws <see cref="CryptographicException"/> when the point is not on the curve or the pair does not match.</summary>
    internal ECDiffieHellman Open() => ECDiffieHellman.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = Public[1..33], Y = Public[33..] },
        D = Private,
    });
}

/// <summary>Seals a few bytes so that only the holder of a private key opens them: ephemeral ECDH P-256, HKDF-SHA256, AES-256-GCM.</summary>
/// <remarks>Layout: ephemeral point (65) ‖ ciphertext ‖ tag (16). The HKDF salt is ephemeral ‖ recipient point, so a box fits one recipient.</remarks>
internal static class SealedBox
{
    internal const int OverheadBytes = BoxKey.PublicBytes + AuthenticatedCipher.TagBytes;

    internal static byte[] Seal(BoxKey recipient, string purpose, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> bound)
    {
        var ephemeral = BoxKey.New();
        using var mine = ephemeral.Open();
        using var theirs = recipient.Open();
        using var theirPublic = theirs.PublicKey;
        var shared = mine.DeriveRawSecretAgreement(theirPublic);
        using var cipher = CipherFor(shared, ephemeral.Public, recipient.Public, purpose);
        var box = new byte[plain.Length + OverheadBytes];
        ephemeral.Public.CopyTo(box, 0);
        Span<byte> nonce = stackalloc byte[AuthenticatedCipher.NonceBytes];
        nonce.Clear();
        cipher.Encrypt(nonce, plain, box.AsSpan(BoxKey.PublicBytes, plain.Length), box.AsSpan(BoxKey.PublicBytes + plain.Length), bound);
        CryptographicOperations.ZeroMemory(shared);
        return box;
    }

    /// <summary>The plain bytes, or null when the box was not sealed to this key or is not authentic.</summary>
    internal static byte[]? Open(BoxKey recipient, string purpose, ReadOnlySpan<byte> box, ReadOnlySpan<byte> bound)
    {
        if (box.Length < OverheadBytes || box[0] != 4) return null;
        try
        {
            var ephemeral = BoxKey.FromPublic(box[..BoxKey.PublicBytes]);
            using var mine = recipient.Open();
            using var theirs = ephemeral.Open();
            using var theirPublic = theirs.PublicKey;
            var shared = mine.DeriveRawSecretAgreement(theirPublic);
            using var cipher = CipherFor(shared, ephemeral.Public, recipient.Public, purpose);
            CryptographicOperations.ZeroMemory(shared);
            var plain = new byte[box.Length - OverheadBytes];
            return AuthenticatedCipher.TryDecrypt(cipher, 0, box[BoxKey.PublicBytes..], plain, bound) ? plain : null;
        }
        catch (CryptographicException)
        {
            // A point off the curve: not a box anyone sealed. The caller reports it as such.
            return null;
        }
    }

    private static AesGcm CipherFor(ReadOnlySpan<byte> shared, ReadOnlySpan<byte> ephemeral, ReadOnlySpan<byte> recipient, string purpose)
    {
        Span<byte> salt = stackalloc byte[BoxKey.PublicBytes * 2];
        ephemeral.CopyTo(salt);
        recipient.CopyTo(salt[BoxKey.PublicBytes..]);
        Span<byte> key = stackalloc byte[AuthenticatedCipher.KeyBytes];
        AuthenticatedCipher.DeriveKey(shared, salt, purpose, key);
        var cipher = new AesGcm(key, AuthenticatedCipher.TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }
}
