using Azure.Core;

namespace Backup.Relay;

/// <summary>Entra ID tokens from any credential of Azure.Identity, for senders and listeners whose identity has the role they need.</summary>
/// <remarks>Roles: Azure Relay Sender, Listener or Owner; a new assignment may take five minutes to act.</remarks>
public sealed class EntraTokens : IRelayTokens
{
    /// <summary>What tokens are asked for.</summary>
    public const string Scope = "https://relay.azure.net/.default";

    private const double RenewShare = 0.75;

    private readonly FetchedTokens _tokens;

    /// <summary>Tokens of one credential.</summary>
    /// <param name="credential">Such as a managed identity; asked again at 75 % of a token's life, or earlier where it says so.</param>
    /// <param name="clock">Tells when that is.</param>
    public EntraTokens(TokenCredential credential, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(credential);
        ArgumentNullException.ThrowIfNull(clock);
        _tokens = new FetchedTokens(
            async cancel =>
            {
                var token = await credential.GetTokenAsync(new TokenRequestContext([Scope]), cancel).ConfigureAwait(false);
                var now = clock.GetUtcNow();
                var renewAt = now + ((token.ExpiresOn - now) * RenewShare);
                return new RelayToken(token.Token, token.ExpiresOn, token.RefreshOn is { } refresh && refresh < renewAt ? refresh : renewAt);
            },
            clock);
    }

    /// <inheritdoc/>
    public ValueTask<RelayToken> GetAsync(RelayEndpoint endpoint, EntityPath entity, CancellationToken cancel) => _tokens.GetAsync(endpoint, entity, cancel);
}
