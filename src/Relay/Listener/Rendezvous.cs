using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>Dials the addresses the relay names, after checking them.</summary>
internal sealed class Rendezvous(RelayListenerOptions options, WebSocketDialer dialer)
{
    private readonly AddressGuard _guard = new(options.Connection.Endpoint);

    public Task<WebSocket> DialAsync(string? address, string? subProtocol, CancellationToken cancel) =>
        dialer.DialAsync(
            new DialRequest(_guard.Check(address), options.Connection.ConnectTimeout) { SubProtocols = subProtocol is null ? [] : [subProtocol] },
            cancel);

    /// <summary>Tells the relay that an offer is refused; it answers such a call with 410.</summary>
    public async Task RefuseAsync(string? address, int statusCode, string reason, CancellationToken cancel)
    {
        var uri = _guard.Check($"{address}&sb-hc-statusCode={statusCode}&sb-hc-statusDescription={Uri.EscapeDataString(reason)}");
        try
        {
            (await dialer.DialAsync(new DialRequest(uri, options.Connection.ConnectTimeout), cancel).ConfigureAwait(false)).Dispose();
            throw new RelayException(RelayFault.ProtocolViolation, "The relay opened a stream that was refused.", "Report this with the relay's name.");
        }
        catch (RelayException e) when (e.StatusCode == 410)
        {
            // The agreed answer: the refusal has reached the relay.
        }
    }

    /// <summary>Closes and waits for the echo, but not for ever.</summary>
    public static async Task CloseAsync(WebSocket socket, CancellationToken cancel)
    {
        try
        {
            if (socket.State is WebSocketState.Open) await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, cancel).ConfigureAwait(false);
            else if (socket.State is WebSocketState.CloseReceived) await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            socket.Abort();
        }
    }
}
