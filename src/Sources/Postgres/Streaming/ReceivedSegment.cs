namespace Backup.Sources.Postgres.Streaming;

/// <summary>A file of write-ahead log as the server sends it.</summary>
internal sealed class ReceivedSegment(Stream content, WalSegment segment, ulong systemIdentifier, TransferCounters counters) : PageStream(0, default, hasChecksums: false, counters)
{
    /// <summary>What is wrong with its first page; null when nothing is, or it was not read yet.</summary>
    internal string? Problem { get; private set; }

    protected override int ReadPages(Span<byte> buffer, long offset)
    {
        var count = content.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        if (offset == 0)
            Problem = segment.Problem(buffer[..count], systemIdentifier);
        return count;
    }

    protected override SecondReading ReadAgain(Span<byte> page, long offset) => SecondReading.Impossible;
}
