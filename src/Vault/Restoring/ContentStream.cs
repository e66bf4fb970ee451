using Backup.Vault.Snapshots;

namespace Backup.Vault.Restoring;

/// <summary>One content as a stream. Reads whole chunks and keeps the last one.</summary>
internal sealed class ContentStream(VaultReader reader, Content content) : Stream
{
    private readonly long[] _starts = Starts(content);
    private byte[] _chunk = [];
    private int _held = -1;
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => content.Length;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position >= Length || buffer.Length == 0) return 0;
        var part = Array.BinarySearch(_starts, _position);
        if (part < 0) part = ~part - 1;

        // Empty parts share their start with the next; the last of equals is the one with bytes.
        while (content.Parts[part].Length == 0 || _position >= _starts[part] + content.Parts[part].Length) part++;
        if (part != _held)
        {
            var sink = new OneChunk();
            await reader.FetchAsync([content.Parts[part]], sink, 1, cancellationToken).ConfigureAwait(false);
            _chunk = sink.Take();
            _held = part;
        }

        var available = _chunk.AsMemory((int)(_position - _starts[part]));
        var count = Math.Min(available.Length, buffer.Length);
        available[..count].CopyTo(buffer);
        _position += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => Length + offset,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException("A content is read-only.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A content is read-only.");

    private static long[] Starts(Content content)
    {
        var starts = new long[content.Parts.Length];
        long at = 0;
        for (var i = 0; i < starts.Length; i++)
        {
            starts[i] = at;
            at += content.Parts[i].Length;
        }

        return starts;
    }

    private sealed class OneChunk : IChunkSink
    {
        private byte[]? _data;
        private VaultException? _failure;

        public void Deliver(int want, int count, ReadOnlySpan<byte> data) => _data = data.ToArray();

        public void Fail(int want, VaultException why) => _failure = why;

        internal byte[] Take() => _data ?? throw _failure!;
    }
}
