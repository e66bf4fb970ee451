using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

internal enum SecondReading
{
    Done,

    /// <summary>What was read first is all there will be.</summary>
    Impossible,

    /// <summary>Ended or cut off meanwhile: then replay makes the page anew or drops it.</summary>
    Gone,
}

/// <summary>
/// A relation file as pages. A page whose checksum is wrong is read again where that is possible, since the server may have been writing it; one that
/// stays wrong is counted and passed on as it is, as the server's own base backup does.
/// </summary>
internal abstract class PageStream(uint firstBlock, Lsn backupStart, bool hasChecksums, TransferCounters counters, long from = 0) : ForwardStream
{
    private const int BufferBytes = 32 * PageChecksum.PageBytes;
    private const int ReadsMax = 20;

    private readonly byte[] _pages = new byte[BufferBytes];
    private int _start;
    private int _end;
    private long _offset = from;

    /// <summary>Block numbers within the relation.</summary>
    internal List<uint> DamagedBlocks { get; } = [];

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end && !Fill())
            return 0;
        var count = Math.Min(buffer.Length, _end - _start);
        _pages.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        counters.AddBytes(count);
        return count;
    }

    /// <summary>Fills the buffer, or as much of it as there is before the end.</summary>
    protected abstract int ReadPages(Span<byte> buffer, long offset);

    /// <summary>Reads one page once more, into the same place.</summary>
    protected abstract SecondReading ReadAgain(Span<byte> page, long offset);

    private bool Fill()
    {
        _start = 0;
        _end = ReadPages(_pages, _offset);
        if (hasChecksums)
        {
            for (var at = 0; at + PageChecksum.PageBytes <= _end; at += PageChecksum.PageBytes)
                CheckPage(_pages.AsSpan(at, PageChecksum.PageBytes), _offset + at);
        }

        _offset += _end;
        return _end > 0;
    }

    private void CheckPage(Span<byte> page, long offset)
    {
        var block = firstBlock + (uint)(offset / PageChecksum.PageBytes);
        for (var reads = 1; !PageChecksum.IsSound(page, block, backupStart); reads++)
        {
            var reading = reads < ReadsMax ? ReadAgain(page, offset) : SecondReading.Impossible;
            if (reading == SecondReading.Done)
                continue;
            if (reading == SecondReading.Impossible)
                DamagedBlocks.Add(block);
            return;
        }
    }
}
