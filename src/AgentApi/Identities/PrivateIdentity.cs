using System.Security.Cryptography;
using NSec.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// A party's own keys: an Ed25519 pair signs, an X25519 pair decrypts. Prints only its public part. Safe to use from several
/// threads; dispose it to wipe the keys from memory.
/// </summary>
public sealed class PrivateIdentity : IDisposable
{
    private static KeyCreationParameters Exportable => new() { ExportPolicy = KeyExportPolicies.AllowPlaintextExport };

    private readonly Key _signing;
    private readonly Key _encryption;
    private readonly byte[] _encryptionSecret;

    private PrivateIdentity(string name, Key signing, Key encryption)
    {
        _signing = signing;
        _encryption = encryption;
        // Pinned, so that no copy stays behind when the collector moves things and Dispose wipes the only one.
        _encryptionSecret = GC.AllocateUninitializedArray<byte>(X25519.KeyBytes, pinned: true);
        encryption.TryExport(KeyBlobFormat.RawPrivateKey, _encryptionSecret, out _);
        Public = new PublicIdentity(name, signing.PublicKey, encryption.PublicKey);
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
        return new PrivateIdentity(name, Key.Create(SignatureAlgorithm.Ed25519, Exportable), Key.Create(KeyAgreementAlgorithm.X25519, Exportable));
    }

    /// <summary>Reads a private identity file.</summary>
    /// <exception cref="AgentApiException">The file is missing, no private identity, or readable by others than its owner.</exception>
    public static PrivateIdentity Load(string path) => Parse(IdentityFile.Read(path, isPrivate: true));

    /// <summary>Reads a private identity from its text form, for example out of a key vault.</summary>
    /// <exception cref="AgentApiException">The text is no private identity.</exception>
    public static PrivateIdentity Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            var (name, signing, encryption) = IdentityText.Read(text, IdentityText.SigningPrivate, IdentityText.EncryptionPrivate);
            return new PrivateIdentity(
                name,
                Key.Import(SignatureAlgorithm.Ed25519, signing, KeyBlobFormat.PkixPrivateKey, Exportable),
                Key.Import(KeyAgreementAlgorithm.X25519, encryption, KeyBlobFormat.PkixPrivateKey, Exportable));
        }
        catch (FormatException e)
        {
            throw IdentityText.Unusable("A key of the private identity is damaged, or not of the kind this release uses.", e);
        }
    }

    /// <summary>The text form. Secret: it is for a file with mode 0600 or a key vault.</summary>
    public string Export() => IdentityText.Write(
        Name,
        IdentityText.SigningPrivate, _signing.Export(KeyBlobFormat.PkixPrivateKey),
        IdentityText.EncryptionPrivate, _encryption.Export(KeyBlobFormat.PkixPrivateKey));

    /// <summary>Writes a new file with mode 0600. Never overwrites; complete and durable, or absent.</summary>
    /// <exception cref="AgentApiException">The file exists or cannot be written.</exception>
    public void Save(string path) => IdentityFile.Write(path, Export(), isPrivate: true);

    /// <inheritdoc/>
    public override string ToString() => Public.ToString();

    /// <inheritdoc/>
    public void Dispose()
    {
        _signing.Dispose();
        _encryption.Dispose();
        CryptographicOperations.ZeroMemory(_encryptionSecret);
    }

    internal byte[] Sign(ReadOnlySpan<byte> data) => SignatureAlgorithm.Ed25519.Sign(_signing, data);

    /// <summary>The key schedule for what was encrypted to this identity with <paramref name="encapsulated"/>.</summary>
    /// <exception cref="CryptographicException">It is no usable key.</exception>
    internal HpkeCipher Decapsulate(HpkeInfo info, ReadOnlySpan<byte> encapsulated) => HpkeCipher.ForRecipient(info, _encryptionSecret, Public.EncryptionKey, encapsulated);
}
