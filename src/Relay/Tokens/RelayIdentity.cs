using Azure.Core;
using Azure.Identity;

namespace Backup.Relay;

/// <summary>Which Entra ID identity a process uses for the relay, as settings name it. Holds nothing secret.</summary>
public sealed record RelayIdentity
{
    /// <summary>What settings may say.</summary>
    public const string Forms = "'default' (environment, workload identity, managed identity or a developer's sign-in, whichever is there first), 'managed' (the machine's own managed identity), or the client id of a user-assigned managed identity";

    private const string Default = "default";
    private const string Managed = "managed";

    private RelayIdentity(string text) => Text = text;

    /// <summary><c>default</c>, <c>managed</c>, or a client id.</summary>
    public string Text { get; }

    /// <summary>Reads a setting; null when it is none of <see cref="Forms"/>.</summary>
    public static RelayIdentity? TryParse(string text) => text is Default or Managed || Guid.TryParse(text, out _) ? new RelayIdentity(text) : null;

    /// <summary>The credential; asks nobody before its first token.</summary>
    public TokenCredential NewCredential() => Text switch
    {
        Default => new DefaultAzureCredential(),
        Managed => new ManagedIdentityCredential(ManagedIdentityId.SystemAssigned),
        _ => new ManagedIdentityCredential(ManagedIdentityId.FromUserAssignedClientId(Text)),
    };

    /// <inheritdoc/>
    public override string ToString() => Text;
}
