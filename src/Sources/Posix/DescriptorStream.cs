using Backup.Vault.Snapshots;

namespace Backup.Sources.Posix;

/// <summary>
/// Stretches of an open file one after another, for the vault to read. Ends at the last stretch's end without asking the file system,
/// or earlier when the file does. A failed read throws, and <see cref="Error"/> keeps the reason.
/// </summary>
internal sealed class DescriptorStream(Descriptor file, long length, List<Extent>? extents, TransferCounters counters) : ForwardStream
{
    private int _extent;
    private long _done;

    internal Errno Error { get; private set; }

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
}
