using System.Buffers.Binary;

namespace Backup.Sources.Postgres.Wal;

/// <summary>
/// Reads write-ahead log as a stream and proves its continuity by content: every page's header, every record's checksum, and that every
/// record names the one before it. Feed it the log's bytes in order; it stops at the first byte that cannot be right.
/// </summary>
/// <remarks>Keeps one page header and the beginning of one record, however long records are. Takes any bytes: nothing makes it throw.</remarks>
internal sealed class WalScanner
{
    private const int RecordAlignment = 8;

    /// <summary>The server's own limit: 1020 MiB.</summary>
    private const uint RecordBytesMax = 1020u << 20;

    private readonly uint _timeline;
    private readonly ulong _systemIdentifier;
    private readonly int _segmentBytes;
    private readonly Action<WalRecord>? _sink;
    private readonly byte[] _pageHeader = new byte[WalPageHeader.LongBytes];
    private readonly byte[] _recordHeader = new byte[WalRecord.HeaderBytes];
    private readonly byte[] _content = new byte[WalRecord.ContentBytesKept];
    private int _pageHeaderKept;
    private uint _pageTimeline;
    private uint _recordBytes, _recordDone;
    private Lsn _recordStart;
    private Lsn? _previousRecord;
    private uint _crc;
    private uint _skipBytes;
    private bool _isInRecord, _isSynchronized, _skipsSegment;
    private bool _isPageHeaderRead;

    /// <param name="timeline">The timeline being read; pages may be of earlier ones, which they were copied from.</param>
    /// <param name="start">The first byte: the beginning of a page. Records that began before it are passed over.</param>
    /// <param name="systemIdentifier">The cluster.</param>
    /// <param name="segmentBytes">Its segment size.</param>
    /// <param name="sink">Told of every record, in order; or null.</param>
    internal WalScanner(uint timeline, Lsn start, ulong systemIdentifier, int segmentBytes, Action<WalRecord>? sink)
    {
        if (start.Value % WalPageHeader.PageBytes != 0)
            throw new ArgumentOutOfRangeException(nameof(start), $"{start} is not the beginning of a page.");
        _timeline = timeline;
        Position = EndOfRecords = start;
        _systemIdentifier = systemIdentifier;
        _segmentBytes = segmentBytes;
        _sink = sink;
    }

    /// <summary>How far bytes were taken.</summary>
    internal Lsn Position { get; private set; }

    /// <summary>Up to here the log is whole: the end of the last whole record. A restore reaches this point.</summary>
    internal Lsn EndOfRecords { get; private set; }

    /// <summary>How many whole records there were.</summary>
    internal long Records { get; private set; }

    /// <summary>Why reading stopped at <see cref="Position"/>; null while all is right.</summary>
    internal string? Problem { get; private set; }

    /// <summary>The log ended in the ordinary way: where a record could begin, zeros do. Only with <see cref="Problem"/>.</summary>
    internal bool IsAtEnd { get; private set; }

    /// <summary>The major version that wrote the log, once a page was seen.</summary>
    internal int? MajorVersion { get; private set; }

    /// <summary>Takes the next bytes. After a problem it takes none.</summary>
    internal void Feed(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0 && Problem is null)
        {
            var taken = Step(bytes);
            bytes = bytes[taken..];
            Position = new Lsn(Position.Value + (ulong)taken);
            Advance();
        }
    }

    /// <summary>Takes at least one byte, at most up to the end of the thing at hand.</summary>
    private int Step(ReadOnlySpan<byte> bytes)
    {
        if (_skipsSegment)
            return (int)Math.Min((ulong)bytes.Length, (ulong)_segmentBytes - (Position.Value % (ulong)_segmentBytes));
        var inPage = (int)(Position.Value % WalPageHeader.PageBytes);
        if (!_isPageHeaderRead)
            return TakePageHeader(bytes);
        var left = Math.Min(bytes.Length, WalPageHeader.PageBytes - inPage);
        if (_skipBytes > 0)
        {
            var skipped = (int)Math.Min(_skipBytes, (uint)left);
            _skipBytes -= (uint)skipped;
            return skipped;
        }

        if (!_isInRecord)
        {
            var padding = (int)(-(long)Position.Value & (RecordAlignment - 1));
            if (padding > 0)
                return Math.Min(padding, left);
            _isInRecord = true;
            _recordStart = Position;
            _recordDone = 0;
            _recordBytes = 0;
            _crc = uint.MaxValue;
        }

        return TakeRecord(bytes[..left]);
    }

    /// <summary>Whatever ends exactly at the position now.</summary>
    private void Advance()
    {
        if (Problem is not null)
            return;
        if (_isInRecord && _recordDone == _recordBytes && _recordDone >= WalRecord.HeaderBytes)
            FinishRecord();
        if (_skipsSegment && Position.Value % (ulong)_segmentBytes == 0)
            _skipsSegment = false;
        if (Position.Value % WalPageHeader.PageBytes == 0)
            (_isPageHeaderRead, _pageHeaderKept) = (false, 0);
    }

    private int TakePageHeader(ReadOnlySpan<byte> bytes)
    {
        var wanted = _pageHeaderKept < WalPageHeader.ShortBytes || !new WalPageHeader(_pageHeader).IsLong ? WalPageHeader.ShortBytes : WalPageHeader.LongBytes;
        var taken = Math.Min(wanted - _pageHeaderKept, bytes.Length);
        bytes[..taken].CopyTo(_pageHeader.AsSpan(_pageHeaderKept));
        _pageHeaderKept += taken;
        if (_pageHeaderKept == WalPageHeader.ShortBytes && new WalPageHeader(_pageHeader).IsLong)
            return taken;
        if (_pageHeaderKept >= wanted)
        {
            var start = new Lsn(Position.Value + (ulong)taken - (ulong)_pageHeaderKept);
            if (CheckPage(new WalPageHeader(_pageHeader), start) is { } problem)
            {
                IsAtEnd = !_pageHeader.AsSpan(0, _pageHeaderKept).ContainsAnyExcept((byte)0);
                Problem = IsAtEnd ? $"the page at {start} was never written" : problem;
            }

            _isPageHeaderRead = true;
        }

        return taken;
    }

    private string? CheckPage(WalPageHeader page, Lsn start)
    {
        if (WalPageHeader.MajorVersionOf(page.Magic) is not { } version)
            return $"the page at {start} has the magic number {page.Magic:X4}, which no supported version writes";
        MajorVersion ??= version;
        if (version != MajorVersion)
            return $"the page at {start} is of PostgreSQL {version}, those before of {MajorVersion}";
        if (!page.HasKnownFlags)
            return $"the page at {start} has unknown flags";
        if (page.Address != start)
            return $"the page at {start} says that it is the one at {page.Address}: it was recycled, or never written";
        if (page.Timeline < _pageTimeline || page.Timeline == 0 || page.Timeline > _timeline)
            return $"the page at {start} is of timeline {page.Timeline}, not {_timeline}";
        _pageTimeline = page.Timeline;
        if (start.Value % (ulong)_segmentBytes == 0 != page.IsLong)
            return $"the page at {start} has the wrong kind of header for its place";
        if (page.IsLong && page.SystemIdentifier != _systemIdentifier)
            return $"the file at {start} belongs to another cluster ({page.SystemIdentifier}, not {_systemIdentifier})";
        if (page.IsLong && (page.SegmentBytes != (uint)_segmentBytes || page.BlockBytes != WalPageHeader.PageBytes))
            return $"the file at {start} has another segment or block size";
        return CheckContinuation(page, start);
    }

    private string? CheckContinuation(WalPageHeader page, Lsn start)
    {
        if (!_isSynchronized)
        {
            _isSynchronized = true;
            _skipBytes = page.FirstIsContinuation ? page.ContinuationBytes : 0;
            return null;
        }

        if (_skipBytes > 0)
        {
            if (page.FirstOverwrites)
                _skipBytes = 0;
            else if (!page.FirstIsContinuation || page.ContinuationBytes != _skipBytes)
                return $"the page at {start} does not continue the record of the page before";
            return null;
        }

        if (!_isInRecord)
            return page.FirstIsContinuation ? $"the page at {start} continues a record that nothing began" : null;
        if (page.FirstOverwrites)
        {
            // The server crashed in the middle of that record and went on without it.
            _isInRecord = false;
            return null;
        }

        return page.FirstIsContinuation && page.ContinuationBytes == _recordBytes - _recordDone
            ? null
            : $"the page at {start} does not continue the record that began at {_recordStart}";
    }

    private int TakeRecord(ReadOnlySpan<byte> bytes)
    {
        if (_recordDone < WalRecord.HeaderBytes)
        {
            var taken = Math.Min(WalRecord.HeaderBytes - (int)_recordDone, bytes.Length);
            // The length comes first and never spans pages, but bytes may be fed one at a time.
            bytes[..taken].CopyTo(_recordHeader.AsSpan((int)_recordDone));
            _recordDone += (uint)taken;
            if (_recordBytes == 0 && _recordDone >= sizeof(uint))
            {
                _recordBytes = BinaryPrimitives.ReadUInt32LittleEndian(_recordHeader);
                IsAtEnd = _recordBytes == 0;
                if (IsAtEnd)
                    Problem = $"no record begins at {_recordStart}";
                else if (_recordBytes is < WalRecord.HeaderBytes or > RecordBytesMax)
                    Problem = $"the record at {_recordStart} claims to have {_recordBytes} bytes";
            }

            if (Problem is null && _recordDone == WalRecord.HeaderBytes)
                CheckPrevious();
            return taken;
        }

        var count = (int)Math.Min(_recordBytes - _recordDone, (uint)bytes.Length);
        _crc = Crc32C.Add(_crc, bytes[..count]);
        var kept = (int)_recordDone - WalRecord.HeaderBytes;
        if (kept < _content.Length)
            bytes[..Math.Min(count, _content.Length - kept)].CopyTo(_content.AsSpan(kept));
        _recordDone += (uint)count;
        return count;
    }

    private void CheckPrevious()
    {
        var previous = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(_recordHeader.AsSpan(8)));
        if (_previousRecord is { } known ? previous != known : previous >= _recordStart)
        {
            Problem = _previousRecord is null
                ? $"the record at {_recordStart} names one behind it, {previous}, as the one before"
                : $"the record at {_recordStart} follows one at {previous}, but {_previousRecord} is what was read before it";
        }
    }

    private void FinishRecord()
    {
        const int checksumOffset = 20;
        var crc = ~Crc32C.Add(_crc, _recordHeader.AsSpan(0, checksumOffset));
        if (crc != BinaryPrimitives.ReadUInt32LittleEndian(_recordHeader.AsSpan(checksumOffset)))
        {
            Problem = $"the record at {_recordStart} does not fit its checksum";
            return;
        }

        var kept = (int)Math.Min(_recordBytes - WalRecord.HeaderBytes, (uint)_content.Length);
        var end = (Position.Value + RecordAlignment - 1) & ~(ulong)(RecordAlignment - 1);
        var record = WalRecord.Read(_recordStart, new Lsn(end), _recordHeader, _content.AsSpan(0, kept), MajorVersion ?? 0);
        _isInRecord = false;
        _previousRecord = _recordStart;
        if (record.Kind == WalRecordKind.Switch && Position.Value % (ulong)_segmentBytes != 0)
        {
            // The rest of the file is empty by intention.
            _skipsSegment = true;
            end = (Position.Value + (ulong)_segmentBytes - 1) & ~((ulong)_segmentBytes - 1);
            record = record with { End = new Lsn(end) };
        }

        EndOfRecords = record.End;
        Records++;
        _sink?.Invoke(record);
    }
}
