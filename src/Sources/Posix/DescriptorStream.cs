using Backup.Vault.Snapshots;

namespace Backup.Sources.Posix;

/// <summary>
/// Stretches of an open file one after another, for the vault to read. Ends at the last stretch's end without asking the file system,
/// or earlier when the file does. A failed read throws, and <see cref="Error"/> keeps the reason.
/// </summary>
internal sealed class DescriptorStream(Descriptor file, long length, List<Extent>? extents, TransferCounters counters) : Stream
{
    private int _extent;
    private long _done;

    internal Errno Error { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    private int Count => extents?.Count ?? 1;

    public override int Read(Span<byte> buffer)
    {
        while (_extent < Count)
        {
            var current = extents is null ? new Extent(0, length) : extents[_extent];
            var left = current.Length - _done;
            var count = 0;
            if (left > 0)
            {
                Error = file.Read(left < buffer.Length ? buffer[..(int)left] : buffer, current.Offset + _done, out count);
                if (Error.IsError)
                    throw new IOException(Error.ToString());
            }

            if (count > 0)
            {
                _done += count;
                counters.AddBytes(count);
                return count;
            }

            _extent++;
            _done = 0;
        }

        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
