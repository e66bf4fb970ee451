using System.Security.Cryptography;
using Aead = System.Security.Cryptography.ChaCha20Poly1305;

namespace Backup.AgentApi;

/// <summary>
/// RFC 9180 (HPKE) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305, for one message per
/// encapsulation. The primitives are libsodium's and OpenSSL's; this is only the RFC's key schedule, checked by its test vector.
/// </summary>
internal static class Hpke
{
    public const int EncapsulatedBytes = X25519.KeyBytes;
    public const int TagBytes = 16;
    public const int KeyBytes = 32;
    public const int NonceBytes = 12;
    public const int HashBytes = SHA256.HashSizeInBytes;

    /// <summary>"KEM" and the KEM's number 0x0020.</summary>
    public static ReadOnlySpan<byte> KemSuite => [0x4B, 0x45, 0x4D, 0x00, 0x20];

    /// <summary>"HPKE" and the numbers of KEM (0x0020), KDF (0x0001) and AEAD (0x0003).</summary>
    public static ReadOnlySpan<byte> Suite => [0x48, 0x50, 0x4B, 0x45, 0x00, 0x20, 0x00, 0x01, 0x00, 0x03];

    private static ReadOnlySpan<byte> Version => "HPKE-v1"u8;

    public static void LabeledExtract(ReadOnlySpan<byte> suite, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> label, ReadOnlySpan<byte> keyMaterial, Span<byte> into)
    {
        byte[] labeled = [.. Version, .. suite, .. label, .. keyMaterial];
        HKDF.Extract(HashAlgorithmName.SHA256, labeled, salt, into);
        CryptographicOperations.ZeroMemory(labeled);
    }

    public static void LabeledExpand(ReadOnlySpan<byte> suite, ReadOnlySpan<byte> key, ReadOnlySpan<byte> label, ReadOnlySpan<byte> context, Span<byte> into) =>
        HKDF.Expand(HashAlgorithmName.SHA256, key, into, [(byte)(into.Length >> 8), (byte)into.Length, .. Version, .. suite, .. label, .. context]);
}

/// <summary>What a message is for, as HPKE binds it: the part of the key schedule that is the same for every message.</summary>
internal sealed class HpkeInfo
{
    private readonly byte[] _context = new byte[1 + (2 * Hpke.HashBytes)];

    public HpkeInfo(ReadOnlySpan<byte> info)
    {
        // The first byte, 0, is the base mode.
        Hpke.LabeledExtract(Hpke.Suite, [], "psk_id_hash"u8, [], _context.AsSpan(1, Hpke.HashBytes));
        Hpke.LabeledExtract(Hpke.Suite, [], "info_hash"u8, info, _context.AsSpan(1 + Hpke.HashBytes));
    }

    public ReadOnlySpan<byte> ScheduleContext => _context;
}

/// <summary>The cipher of one message: key and nonce are used once, because every message has a fresh encapsulation.</summary>
internal sealed class HpkeCipher : IDisposable
{
    private readonly Aead _cipher;
    private readonly byte[] _nonce = new byte[Hpke.NonceBytes];

    private HpkeCipher(HpkeInfo info, ReadOnlySpan<byte> sharedSecret)
    {
        Span<byte> secret = stackalloc byte[Hpke.HashBytes];
        Span<byte> key = stackalloc byte[Hpke.KeyBytes];
        Hpke.LabeledExtract(Hpke.Suite, sharedSecret, "secret"u8, [], secret);
        Hpke.LabeledExpand(Hpke.Suite, secret, "key"u8, info.ScheduleContext, key);
        Hpke.LabeledExpand(Hpke.Suite, secret, "base_nonce"u8, info.ScheduleContext, _nonce);
        _cipher = new Aead(key);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>The sender's side.</summary>
    /// <param name="info">What the message is for.</param>
    /// <param name="recipient">The recipient's public key.</param>
    /// <param name="ephemeral">A secret made for this one message.</param>
    /// <param name="encapsulated">Its public half.</param>
    /// <exception cref="CryptographicException">The recipient's key is unusable.</exception>
    public static HpkeCipher ForSender(HpkeInfo info, ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> ephemeral, ReadOnlySpan<byte> encapsulated) =>
        Derive(info, ephemeral, recipient, encapsulated, recipient);

    /// <summary>The recipient's side.</summary>
    /// <param name="info">What the message is for.</param>
    /// <param name="secret">The recipient's secret key.</param>
    /// <param name="recipient">Its public half.</param>
    /// <param name="encapsulated">What the sender sent along.</param>
    /// <exception cref="CryptographicException">The encapsulation is no usable key.</exception>
    public static HpkeCipher ForRecipient(HpkeInfo info, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> encapsulated) =>
        Derive(info, secret, encapsulated, encapsulated, recipient);

    public void Encrypt(ReadOnlySpan<byte> plain, Span<byte> cipherAndTag, ReadOnlySpan<byte> associated) =>
        _cipher.Encrypt(_nonce, plain, cipherAndTag[..plain.Length], cipherAndTag[plain.Length..], associated);

    /// <exception cref="CryptographicException">The bytes were not made for this recipient, use and associated data.</exception>
    public void Decrypt(ReadOnlySpan<byte> cipherAndTag, Span<byte> plain, ReadOnlySpan<byte> associated) =>
        _cipher.Decrypt(_nonce, cipherAndTag[..plain.Length], cipherAndTag[plain.Length..], plain, associated);

    public void Dispose() => _cipher.Dispose();

    private static HpkeCipher Derive(HpkeInfo info, ReadOnlySpan<byte> own, ReadOnlySpan<byte> other, ReadOnlySpan<byte> encapsulated, ReadOnlySpan<byte> recipient)
    {
        Span<byte> agreed = stackalloc byte[X25519.KeyBytes];
        Span<byte> extracted = stackalloc byte[Hpke.HashBytes];
        Span<byte> shared = stackalloc byte[Hpke.HashBytes];
        X25519.Agree(own, other, agreed);
        Hpke.LabeledExtract(Hpke.KemSuite, [], "eae_prk"u8, agreed, extracted);
        Hpke.LabeledExpand(Hpke.KemSuite, extracted, "shared_secret"u8, [.. encapsulated, .. recipient], shared);
        var cipher = new HpkeCipher(info, shared);
        CryptographicOperations.ZeroMemory(agreed);
        CryptographicOperations.ZeroMemory(extracted);
        CryptographicOperations.ZeroMemory(shared);
        return cipher;
    }
}
