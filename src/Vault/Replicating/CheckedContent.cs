using System.Buffers;
using System.Security.Cryptography;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Replicating;

/// <summary>
/// An object's bytes on their way out, checked as they pass: the last ones come only if all are what the object's name says and the vault's own, otherwise reading
/// them fails. What appears at its new place only when it is whole then never appears wrong. May be read again from the start, as retries do.
/// </summary>
/// <param name="item">The object; its length is this stream's.</param>
/// <param name="vault">Whose it must be.</param>
/// <param name="read">Fills a piece from an offset; fails as stores do.</param>
internal sealed class CheckedContent(StoreObject item, VaultId vault, Func<long, Memory<byte>, CancellationToken, Task> read) : Stream
{
    /// <summary>Few calls, and still in the processor's cache when it is hashed and sent.</summary>
    internal const int PieceBytes = 1 << 20;

    private Passing _passing = new();
    private volatile VaultException? _failure;

    /// <summary>Why the bytes could not be had: what the source said, or that they are not what they should be. Null as long as nothing was wrong with them.</summary>
    public VaultException? Failure => _failure;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => item.Length;

    /// <summary>Only the start can be gone to: the check needs every byte in its turn.</summary>
    public override long Position
    {
        get => _passing.Position;
        set
        {
            if (value == _passing.Position) return;
            ArgumentOutOfRangeException.ThrowIfNotEqual(value, 0);
            _passing.Dispose();
            _passing = new Passing();
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var piece = buffer[..(int)Math.Min(buffer.Length, Length - _passing.Position)];
        await NextAsync(_passing, piece, cancellationToken).ConfigureAwait(false);
        return piece.Length;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <remarks>With a state of its own: an attempt that was given up may still be at it when the next one begins.</remarks>
    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        if (_passing.Position == Length) return;
        ArgumentOutOfRangeException.ThrowIfNotEqual(_passing.Position, 0, nameof(Position));
        using var passing = new Passing();
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (passing.Position < Length)
            {
                var piece = buffer.AsMemory(0, (int)Math.Min(PieceBytes, Length - passing.Position));
                await NextAsync(passing, piece, cancellationToken).ConfigureAwait(false);
                await destination.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => Length,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _passing.Dispose();
        base.Dispose(disposing);
    }

    private async Task NextAsync(Passing passing, Memory<byte> piece, CancellationToken cancel)
    {
        if (piece.Length == 0) return;
        try
        {
            await read(passing.Position, piece, cancel).ConfigureAwait(false);
            passing.Add(piece.Span);
            if (passing.Position == Length) passing.Check(item.Name, vault);
        }
        catch (VaultException e)
        {
            _failure = e;
            throw;
        }
    }

    /// <summary>What has passed in one reading from the start.</summary>
    private sealed class Passing : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly byte[] _prefix = new byte[ObjectPrefix.Length];

        public long Position { get; private set; }

        public void Add(ReadOnlySpan<byte> piece)
        {
            _hash.AppendData(piece);
            if (Position < _prefix.Length)
            {
                var part = piece[..(int)Math.Min(piece.Length, _prefix.Length - Position)];
                part.CopyTo(_prefix.AsSpan((int)Position));
            }

            Position += piece.Length;
        }

        public void Check(ObjectName name, VaultId vault)
        {
            ObjectPrefix.Check(_prefix.AsSpan(0, (int)Math.Min(Position, _prefix.Length)), name.Kind, vault, name.ToString());
            if (!name.Matches(_hash)) throw VaultException.Damaged(name.ToString(), "its bytes are not those of its name");
        }

        public void Dispose() => _hash.Dispose();
    }
}
