using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Vault.Encryption;

/// <summary>The one way this vault encrypts: AES-256-GCM under a key that HKDF-SHA256 derived for one purpose and one salt.</summary>
/// <remarks>Every (key, salt) encrypts with nonces that count from zero, so no nonce ever repeats under one key.</remarks>
internal static class AuthenticatedCipher
{
    internal const int KeyBytes = 32, TagBytes = 16, NonceBytes = 12, SaltBytes = 32;

    internal static void DeriveKey(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> salt, string purpose, Span<byte> key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, salt, Encoding.ASCII.GetBytes(purpose));

    internal static void WriteNonce(Span<byte> nonce, ulong counter)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, counter);
    }

    /// <summary>Salt ‖ ciphertext ‖ tag, under a key of this message's own.</summary>
    internal static byte[] SealOnce(ReadOnlySpan<byte> secret, string purpose, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> bound)
    {
        var message = new byte[SaltBytes + plain.Length + TagBytes];
        SealOnce(secret, purpose, plain, bound, message);
        return message;
    }

    /// <summary>The same into a span of exactly the length that salt, ciphertext and tag need.</summary>
    internal static void SealOnce(ReadOnlySpan<byte> secret, string purpose, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> bound, Span<byte> message)
    {
        RandomNumberGenerator.Fill(message[..SaltBytes]);
        Span<byte> key = stackalloc byte[KeyBytes];
        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        DeriveKey(secret, message[..SaltBytes], purpose, key);
        using var cipher = new AesGcm(key, TagBytes);
        cipher.Encrypt(nonce, plain, message.Slice(SaltBytes, plain.Length), message[(SaltBytes + plain.Length)..], bound);
        CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>Opens what <see cref="SealOnce(ReadOnlySpan{byte}, string, ReadOnlySpan{byte}, ReadOnlySpan{byte})"/> made, or null when it is not authentic under this secret.</summary>
    internal static byte[]? OpenOnce(ReadOnlySpan<byte> secret, string purpose, ReadOnlySpan<byte> message, ReadOnlySpan<byte> bound)
    {
        if (message.Length < SaltBytes + TagBytes) return null;
        var plain = new byte[message.Length - SaltBytes - TagBytes];
        return TryOpenOnce(secret, purpose, message, bound, plain) ? plain : null;
    }

    /// <summary>The same into a span of exactly the plain length. False when it is not authentic.</summary>
    internal static bool TryOpenOnce(ReadOnlySpan<byte> secret, string purpose, ReadOnlySpan<byte> message, ReadOnlySpan<byte> bound, Span<byte> plain)
    {
        Span<byte> key = stackalloc byte[KeyBytes];
        DeriveKey(secret, message[..SaltBytes], purpose, key);
        using var cipher = new AesGcm(key, TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return TryDecrypt(cipher, 0, message[SaltBytes..], plain, bound);
    }

    /// <summary>Decrypts ciphertext ‖ tag into a span of exactly the plain length. False when not authentic.</summary>
    internal static bool TryDecrypt(AesGcm cipher, ulong counter, ReadOnlySpan<byte> sealedPart, Span<byte> plain, ReadOnlySpan<byte> bound)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(nonce, counter);
        try
        {
            cipher.Decrypt(nonce, sealedPart[..^TagBytes], sealedPart[^TagBytes..], plain, bound);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}
