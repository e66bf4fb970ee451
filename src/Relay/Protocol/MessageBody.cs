using System.Buffers;
using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>Reads the one binary message that follows a request or response as a stream; nothing is held beyond the caller's buffer.</summary>
/// <param name="socket">Where it arrives; not owned.</param>
/// <param name="idleTimeout">The longest gap between two frames.</param>
/// <param name="clock">Measures it.</param>
internal sealed class MessageBody(WebSocket socket, TimeSpan idleTimeout, TimeProvider clock) : ReadStream
{
    private readonly CancellationTokenSource _idle = new(Timeout.InfiniteTimeSpan, clock);

    /// <summary>True once the message has been read to its end.</summary>
    public bool IsComplete { get; private set; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!IsComplete && buffer.Length > 0)
        {
            var received = await ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (received.MessageType == WebSocketMessageType.Close)
                throw new IOException("The relay closed the connection in the middle of a body.");
            if (received.MessageType != WebSocketMessageType.Binary)
                throw new IOException("A body must be a binary message.");
            IsComplete = received.EndOfMessage;
            if (received.Count > 0) return received.Count;
        }
        return 0;
    }

    /// <summary>Reads to the end and drops it, so that the next message can be read.</summary>
    public async Task DrainAsync(CancellationToken cancel)
    {
        var scratch = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            int read;
            do read = await ReadAsync(scratch, cancel).ConfigureAwait(false);
            while (read > 0);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _idle.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<ValueWebSocketReceiveResult> ReceiveAsync(Memory<byte> buffer, CancellationToken cancel)
    {
        try
        {
            // A receive that completes at once needs no timer.
            var pending = socket.ReceiveAsync(buffer, CancellationToken.None);
            if (pending.IsCompleted) return await pending.ConfigureAwait(false);
            _idle.CancelAfter(idleTimeout);
            using var onIdle = _idle.Token.Register(static state => ((WebSocket)state!).Abort(), socket);
            using var onCancel = cancel.Register(static state => ((WebSocket)state!).Abort(), socket);
            var received = await pending.ConfigureAwait(false);
            _idle.CancelAfter(Timeout.InfiniteTimeSpan);
            return received;
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            cancel.ThrowIfCancellationRequested();
            throw new IOException(_idle.IsCancellationRequested ? "No part of the body came for too long." : "The connection was lost in the middle of a body.", e);
        }
    }
}

/// <summary>What every forward-only stream of this project shares.</summary>
internal abstract class ReadStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    // Declared again so that no implementation can forget it.
    public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    // Blocking a thread on a socket that another thread must serve can stall the process: callers read asynchronously.
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read asynchronously.");

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>Sends a stream as one fragmented binary message.</summary>
internal static class MessageBodySender
{
    private const int FrameBytes = 64 * 1024;

    public static async Task SendAsync(WebSocket socket, Stream body, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FrameBytes);
        try
        {
            int read;
            while ((read = await body.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0)
                await socket.SendAsync(buffer.AsMemory(0, read), WebSocketMessageType.Binary, endOfMessage: false, cancel).ConfigureAwait(false);
            await socket.SendAsync(ReadOnlyMemory<byte>.Empty, WebSocketMessageType.Binary, endOfMessage: true, cancel).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
