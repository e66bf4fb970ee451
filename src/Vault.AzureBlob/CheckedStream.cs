namespace Backup.Vault.AzureBlob;

/// <summary>
/// An object's bytes on their way out while they are still being checked: the last ones come only when the check says that they are right. What is sent in one request
/// or as one list of blocks then never appears wrong. May be read again from the start, as retries do.
/// </summary>
/// <param name="content">All bytes.</param>
/// <param name="check">Ends with whether they are right.</param>
internal sealed class CheckedStream(ReadOnlyMemory<byte> content, Task<bool> check) : Stream
{
    private const int WithheldBytes = 64 * 1024;

    /// <summary>Large enough to be few calls, small enough not to be copied whole on the way.</summary>
    private const int PieceBytes = 1 << 20;

    private int _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => content.Length;

    public override long Position
    {
        get => _position;
        set => _position = value >= 0 && value <= content.Length ? (int)value : throw new ArgumentOutOfRangeException(nameof(value));
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await ReleaseAsync(cancellationToken).ConfigureAwait(false);
        return Take(buffer.Span);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(Span<byte> buffer)
    {
        ReleaseAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return Take(buffer);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        while (_position < content.Length)
        {
            await ReleaseAsync(cancellationToken).ConfigureAwait(false);
            var piece = content.Slice(_position, Available(PieceBytes));
            await destination.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            _position += piece.Length;
        }
    }

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => _position,
        _ => content.Length,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Take(Span<byte> buffer)
    {
        var taken = content.Span.Slice(_position, Available(buffer.Length));
        taken.CopyTo(buffer);
        _position += taken.Length;
        return taken.Length;
    }

    private int Free => Math.Max(0, content.Length - WithheldBytes);

    private int Available(int wanted) => Math.Min(wanted, (_position < Free ? Free : content.Length) - _position);

    /// <summary>At the withheld part: waits for the check. Not an I/O failure, which would be tried again.</summary>
    private async ValueTask ReleaseAsync(CancellationToken cancel)
    {
        if (_position >= Free && !await check.WaitAsync(cancel).ConfigureAwait(false))
        {
            throw new VaultException(VaultFault.Damaged, "The content is not what its name says.", "Run 'vault verify', then 'vault repair' from a replica.");
        }
    }
}
