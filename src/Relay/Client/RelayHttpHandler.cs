namespace Backup.Relay;

/// <summary>
/// Lets an <see cref="HttpClient"/> talk to a listener as to any other server: it adds the token and nothing else. Addresses are
/// <c>https://{host}/{entity}/…</c>. Use it for streamed bodies of any length; <see cref="RelaySender"/> says more about failures.
/// </summary>
public sealed class RelayHttpHandler : DelegatingHandler
{
    private readonly RelayConnection _connection;
    private readonly EntityPath _entity;

    /// <summary>A handler for one entity.</summary>
    /// <param name="connection">How to reach it; its tokens need the right Send.</param>
    /// <param name="entity">The hybrid connection; requests to other addresses are refused.</param>
    public RelayHttpHandler(RelayConnection connection, EntityPath entity)
        : base((connection ?? throw new ArgumentNullException(nameof(connection))).NewHandler())
    {
        _connection = connection;
        _entity = entity;
    }

    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        // The token must never leave for another host.
        if (request.RequestUri is not { IsAbsoluteUri: true, Scheme: "https" } uri || !string.Equals(uri.Host, _connection.Endpoint.Host, StringComparison.OrdinalIgnoreCase) || uri.Port != _connection.Endpoint.Port)
            throw new ArgumentException($"This handler only calls https://{_connection.Endpoint.Authority}/.", nameof(request));
        var token = await _connection.TokenAsync(_entity, cancellationToken).ConfigureAwait(false);
        request.Headers.Remove(WebSocketDialer.TokenHeader);
        request.Headers.TryAddWithoutValidation(WebSocketDialer.TokenHeader, token.Text);
        return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }
}
