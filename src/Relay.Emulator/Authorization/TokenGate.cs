using System.Buffers.Text;
using System.Text.Json;

namespace Backup.Relay.Emulator;

/// <summary>Checks tokens: signature, time, audience, right, in this order.</summary>
internal sealed class TokenGate(RelayEmulatorOptions first)
{
    private volatile RelayEmulatorOptions _options = first;

    private static readonly string[] EntraAudiences = ["https://relay.azure.net", "https://relay.azure.net/"];

    /// <summary>Rules and keys of a changed configuration. Connections that were let in before stay until their token ends.</summary>
    public void Use(RelayEmulatorOptions changed) => _options = changed;

    /// <summary>Null and the token's end when it allows <paramref name="need"/> on the target.</summary>
    public (Refusal? Refusal, DateTimeOffset ExpiresAt) Check(string? credential, RequestTarget target, Entity? entity, RelayRights need)
    {
        if (string.IsNullOrWhiteSpace(credential)) return Refuse(401, "MissingToken: The authorization token is missing");
        return SasToken.IsSas(credential) ? CheckSas(credential, target, entity, need) : CheckEntra(credential);
    }

    private (Refusal?, DateTimeOffset) CheckSas(string credential, RequestTarget target, Entity? entity, RelayRights need)
    {
        if (!SasToken.TryParse(credential, out var token)) return Refuse(401, "MalformedToken: The token is malformed");
        // An entity's rule hides a namespace's rule of the same name only if its key signed the token.
        var rule = (entity?.Options.Rules ?? []).Concat(_options.Rules)
            .FirstOrDefault(candidate => candidate.Name == token.KeyName && IsSignedByAny(token, candidate.Keys));
        if (rule is null) return Refuse(401, "InvalidSignature: The token has an invalid signature");
        if (token.ExpiresAtSeconds <= _options.Clock.GetUtcNow().ToUnixTimeSeconds()) return Refuse(401, "ExpiredToken: The token is expired");
        if (!Uri.TryCreate(token.Audience, UriKind.Absolute, out var audience) || !IsOurHost(audience.Host))
            return Refuse(401, "InvalidAudience: The token is for another namespace");
        var granted = Uri.UnescapeDataString(audience.AbsolutePath).Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (!EntityTable.IsPrefix(granted, target.Segments)) return Refuse(403, "Unauthorized: The token is for another path");
        if ((rule.Rights & need) == RelayRights.None) return Refuse(403, $"Unauthorized: '{need}' claim is required to perform this operation");
        return (null, DateTimeOffset.FromUnixTimeSeconds(Math.Min(token.ExpiresAtSeconds, DateTimeOffset.MaxValue.ToUnixTimeSeconds())));
    }

    /// <summary>Every key is tried, found or not, so that the time taken says nothing about which one fits.</summary>
    private static bool IsSignedByAny(SasToken token, IReadOnlyList<string> keys) =>
        keys.Aggregate(false, (found, key) => token.IsSignedBy(key) | found);

    private bool IsOurHost(string host) =>
        string.Equals(host, _options.Host, StringComparison.OrdinalIgnoreCase) || string.Equals(host, _options.Listen.ToString(), StringComparison.Ordinal);

    private (Refusal?, DateTimeOffset) CheckEntra(string credential)
    {
        if (!_options.AcceptUnverifiedEntraTokens) return Refuse(401, "InvalidToken: This emulator is not configured to accept Entra ID tokens");
        var jwt = credential.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? credential["Bearer ".Length..].Trim() : credential;
        try
        {
            var parts = jwt.Split('.');
            if (parts.Length != 3) return Refuse(401, "MalformedToken: The token is malformed");
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
            var expires = DateTimeOffset.FromUnixTimeSeconds(claims.RootElement.GetProperty("exp").GetInt64());
            if (expires <= _options.Clock.GetUtcNow()) return Refuse(401, "ExpiredToken: The token is expired");
            return EntraAudiences.Contains(claims.RootElement.GetProperty("aud").GetString())
                ? (null, expires)
                : Refuse(401, "InvalidAudience: The token is for another service");
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return Refuse(401, "MalformedToken: The token is malformed");
        }
    }

    private static (Refusal, DateTimeOffset) Refuse(int status, string sentence) => (new Refusal(status, sentence), default);
}
