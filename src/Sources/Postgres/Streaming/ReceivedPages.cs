namespace Backup.Sources.Postgres.Streaming;

/// <summary>
/// A relation file as the server sends it. It cannot be read again here; the server has done so already with pages that it found torn, since it checks
/// them as well.
/// </summary>
internal sealed class ReceivedPages(Stream content, uint firstBlock, Lsn backupStart, bool hasChecksums, TransferCounters counters)
    : PageStream(firstBlock, backupStart, hasChecksums, counters)
{
    protected override int ReadPages(Span<byte> buffer, long offset) => content.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);

    protected override SecondReading ReadAgain(Span<byte> page, long offset) => SecondReading.Impossible;
}
