using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>
/// A file of log that grows in the vault: its whole chunks are stored and forgotten, the beginning of the next is in memory. Immutable as far
/// as it is stored, so that a failed commit leaves what was before it.
/// </summary>
internal sealed class OpenSegment
{
    private readonly byte[] _chunk;
    private int _chunkBytes;

    internal OpenSegment(WalSegment segment)
    {
        Segment = segment;
        _chunk = GC.AllocateUninitializedArray<byte>(ContentHints.Pages.FixedChunkBytes);
    }

    private OpenSegment(OpenSegment other)
    {
        Segment = other.Segment;
        Whole = other.Whole;
        _chunk = (byte[])other._chunk.Clone();
        _chunkBytes = other._chunkBytes;
    }

    internal WalSegment Segment { get; }

    /// <summary>The chunks that will not change.</summary>
    internal Content Whole { get; private set; } = Content.Empty;

    internal Lsn End => new(Segment.Start.Value + (ulong)Whole.Length + (ulong)_chunkBytes);

    internal bool IsComplete => Whole.Length == Segment.SegmentBytes;

    /// <summary>To be continued apart from this one.</summary>
    internal OpenSegment Copy() => new(this);

    /// <summary>Takes bytes up to the segment's end.</summary>
    /// <returns>How many.</returns>
    internal int Append(SnapshotWriter writer, ReadOnlySpan<byte> bytes, CancellationToken cancel)
    {
        var taken = 0;
        while (taken < bytes.Length && !IsComplete)
        {
            var count = (int)Math.Min(Math.Min(bytes.Length - taken, _chunk.Length - _chunkBytes), Segment.SegmentBytes - Whole.Length - _chunkBytes);
            bytes.Slice(taken, count).CopyTo(_chunk.AsSpan(_chunkBytes));
            taken += count;
            _chunkBytes += count;
            if (_chunkBytes < _chunk.Length)
                continue;
            Whole = Content.Join(Whole, Store(writer, cancel));
            _chunkBytes = 0;
        }

        return taken;
    }

    /// <summary>All of it, the unfinished chunk stored as it is now.</summary>
    internal Content Finish(SnapshotWriter writer, CancellationToken cancel) =>
        _chunkBytes == 0 ? Whole : Content.Join(Whole, Store(writer, cancel));

    private Content Store(SnapshotWriter writer, CancellationToken cancel) =>
        writer.AddContent(new MemoryStream(_chunk, 0, _chunkBytes, writable: false), ContentHints.Pages, cancel);
}
