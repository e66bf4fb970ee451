using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>Limits of key changes.</summary>
public static class KeyChange
{
    /// <summary>How long old and new keys are both accepted unless said otherwise: a day, so that every order under way ends under the key it began with.</summary>
    public const int OverlapSecondsDefault = 86_400;

    /// <summary>The longest overlap, 30 days.</summary>
    public const int OverlapSecondsMax = 30 * 86_400;

    internal static void Check(ContractCheck check, int overlapSeconds) =>
        check.That(overlapSeconds is >= 0 and <= OverlapSecondsMax, $"'overlapSeconds' must be 0 to {OverlapSecondsMax}");
}

/// <summary>
/// Make a new key pair. The answer, signed with the old key, announces the new one. Both are accepted until the overlap is over, which
/// begins with the first order encrypted to the new key, so a lost answer locks nobody out: the same order then gives the same new key.
/// </summary>
public sealed record RotateAgentKey : OrderPayload<AgentKey>
{
    /// <summary>The key to be replaced, as 32 hex digits.</summary>
    [JsonPropertyName("replaces")] public required string Replaces { get; init; }

    /// <summary>How long the old key is still accepted, 0 to <see cref="KeyChange.OverlapSecondsMax"/> seconds.</summary>
    [JsonPropertyName("overlapSeconds")] public int OverlapSeconds { get; init; } = KeyChange.OverlapSecondsDefault;

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.RotateAgentKey;

    internal override void Check(ContractCheck check)
    {
        check.Name(Replaces, "replaces");
        KeyChange.Check(check, OverlapSeconds);
    }
}

/// <summary>An agent's key.</summary>
public sealed record AgentKey
{
    /// <summary>The public identity's text form.</summary>
    [JsonPropertyName("identity")] public required string Identity { get; init; }
}

/// <summary>
/// Trust another key of the control plane, which signs this order with one that is trusted already. The overlap of the older keys begins
/// with the first order signed by the new one.
/// </summary>
public sealed record TrustControlPlaneKey : OrderPayload<TrustedKeys>
{
    /// <summary>The new public identity's text form; its name is the sender's.</summary>
    [JsonPropertyName("identity")] public required string Identity { get; init; }

    /// <summary>How long older keys are still accepted, 0 to <see cref="KeyChange.OverlapSecondsMax"/> seconds.</summary>
    [JsonPropertyName("overlapSeconds")] public int OverlapSeconds { get; init; } = KeyChange.OverlapSecondsDefault;

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.TrustControlPlaneKey;

    internal override void Check(ContractCheck check)
    {
        check.That(Identity is { Length: > 0 and <= IdentityText.CharsMax }, $"'identity' must be 1 to {IdentityText.CharsMax} characters");
        KeyChange.Check(check, OverlapSeconds);
    }
}

/// <summary>Never trust a key of the control plane again. Must be signed with another one.</summary>
public sealed record RevokeControlPlaneKey : OrderPayload<TrustedKeys>
{
    /// <summary>The key, as 32 hex digits.</summary>
    [JsonPropertyName("keyId")] public required string KeyId { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.RevokeControlPlaneKey;

    internal override void Check(ContractCheck check) => check.Name(KeyId, "keyId");
}

/// <summary>The control plane keys that an agent trusts now.</summary>
public sealed record TrustedKeys
{
    /// <summary>Their key ids, oldest first.</summary>
    [JsonPropertyName("keyIds")] public required IReadOnlyList<string> KeyIds { get; init; }
}
