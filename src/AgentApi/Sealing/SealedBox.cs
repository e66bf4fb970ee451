using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// Sign, then encrypt. ENVELOPE.md specifies every byte. An envelope is
/// <code>kind+version (4) | recipient key id (16) | encapsulated key (32) | ciphertext | tag (16)</code>
/// and its ciphertext holds <c>signature (64) | statement</c>. The signature covers the header too, so a signed statement
/// cannot be moved into another envelope, not even by the party that may read it.
/// </summary>
internal static class SealedBox
{
    public const int HeaderBytes = KindBytes + KeyId.Bytes + Hpke.EncapsulatedBytes;
    public const int OverheadBytes = HeaderBytes + SignatureBytes + Hpke.TagBytes;

    private const int KindBytes = 4;
    private const int AddressBytes = KindBytes + KeyId.Bytes;
    private const int SignatureBytes = 64;

    public static byte[] Seal(EnvelopeKind kind, PrivateIdentity sender, PublicIdentity recipient, ReadOnlySpan<byte> statement)
    {
        Span<byte> ephemeral = stackalloc byte[X25519.KeyBytes];
        X25519.NewSecret(ephemeral);
        var envelope = Seal(kind, sender, recipient, statement, ephemeral);
        CryptographicOperations.ZeroMemory(ephemeral);
        return envelope;
    }

    internal static byte[] Seal(EnvelopeKind kind, PrivateIdentity sender, PublicIdentity recipient, ReadOnlySpan<byte> statement, ReadOnlySpan<byte> ephemeral)
    {
        var envelope = new byte[OverheadBytes + statement.Length];
        var header = envelope.AsSpan(0, HeaderBytes);
        kind.Magic.CopyTo(header);
        recipient.KeyId.ToBytes().CopyTo(header[KindBytes..]);
        X25519.PublicOf(ephemeral, header[AddressBytes..]);

        var plain = new byte[SignatureBytes + statement.Length];
        sender.Sign(SignedBytes(kind, header, statement)).CopyTo(plain.AsSpan());
        statement.CopyTo(plain.AsSpan(SignatureBytes));

        using var cipher = HpkeCipher.ForSender(kind.Info, recipient.EncryptionKey, ephemeral, header[AddressBytes..]);
        // The encapsulated key is bound by HPKE itself.
        cipher.Encrypt(plain, envelope.AsSpan(HeaderBytes), header[..AddressBytes]);
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
        var plain = new byte[envelope.Length - HeaderBytes - Hpke.TagBytes];
        try
        {
            using var cipher = recipient.Decapsulate(kind.Info, header[AddressBytes..]);
            cipher.Decrypt(envelope[HeaderBytes..], plain, header[..AddressBytes]);
        }
        catch (CryptographicException e)
        {
            throw NotAuthentic(e);
        }
        return new OpenedBox(kind, header.ToArray(), plain[..SignatureBytes], plain.AsMemory(SignatureBytes));
    }

    public static AgentApiException NotAuthentic(Exception? cause = null) =>
        new(AgentApiFault.NotAuthentic, "The message was altered, or was not made by the sender it claims.", "If this repeats, somebody is interfering with the relay: check who holds its keys.", cause);

    internal static byte[] SignedBytes(EnvelopeKind kind, ReadOnlySpan<byte> header, ReadOnlySpan<byte> statement) => [.. kind.Label, .. header, .. statement];
}

/// <summary>The kinds of envelope; label and magic keep one from passing as another.</summary>
internal sealed class EnvelopeKind
{
    public static readonly EnvelopeKind Order = new("BKO\u0002"u8, "backup-functions/order/v2\0"u8, SealingLimits.OrderBytesMax);
    public static readonly EnvelopeKind Answer = new("BKA\u0002"u8, "backup-functions/answer/v2\0"u8, SealingLimits.AnswerBytesMax);
    public static readonly EnvelopeKind Enrolment = new("BKE\u0002"u8, "backup-functions/enrolment/v2\0"u8, SealingLimits.EnrolmentBytesMax);
    public static readonly EnvelopeKind Welcome = new("BKW\u0002"u8, "backup-functions/welcome/v2\0"u8, SealingLimits.EnrolmentBytesMax);

    private readonly byte[] _magic;
    private readonly byte[] _label;

    private EnvelopeKind(ReadOnlySpan<byte> magic, ReadOnlySpan<byte> label, int bytesMax)
    {
        _magic = magic.ToArray();
        _label = label.ToArray();
        Info = new HpkeInfo(label);
        BytesMax = bytesMax;
    }

    public ReadOnlySpan<byte> Magic => _magic;

    public ReadOnlySpan<byte> Label => _label;

    /// <summary>The label as HPKE's info.</summary>
    public HpkeInfo Info { get; }

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
