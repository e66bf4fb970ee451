using System.Buffers;
using System.Net.WebSockets;

namespace Backup.Relay.Emulator;

/// <summary>Forwards frames between two WebSockets, both ways at once, keeping message type and end-of-message flags.</summary>
/// <remarks>One frame is in hand per direction and the next is read only when it is sent: a slow side slows the other down.</remarks>
internal sealed class StreamBridge(WebSocket sender, WebSocket listener, TimeProvider clock)
{
    private const int FrameBytes = 64 * 1024;

    /// <summary>How long the two sides may take to answer a close.</summary>
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync()
    {
        try
        {
            await Task.WhenAll(ForwardAsync(sender, listener), ForwardAsync(listener, sender)).ConfigureAwait(false);
        }
        finally
        {
            _ended.SetResult();
        }
    }

    /// <summary>Ends the stream from between: both sides are told why.</summary>
    public async Task CloseAsync(WebSocketCloseStatus status, string sentence)
    {
        var text = ReasonPhrase.ForClose(sentence);
        try
        {
            await Task.WhenAll(sender.CloseOutputAsync(status, text, CancellationToken.None), listener.CloseOutputAsync(status, text, CancellationToken.None)).ConfigureAwait(false);
            await _ended.Task.WaitAsync(ClosePatience, clock).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e) || e is TimeoutException)
        {
            sender.Abort();
            listener.Abort();
        }
    }

    private static async Task ForwardAsync(WebSocket from, WebSocket to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FrameBytes);
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
                await to.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            // The peer died without a close: only a broken connection says so. A close frame would read as the regular end of the stream.
            from.Abort();
            to.Abort();
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
}
