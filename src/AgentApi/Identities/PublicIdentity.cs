using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// A party as others know it: its name, the key that checks its signatures and the key that encrypts to it. Holds nothing
/// secret. Safe to use from several threads.
/// </summary>
public sealed class PublicIdentity
{
    private readonly KeyPool<ECDsa> _signing;
    private readonly KeyPool<ECDiffieHellman> _encryption;
    private readonly byte[] _encryptionKey;

    internal PublicIdentity(string name, byte[] signingKey, byte[] encryptionKey)
    {
        Name = name;
        KeyId = KeyId.Of(signingKey, encryptionKey);
        _encryptionKey = encryptionKey;
        SigningKey = signingKey;
        _signing = new KeyPool<ECDsa>(() => Curve.Import(ECDsa.Create(), key => key.ImportSubjectPublicKeyInfo(signingKey, out _)));
        _encryption = new KeyPool<ECDiffieHellman>(() => Curve.Import(ECDiffieHellman.Create(), key => key.ImportSubjectPublicKeyInfo(encryptionKey, out _)));
        // Both keys are imported once now, so that a damaged identity fails here and not at the first order.
        _signing.Use(static _ => true);
        _encryption.Use(static _ => true);
    }

    /// <summary>The party's name: the agent's name in the policy, or the control plane's.</summary>
    public string Name { get; }

    /// <summary>Which keys these are.</summary>
    public KeyId KeyId { get; }

    private byte[] SigningKey { get; }

    /// <summary>Reads a public identity file.</summary>
    /// <exception cref="AgentApiException">The file is missing or no public identity.</exception>
    public static PublicIdentity Load(string path) => Parse(IdentityFile.Read(path, isPrivate: false));

    /// <summary>Reads a public identity from its text form.</summary>
    /// <exception cref="AgentApiException">The text is no public identity.</exception>
    public static PublicIdentity Parse(string text)
    {
        try
        {
            var (name, signing, encryption) = IdentityText.Read(text, IdentityText.SigningPublic, IdentityText.EncryptionPublic);
            return new PublicIdentity(name, signing, encryption);
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            throw IdentityText.Unusable("A key of the public identity is damaged.", e);
        }
    }

    /// <summary>The text form.</summary>
    public string Export() =>
        IdentityText.Write(Name, IdentityText.SigningPublic, SigningKey, IdentityText.EncryptionPublic, _encryptionKey);

    /// <summary>Writes a new file. Never overwrites; complete and durable, or absent.</summary>
    /// <exception cref="AgentApiException">The file exists or cannot be written.</exception>
    public void Save(string path) => IdentityFile.Write(path, Export(), isPrivate: false);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({KeyId})";

    internal bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        var key = _signing.Rent();
        try
        {
            return key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        finally
        {
            _signing.Return(key);
        }
    }

    /// <summary>The secret that <paramref name="ephemeral"/> and the holder of this identity share.</summary>
    internal byte[] Agree(ECDiffieHellman ephemeral) => _encryption.Use(theirs =>
    {
        using var theirPublic = theirs.PublicKey;
        return ephemeral.DeriveRawSecretAgreement(theirPublic);
    });
}
