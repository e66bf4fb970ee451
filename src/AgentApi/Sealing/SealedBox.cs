using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// Sign, then encrypt. An envelope is
/// <code>kind+version (4) | recipient key id (16) | ephemeral P-256 point (65) | ciphertext | tag (16)</code>
/// and its ciphertext holds <c>signature (64) | statement</c>. The signature covers the header too, so a signed statement
/// cannot be moved into another envelope, not even by the party that may read it.
/// </summary>
internal static class SealedBox
{
    public const int HeaderBytes = KindBytes + KeyId.Bytes + PointBytes;
    public const int OverheadBytes = HeaderBytes + SignatureBytes + TagBytes;

    private const int KindBytes = 4;
    private const int PointBytes = 65;
    private const int CoordinateBytes = 32;
    private const int SignatureBytes = 64;
    private const int TagBytes = 16;
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;

    public static byte[] Seal(EnvelopeKind kind, PrivateIdentity sender, PublicIdentity recipient, ReadOnlySpan<byte> statement)
    {
        using var ephemeral = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        return Seal(kind, sender, recipient, statement, ephemeral);
    }

    internal static byte[] Seal(EnvelopeKind kind, PrivateIdentity sender, PublicIdentity recipient, ReadOnlySpan<byte> statement, ECDiffieHellman ephemeral)
    {
        var envelope = new byte[OverheadBytes + statement.Length];
        var header = envelope.AsSpan(0, HeaderBytes);
        kind.Magic.CopyTo(header);
        recipient.KeyId.ToBytes().CopyTo(header[KindBytes..]);
        WritePoint(ephemeral, header[(KindBytes + KeyId.Bytes)..]);

        var plain = new byte[SignatureBytes + statement.Length];
        sender.Sign(SignedBytes(kind, header, statement)).CopyTo(plain.AsSpan());
        statement.CopyTo(plain.AsSpan(SignatureBytes));

        var shared = recipient.Agree(ephemeral);
        using var cipher = Cipher(kind, header, shared, out var nonce);
        cipher.Encrypt(nonce, plain, envelope.AsSpan(HeaderBytes, plain.Length), envelope.AsSpan(HeaderBytes + plain.Length), header);
        CryptographicOperations.ZeroMemory(plain);
        return envelope;
    }

    /// <summary>The key id an envelope is addressed to, after checking kind, version and size.</summary>
    public static KeyId Addressee(EnvelopeKind kind, ReadOnlySpan<byte> envelope)
    {
        if (envelope.Length > kind.BytesMax)
            throw new AgentApiException(AgentApiFault.TooLarge, "The message is larger than is accepted.", "Send less in one message.");
        if (envelope.Length < OverheadBytes || !envelope[..(KindBytes - 1)].SequenceEqual(kind.Magic[..(KindBytes - 1)]))
            throw new AgentApiException(AgentApiFault.Malformed, "The message is not a sealed message of the kind expected.", "Something that is not our control plane or agent answered at this address.");
        if (envelope[KindBytes - 1] != kind.Magic[KindBytes - 1])
            throw new AgentApiException(AgentApiFault.UnsupportedVersion, "The message uses another version of the sealing format.", "Bring control plane and agent to the same release.");
        return KeyId.FromBytes(envelope[KindBytes..]);
    }

    /// <summary>Decrypts; the signature is checked by <see cref="OpenedBox.RequireSignedBy"/>, once the claimed sender is known.</summary>
    public static OpenedBox Open(EnvelopeKind kind, PrivateIdentity recipient, ReadOnlySpan<byte> envelope)
    {
        var header = envelope[..HeaderBytes];
        var plain = new byte[envelope.Length - HeaderBytes - TagBytes];
        try
        {
            using var point = ReadPoint(header[(KindBytes + KeyId.Bytes)..]);
            var shared = recipient.Agree(point.PublicKey);
            using var cipher = Cipher(kind, header, shared, out var nonce);
            cipher.Decrypt(nonce, envelope.Slice(HeaderBytes, plain.Length), envelope[(HeaderBytes + plain.Length)..], plain, header);
        }
        catch (CryptographicException e)
        {
            throw NotAuthentic(e);
        }
        return new OpenedBox(kind, header.ToArray(), plain[..SignatureBytes], plain.AsMemory(SignatureBytes));
    }

    public static AgentApiException NotAuthentic(Exception? cause = null) =>
        new(AgentApiFault.NotAuthentic, "The message was altered, or was not made by the sender it claims.", "If this repeats, somebody is interfering with the relay: check who holds its keys.", cause);

    internal static byte[] SignedBytes(EnvelopeKind kind, ReadOnlySpan<byte> header, ReadOnlySpan<byte> statement) =>
        [.. kind.Label, .. SHA256.HashData(header), .. statement];

    // The ephemeral key is fresh per message, so key and nonce are both used once; deriving the nonce saves carrying it.
    private static AesGcm Cipher(EnvelopeKind kind, ReadOnlySpan<byte> header, byte[] shared, out byte[] nonce)
    {
        Span<byte> material = stackalloc byte[KeyBytes + NonceBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, shared, material, salt: header, info: kind.Label);
        CryptographicOperations.ZeroMemory(shared);
        nonce = material[KeyBytes..].ToArray();
        var cipher = new AesGcm(material[..KeyBytes], TagBytes);
        CryptographicOperations.ZeroMemory(material);
        return cipher;
    }

    private static void WritePoint(ECDiffieHellman key, Span<byte> into)
    {
        var q = key.ExportParameters(includePrivateParameters: false).Q;
        into[0] = 0x04;
        q.X!.CopyTo(into[1..]);
        q.Y!.CopyTo(into[(1 + CoordinateBytes)..]);
    }

    private static ECDiffieHellman ReadPoint(ReadOnlySpan<byte> point)
    {
        if (point[0] != 0x04) throw new CryptographicException("The point is not uncompressed.");
        // The import refuses points that are not on the curve.
        return ECDiffieHellman.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = point.Slice(1, CoordinateBytes).ToArray(), Y = point.Slice(1 + CoordinateBytes, CoordinateBytes).ToArray() },
        });
    }
}

/// <summary>The two kinds of envelope; label and magic keep one from passing as the other.</summary>
internal sealed class EnvelopeKind
{
    public static readonly EnvelopeKind Order = new("BKO\u0001"u8, "backup-functions/order/v1\0"u8, SealingLimits.OrderBytesMax);
    public static readonly EnvelopeKind Answer = new("BKA\u0001"u8, "backup-functions/answer/v1\0"u8, SealingLimits.AnswerBytesMax);

    private readonly byte[] _magic;
    private readonly byte[] _label;

    private EnvelopeKind(ReadOnlySpan<byte> magic, ReadOnlySpan<byte> label, int bytesMax)
    {
        _magic = magic.ToArray();
        _label = label.ToArray();
        BytesMax = bytesMax;
    }

    public ReadOnlySpan<byte> Magic => _magic;

    public ReadOnlySpan<byte> Label => _label;

    public int BytesMax { get; }
}

/// <summary>A decrypted envelope whose statement must not be believed before its signature is checked.</summary>
internal sealed class OpenedBox(EnvelopeKind kind, byte[] header, byte[] signature, ReadOnlyMemory<byte> statement)
{
    /// <summary>The statement: only its claimed sender may be read before <see cref="RequireSignedBy"/>.</summary>
    public ReadOnlyMemory<byte> Statement => statement;

    public void RequireSignedBy(PublicIdentity sender)
    {
        if (!sender.Verify(SealedBox.SignedBytes(kind, header, statement.Span), signature)) throw SealedBox.NotAuthentic();
    }
}
