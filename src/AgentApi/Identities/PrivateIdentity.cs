using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// A party's own keys: one pair signs, one pair decrypts (both on P-256, kept apart so that neither use can weaken the
/// other). Prints only its public part. Safe to use from several threads; dispose it to release the native keys.
/// </summary>
public sealed class PrivateIdentity : IDisposable
{
    private readonly byte[] _signingKey;
    private readonly byte[] _encryptionKey;
    private readonly KeyPool<ECDsa> _signing;
    private readonly KeyPool<ECDiffieHellman> _encryption;

    private PrivateIdentity(string name, byte[] signingKey, byte[] encryptionKey)
    {
        _signingKey = signingKey;
        _encryptionKey = encryptionKey;
        _signing = new KeyPool<ECDsa>(() => Curve.Import(ECDsa.Create(), key => key.ImportPkcs8PrivateKey(signingKey, out _)));
        _encryption = new KeyPool<ECDiffieHellman>(() => Curve.Import(ECDiffieHellman.Create(), key => key.ImportPkcs8PrivateKey(encryptionKey, out _)));
        Public = new PublicIdentity(name, _signing.Use(key => key.ExportSubjectPublicKeyInfo()), _encryption.Use(key => key.ExportSubjectPublicKeyInfo()));
    }

    /// <summary>What to give to the other side.</summary>
    public PublicIdentity Public { get; }

    /// <summary>The party's name.</summary>
    public string Name => Public.Name;

    /// <summary>Makes new keys.</summary>
    /// <param name="name">1 to 128 printable characters, without spaces at the ends.</param>
    /// <exception cref="ArgumentException">The name is unusable.</exception>
    public static PrivateIdentity Create(string name)
    {
        if (!IdentityText.IsName(name)) throw new ArgumentException("A name is 1 to 128 printable characters.", nameof(name));
        using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var encryption = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        return new PrivateIdentity(name, signing.ExportPkcs8PrivateKey(), encryption.ExportPkcs8PrivateKey());
    }

    /// <summary>Reads a private identity file.</summary>
    /// <exception cref="AgentApiException">The file is missing, no private identity, or readable by others than its owner.</exception>
    public static PrivateIdentity Load(string path) => Parse(IdentityFile.Read(path, isPrivate: true));

    /// <summary>Reads a private identity from its text form, for example out of a key vault.</summary>
    /// <exception cref="AgentApiException">The text is no private identity.</exception>
    public static PrivateIdentity Parse(string text)
    {
        try
        {
            var (name, signing, encryption) = IdentityText.Read(text, IdentityText.SigningPrivate, IdentityText.EncryptionPrivate);
            return new PrivateIdentity(name, signing, encryption);
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            throw IdentityText.Unusable("A key of the private identity is damaged.", e);
        }
    }

    /// <summary>The text form. Secret: it is for a file with mode 0600 or a key vault.</summary>
    public string Export() =>
        IdentityText.Write(Name, IdentityText.SigningPrivate, _signingKey, IdentityText.EncryptionPrivate, _encryptionKey);

    /// <summary>Writes a new file with mode 0600. Never overwrites; complete and durable, or absent.</summary>
    /// <exception cref="AgentApiException">The file exists or cannot be written.</exception>
    public void Save(string path) => IdentityFile.Write(path, Export(), isPrivate: true);

    /// <inheritdoc/>
    public override string ToString() => Public.ToString();

    /// <inheritdoc/>
    public void Dispose()
    {
        _signing.Close();
        _encryption.Close();
        CryptographicOperations.ZeroMemory(_signingKey);
        CryptographicOperations.ZeroMemory(_encryptionKey);
    }

    internal byte[] Sign(ReadOnlySpan<byte> data)
    {
        var key = _signing.Rent();
        try
        {
            return key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        finally
        {
            _signing.Return(key);
        }
    }

    /// <summary>The secret this identity shares with the holder of <paramref name="ephemeral"/>.</summary>
    internal byte[] Agree(ECDiffieHellmanPublicKey ephemeral) => _encryption.Use(key => key.DeriveRawSecretAgreement(ephemeral));
}
