using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Relay;

/// <summary>A shared access signature: made by senders and listeners, checked by the emulator.</summary>
/// <remarks>The key is used as text; it looks like base64 but is not decoded.</remarks>
public sealed class SasToken
{
    /// <summary>The word every signature starts with.</summary>
    public const string Scheme = "SharedAccessSignature";

    /// <summary>The longest key and the longest rule name, in characters.</summary>
    public const int KeyLengthMax = 256;

    private const int TextLengthMax = 8 * 1024;

    private SasToken(string audienceAsReceived, string signature, long expiresAtSeconds, string keyName)
    {
        AudienceAsReceived = audienceAsReceived;
        Signature = signature;
        ExpiresAtSeconds = expiresAtSeconds;
        KeyName = keyName;
    }

    /// <summary>The rule whose key signed it.</summary>
    public string KeyName { get; }

    /// <summary>When it ends, in Unix seconds.</summary>
    public long ExpiresAtSeconds { get; }

    /// <summary>What it is for, decoded.</summary>
    public string Audience => Uri.UnescapeDataString(AudienceAsReceived);

    private string AudienceAsReceived { get; }

    private string Signature { get; }

    /// <summary>Makes a token.</summary>
    /// <param name="audience">An address such as <c>http://host/path/</c>.</param>
    /// <param name="keyName">The rule's name.</param>
    /// <param name="key">The rule's key, as text.</param>
    /// <param name="expiresAt">When it ends; whole seconds count.</param>
    /// <exception cref="ArgumentException">Key or name are empty or longer than <see cref="KeyLengthMax"/>.</exception>
    public static string Create(string audience, string keyName, string key, DateTimeOffset expiresAt)
    {
        if (keyName is not { Length: > 0 and <= KeyLengthMax }) throw new ArgumentException("A rule's name is 1 to 256 characters.", nameof(keyName));
        if (key is not { Length: > 0 and <= KeyLengthMax }) throw new ArgumentException("A rule's key is 1 to 256 characters.", nameof(key));
        var escaped = Uri.EscapeDataString(audience);
        var expires = expiresAt.ToUnixTimeSeconds();
        var signature = Convert.ToBase64String(Sign(key, escaped, expires));
        return string.Create(CultureInfo.InvariantCulture, $"{Scheme} sr={escaped}&sig={Uri.EscapeDataString(signature)}&se={expires}&skn={Uri.EscapeDataString(keyName)}");
    }

    /// <summary>True when a credential is a shared access signature and not an Entra ID token.</summary>
    public static bool IsSas(string credential) => credential.StartsWith(Scheme + " ", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a token: scheme word in any case, fields in any order, each once.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out SasToken? token)
    {
        token = null;
        if (text is not { Length: <= TextLengthMax } || !IsSas(text)) return false;
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var field in text[(Scheme.Length + 1)..].Trim().Split('&'))
        {
            var equals = field.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !fields.TryAdd(field[..equals], field[(equals + 1)..])) return false;
        }
        if (!fields.TryGetValue("sr", out var audience) || !fields.TryGetValue("sig", out var signature)
            || !fields.TryGetValue("se", out var expires) || !fields.TryGetValue("skn", out var keyName)
            || !long.TryParse(expires, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
            return false;
        token = new SasToken(audience, Uri.UnescapeDataString(signature), seconds, Uri.UnescapeDataString(keyName));
        return keyName.Length > 0 && audience.Length > 0;
    }

    /// <summary>True when the key made this token's signature. Takes the same time whatever the signature is.</summary>
    public bool IsSignedBy(string key)
    {
        // Over the audience exactly as received: clients differ in the case of their percent-encoding. Compared as text, because
        // several base64 texts decode to the same bytes.
        var expected = Convert.ToBase64String(Sign(key, AudienceAsReceived, ExpiresAtSeconds));
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Signature), Encoding.UTF8.GetBytes(expected));
    }

    /// <summary>Prints no secret.</summary>
    public override string ToString() => $"{Scheme} of rule {KeyName}";

    private static byte[] Sign(string key, string escapedAudience, long expiresAtSeconds) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{escapedAudience}\n{expiresAtSeconds}")));
}
