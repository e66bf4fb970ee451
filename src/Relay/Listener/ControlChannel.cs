using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>One control channel: a registered WebSocket and the lock that keeps each header and its body together.</summary>
internal sealed class ControlChannel(WebSocket socket) : IDisposable
{
    /// <summary>How long a peer may take to take one message before the channel counts as dead.</summary>
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _sending = new(1, 1);

    public WebSocket Socket => socket;

    public Task<SocketMessage> ReadTextAsync(CancellationToken cancel) => SocketMessage.ReadAsync(socket, ControlText.JsonBytesReadMax, cancel);

    /// <summary>Sends a message and, when given, its body as the very next message.</summary>
    /// <exception cref="RelayException">The channel is lost.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> text, ReadOnlyMemory<byte>? body, CancellationToken cancel)
    {
        try
        {
            await _sending.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                // Cancelling a send tears the socket down; only a peer that stopped reading deserves that.
                using var deadline = new CancellationTokenSource(SendTimeout);
                await socket.SendAsync(text, WebSocketMessageType.Text, endOfMessage: true, deadline.Token).ConfigureAwait(false);
                if (body is { } bytes)
                    await socket.SendAsync(bytes, WebSocketMessageType.Binary, endOfMessage: true, deadline.Token).ConfigureAwait(false);
            }
            finally
            {
                _sending.Release();
            }
        }
        catch (Exception e) when (IsLoss(e) && !cancel.IsCancellationRequested)
        {
            socket.Abort();
            throw new RelayException(RelayFault.ConnectionLost, "The control channel is lost.", "It reconnects by itself.", e);
        }
    }

    /// <summary>What a WebSocket throws once its connection is gone.</summary>
    public static bool IsLoss(Exception e) => e is WebSocketException or IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;

    public void Dispose()
    {
        socket.Dispose();
        _sending.Dispose();
    }
}
