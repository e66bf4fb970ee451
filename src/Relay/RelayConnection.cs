namespace Backup.Relay;

/// <summary>How to reach a relay: everything a listener and a sender have in common.</summary>
public sealed record RelayConnection
{
    /// <summary>Where the relay is.</summary>
    public required RelayEndpoint Endpoint { get; init; }

    /// <summary>Makes the tokens; a listener needs the right Listen, a sender Send.</summary>
    public required IRelayTokens Tokens { get; init; }

    /// <summary>Which certificates are accepted. Default: the machine's trust store.</summary>
    public RelayTrust Trust { get; init; } = RelayTrust.System;

    /// <summary>The clock for tokens, deadlines and delays.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How long a TCP and TLS connection may take. Default 20 s, as the official listener allows for a rendezvous.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>A token, or the reason there is none as an exception of this project.</summary>
    internal async ValueTask<RelayToken> TokenAsync(EntityPath entity, CancellationToken cancel)
    {
        try
        {
            return await Tokens.GetAsync(Endpoint, entity, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (RelayException or OperationCanceledException))
        {
            // Tokens may come from any credential library, with any exception.
            throw new RelayException(RelayFault.NoToken, $"No token for the relay could be made ({e.GetType().Name}).", "Check the credential this process uses, and whether what it asks can be reached.", e);
        }
    }

    internal SocketsHttpHandler NewHandler()
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = ConnectTimeout,
            // Long enough to save handshakes, short enough to follow a change of the service's addresses.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            // The order's own trace context would be one more thing the relay sees.
            ActivityHeadersPropagator = null,
        };
        Trust.Apply(handler);
        return handler;
    }
}
