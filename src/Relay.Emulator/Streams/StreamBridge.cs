using System.Buffers;
using System.Net.WebSockets;

namespace Backup.Relay.Emulator;

/// <summary>Forwards frames between two WebSockets, both ways at once, keeping message type and end-of-message flags.</summary>
/// <remarks>One frame is in hand per direction and the next is read only when it is sent: a slow side slows the other down.</remarks>
internal static class StreamBridge
{
    private const int FrameBytes = 64 * 1024;

    public static async Task RunAsync(WebSocket first, WebSocket second)
    {
        var there = ForwardAsync(first, second);
        var back = ForwardAsync(second, first);
        await Task.WhenAll(there, back).ConfigureAwait(false);
    }

    private static async Task ForwardAsync(WebSocket from, WebSocket to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FrameBytes);
        var isInMessage = false;
        try
        {
            while (true)
            {
                var received = await from.ReceiveAsync(buffer.AsMemory(), CancellationToken.None).ConfigureAwait(false);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    await PassCloseAsync(from, to).ConfigureAwait(false);
                    return;
                }
                isInMessage = !received.EndOfMessage;
                await to.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            await PeerGoneAsync(from, to, isInMessage).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task PassCloseAsync(WebSocket from, WebSocket to)
    {
        if (to.State is not (WebSocketState.Open or WebSocketState.CloseReceived)) return;
        var status = from.CloseStatus ?? WebSocketCloseStatus.Empty;
        await to.CloseOutputAsync(status, status == WebSocketCloseStatus.Empty ? null : from.CloseStatusDescription, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>The peer died without a close. In the middle of a message only a broken connection says so; between messages 1001 does.</summary>
    private static async Task PeerGoneAsync(WebSocket from, WebSocket to, bool isInMessage)
    {
        from.Abort();
        if (isInMessage || to.State is not (WebSocketState.Open or WebSocketState.CloseReceived))
        {
            to.Abort();
            return;
        }
        try
        {
            await to.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, $"The other side is gone. TrackingId:{Guid.NewGuid()}_G0", CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            to.Abort();
        }
    }
}
