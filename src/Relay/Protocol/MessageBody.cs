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

    /// <summary>
    /// Sends what is there and does not wait for more: bytes that are already available travel in one frame, because small frames
    /// cost a TLS record each, but a slow producer's bytes leave at once.
    /// </summary>
    public static async Task SendAsync(WebSocket socket, Stream body, CancellationToken cancel)
    {
        // Not from a pool: when a send fails, a read into this buffer may still be going on.
        var buffer = new byte[FrameBytes];
        var filled = 0;
        while (true)
        {
            var reading = body.ReadAsync(buffer.AsMemory(filled), cancel);
            if (filled > 0 && !reading.IsCompleted)
            {
                await SendPartAsync(buffer.AsMemory(0, filled)).ConfigureAwait(false);
                var late = await reading.ConfigureAwait(false);
                if (late == 0) break;
                await SendPartAsync(buffer.AsMemory(filled, late)).ConfigureAwait(false);
                filled = 0;
                continue;
            }
            var read = await reading.ConfigureAwait(false);
            filled += read;
            if (filled > 0 && (read == 0 || filled == FrameBytes))
            {
                await SendPartAsync(buffer.AsMemory(0, filled)).ConfigureAwait(false);
                filled = 0;
            }
            if (read == 0) break;
        }
        await socket.SendAsync(ReadOnlyMemory<byte>.Empty, WebSocketMessageType.Binary, endOfMessage: true, cancel).ConfigureAwait(false);

        ValueTask SendPartAsync(ReadOnlyMemory<byte> part) => socket.SendAsync(part, WebSocketMessageType.Binary, endOfMessage: false, cancel);
    }
}
