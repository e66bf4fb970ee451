namespace Backup.Relay;

/// <summary>A credential for one audience.</summary>
/// <param name="Text">The token itself: a shared access signature, or a bare JWT.</param>
/// <param name="ExpiresAt">When it ends.</param>
/// <param name="RenewAt">When to fetch the next one: about 75 % of its life.</param>
public sealed record RelayToken(string Text, DateTimeOffset ExpiresAt, DateTimeOffset RenewAt)
{
    /// <summary>Prints no secret.</summary>
    public override string ToString() => $"token until {ExpiresAt:O}";
}

/// <summary>Makes tokens for the relay. Implementations are safe to use from several threads.</summary>
public interface IRelayTokens
{
    /// <summary>A token that is good for the entity; may be one handed out before, until its <see cref="RelayToken.RenewAt"/>.</summary>
    ValueTask<RelayToken> GetAsync(RelayEndpoint endpoint, EntityPath entity, CancellationToken cancel);
}

/// <summary>Tokens from somewhere else, such as an Entra ID credential for the scope <c>https://relay.azure.net/.default</c>.</summary>
/// <param name="fetch">Fetches a new token; it is asked again once the last one's <see cref="RelayToken.RenewAt"/> has come.</param>
/// <param name="clock">Tells when that is.</param>
public sealed class FetchedTokens(Func<CancellationToken, ValueTask<RelayToken>> fetch, TimeProvider clock) : IRelayTokens
{
    private volatile RelayToken? _last;

    /// <inheritdoc/>
    public async ValueTask<RelayToken> GetAsync(RelayEndpoint endpoint, EntityPath entity, CancellationToken cancel)
    {
        // Two callers at the same moment may both fetch: harmless, and simpler than a lock across a network call.
        if (_last is { } last && clock.GetUtcNow() < last.RenewAt) return last;
        return _last = await fetch(cancel).ConfigureAwait(false);
    }
}
