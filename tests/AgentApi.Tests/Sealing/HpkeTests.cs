using System.Security.Cryptography;
using Shouldly;

namespace Backup.AgentApi.Tests.Sealing;

/// <summary>RFC 9180, appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode, first message.</summary>
public sealed class HpkeTests
{
    private static readonly byte[] Info = Convert.FromHexString("4f6465206f6e2061204772656369616e2055726e");
    private static readonly byte[] EphemeralSeed = Convert.FromHexString("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    private static readonly byte[] Encapsulated = Convert.FromHexString("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
    private static readonly byte[] RecipientSecret = Convert.FromHexString("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    private static readonly byte[] RecipientPublic = Convert.FromHexString("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    private static readonly byte[] Associated = "Count-0"u8.ToArray();
    private static readonly byte[] Plain = "Beauty is truth, truth beauty"u8.ToArray();
    private static readonly byte[] Cipher = Convert.FromHexString("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28");

    [Fact]
    public void Encrypt_OfTheRfcsMessage_GivesTheRfcsBytes()
    {
        Span<byte> seeded = stackalloc byte[32];
        Span<byte> secret = stackalloc byte[32];
        Hpke.LabeledExtract(Hpke.KemSuite, [], "dkp_prk"u8, EphemeralSeed, seeded);
        Hpke.LabeledExpand(Hpke.KemSuite, seeded, "sk"u8, [], secret);
        var encapsulated = new byte[Hpke.EncapsulatedBytes];
        X25519.PublicOf(secret, encapsulated);
        encapsulated.ShouldBe(Encapsulated);

        using var cipher = HpkeCipher.ForSender(new HpkeInfo(Info), RecipientPublic, secret, encapsulated);
        var made = new byte[Plain.Length + Hpke.TagBytes];
        cipher.Encrypt(Plain, made, Associated);

        made.ShouldBe(Cipher);
    }

    [Fact]
    public void Decrypt_OfTheRfcsBytes_GivesTheRfcsMessage()
    {
        using var cipher = HpkeCipher.ForRecipient(new HpkeInfo(Info), RecipientSecret, RecipientPublic, Encapsulated);
        var plain = new byte[Plain.Length];

        cipher.Decrypt(Cipher, plain, Associated);

        plain.ShouldBe(Plain);
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void ForRecipient_PointOfSmallOrder_IsRefused(string point) => Should.Throw<CryptographicException>(
        () => HpkeCipher.ForRecipient(new HpkeInfo(Info), RecipientSecret, RecipientPublic, Convert.FromHexString(point)));
}
