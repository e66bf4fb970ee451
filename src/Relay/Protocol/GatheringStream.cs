namespace Backup.Relay;

/// <summary>
/// Lies between a WebSocket and its connection and gathers frames, so that several leave as one TLS record and one system
/// call: on a control channel a header, its body and the messages behind them.
/// </summary>
/// <remarks>The WebSocket writes one frame at a time; only <see cref="FlushGatheredAsync"/> may meet a write, such as a keep-alive's.</remarks>
internal sealed class GatheringStream(Stream inner) : Stream
{
    private const int KeptBytesMax = 16 * 1024;

    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly Lock _gate = new();
    private byte[] _gathered = [];
    private int _length;
    private bool _isGathering;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>From now on writes are kept.</summary>
    public void Gather()
    {
        lock (_gate) _isGathering = true;
    }

    /// <summary>Writes what was kept, in one piece, and ends the keeping.</summary>
    public async ValueTask FlushGatheredAsync(CancellationToken cancel)
    {
        await _writing.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            byte[] bytes;
            int length;
            lock (_gate)
            {
                (bytes, length) = (_gathered, _length);
                (_gathered, _length, _isGathering) = ([], 0, false);
            }
            if (length > 0) await inner.WriteAsync(bytes.AsMemory(0, length), cancel).ConfigureAwait(false);
            // One usual batch is kept for the next time; what a burst needed is not, or a thousand idle channels would hold it.
            lock (_gate)
            {
                if (_gathered.Length == 0 && bytes.Length <= KeptBytesMax) _gathered = bytes;
            }
        }
        finally
        {
            _writing.Release();
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (_isGathering)
            {
                Append(buffer.Span);
                return;
            }
        }
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.ReadAsync(buffer, offset, count, cancellationToken);

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        // The semaphore is left to the collector: a keep-alive may still be on its way into it.
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > _gathered.Length) Array.Resize(ref _gathered, Math.Max(Math.Max(_gathered.Length * 2, 1024), _length + bytes.Length));
        bytes.CopyTo(_gathered.AsSpan(_length));
        _length += bytes.Length;
    }
}
