namespace Backup.Benchmarks.Relay;

/// <summary>A body of zeros that costs nothing to make.</summary>
internal sealed class ZeroStream(long bytes) : Stream
{
    private long _left = bytes;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public static async Task<long> CountAsync(Stream stream, CancellationToken cancel)
    {
        var buffer = new byte[64 * 1024];
        long count = 0;
        int read;
        while ((read = await stream.ReadAsync(buffer, cancel)) > 0) count += read;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        count = (int)Math.Min(_left, count);
        _left -= count;
        return count;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = (int)Math.Min(_left, buffer.Length);
        _left -= count;
        return ValueTask.FromResult(count);
    }

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
