using NSec.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// A party as others know it: its name, the key that checks its signatures and the key that encrypts to it. Holds nothing
/// secret. Safe to use from several threads.
/// </summary>
public sealed class PublicIdentity
{
    private readonly PublicKey _signing;
    private readonly PublicKey _encryption;
    private readonly byte[] _encryptionBytes;

    internal PublicIdentity(string name, PublicKey signing, PublicKey encryption)
    {
        Name = name;
        _signing = signing;
        _encryption = encryption;
        _encryptionBytes = encryption.Export(KeyBlobFormat.RawPublicKey);
        KeyId = KeyId.Of(signing.Export(KeyBlobFormat.RawPublicKey), _encryptionBytes);
    }

    /// <summary>The party's name: the agent's name in the policy, or the control plane's.</summary>
    public string Name { get; }

    /// <summary>Which keys these are.</summary>
    public KeyId KeyId { get; }

    internal ReadOnlySpan<byte> EncryptionKey => _encryptionBytes;

    /// <summary>Reads a public identity file.</summary>
    /// <exception cref="AgentApiException">The file is missing or no public identity.</exception>
    public static PublicIdentity Load(string path) => Parse(IdentityFile.Read(path, isPrivate: false));

    /// <summary>Reads a public identity from its text form.</summary>
    /// <exception cref="AgentApiException">The text is no public identity.</exception>
    public static PublicIdentity Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            var (name, signing, encryption) = IdentityText.Read(text, IdentityText.SigningPublic, IdentityText.EncryptionPublic);
            return new PublicIdentity(
                name,
                PublicKey.Import(SignatureAlgorithm.Ed25519, signing, KeyBlobFormat.PkixPublicKey),
                PublicKey.Import(KeyAgreementAlgorithm.X25519, encryption, KeyBlobFormat.PkixPublicKey));
        }
        catch (FormatException e)
        {
            throw IdentityText.Unusable("A key of the public identity is damaged, or not of the kind this release uses.", e);
        }
    }

    /// <summary>The text form.</summary>
    public string Export() => IdentityText.Write(
        Name,
        IdentityText.SigningPublic, _signing.Export(KeyBlobFormat.PkixPublicKey),
        IdentityText.EncryptionPublic, _encryption.Export(KeyBlobFormat.PkixPublicKey));

    /// <summary>Writes a new file. Never overwrites; complete and durable, or absent.</summary>
    /// <exception cref="AgentApiException">The file exists or cannot be written.</exception>
    public void Save(string path) => IdentityFile.Write(path, Export(), isPrivate: false);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({KeyId})";

    internal bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => SignatureAlgorithm.Ed25519.Verify(_signing, data, signature);
}
