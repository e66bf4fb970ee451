using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Backup.AgentApi;

/// <summary>
/// The text form of identities: a line <c>backup-identity: 2</c>, a line <c>name: …</c>, then one PEM block per key (RFC 8410:
/// SubjectPublicKeyInfo or PKCS #8). Lines and blocks it does not know are ignored; another version is refused.
/// </summary>
internal static class IdentityText
{
    public const int CharsMax = 16 * 1024;
    public const string SigningPublic = "BACKUP SIGNING PUBLIC KEY";
    public const string EncryptionPublic = "BACKUP ENCRYPTION PUBLIC KEY";
    public const string SigningPrivate = "BACKUP SIGNING PRIVATE KEY";
    public const string EncryptionPrivate = "BACKUP ENCRYPTION PRIVATE KEY";

    private const int Version = 2;

    public static string Write(string name, string signingLabel, ReadOnlySpan<byte> signing, string encryptionLabel, ReadOnlySpan<byte> encryption) =>
        new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"backup-identity: {Version}\nname: {name}\n")
            .Append(PemEncoding.WriteString(signingLabel, signing)).Append('\n')
            .Append(PemEncoding.WriteString(encryptionLabel, encryption)).Append('\n')
            .ToString();

    public static (string Name, byte[] Signing, byte[] Encryption) Read(string text, string signingLabel, string encryptionLabel)
    {
        if (text.Length > CharsMax) throw Unusable("The identity is too long.");
        var version = Line(text, "backup-identity");
        if (version != Version.ToString(CultureInfo.InvariantCulture))
            throw Unusable(version is null ? "The text is not an identity." : $"The identity is of another version than {Version}, the only one this release reads.");
        var name = Line(text, "name");
        if (!IsName(name)) throw Unusable("The identity has no usable name.");
        return (name!, Block(text, signingLabel), Block(text, encryptionLabel));
    }

    public static bool IsName(string? name) => name is { Length: > 0 and <= ContractCheck.NameCharsMax } && !name.Any(char.IsControl) && name.Trim() == name;

    private static string? Line(string text, string key)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
            if (line.StartsWith(key, StringComparison.Ordinal) && line[key.Length..].StartsWith(':'))
                return line[(key.Length + 1)..].Trim().ToString();
        return null;
    }

    private static byte[] Block(string text, string label)
    {
        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].SequenceEqual(label))
                return Convert.FromBase64String(rest[fields.Base64Data].ToString());
            rest = rest[fields.Location.End..];
        }
        throw Unusable($"The identity lacks its block '{label}'.");
    }

    public static AgentApiException Unusable(string message, Exception? cause = null) =>
        new(AgentApiFault.IdentityUnusable, message, "Make identities with 'backupctl identity new' and pass the file it wrote, unchanged.", cause);
}
