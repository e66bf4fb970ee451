using System.Buffers;
using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>One whole WebSocket message. When it was longer than allowed, its content was read and dropped.</summary>
internal readonly record struct SocketMessage(WebSocketMessageType Type, byte[] Bytes, bool IsOversize)
{
    /// <summary>Held by every channel that waits; most messages fit.</summary>
    private const int FirstBufferBytes = 1024;

    public bool IsClose => Type == WebSocketMessageType.Close;

    /// <summary>Reads the next message, keeping at most <paramref name="bytesMax"/> bytes in memory.</summary>
    public static async Task<SocketMessage> ReadAsync(WebSocket socket, int bytesMax, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FirstBufferBytes);
        try
        {
            var length = 0;
            var oversize = false;
            while (true)
            {
                if (length == buffer.Length) buffer = Grow(buffer, bytesMax);
                var received = await socket.ReceiveAsync(buffer.AsMemory(length), cancel).ConfigureAwait(false);
                if (received.MessageType == WebSocketMessageType.Close) return new SocketMessage(WebSocketMessageType.Close, [], false);
                length += received.Count;
                if (length > bytesMax)
                {
                    oversize = true;
                    length = 0;
                }
                if (received.EndOfMessage)
                    return new SocketMessage(received.MessageType, oversize ? [] : buffer.AsSpan(0, length).ToArray(), oversize);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] Grow(byte[] buffer, int bytesMax)
    {
        // One byte over the limit is enough to see that a message is too long.
        var larger = ArrayPool<byte>.Shared.Rent(Math.Min(buffer.Length * 4, Math.Max(bytesMax + 1, buffer.Length + 1)));
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }
}
