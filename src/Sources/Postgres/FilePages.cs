using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>A relation file on this machine, or a stretch of it.</summary>
/// <param name="file">The file.</param>
/// <param name="from">Where to begin: at a page.</param>
/// <param name="end">Where to end.</param>
/// <param name="firstBlock">The file's first block in the relation.</param>
/// <param name="backupStart">Younger pages come back from the log.</param>
/// <param name="hasChecksums">Pages carry checksums.</param>
/// <param name="counters">Told what was read.</param>
/// <param name="pace">Asked before each reading.</param>
internal sealed class FilePages(Descriptor file, long from, long end, uint firstBlock, Lsn backupStart, bool hasChecksums, TransferCounters counters, BackupPace pace)
    : PageStream(firstBlock, backupStart, hasChecksums, counters, from)
{
    internal Errno Error { get; private set; }

    protected override int ReadPages(Span<byte> buffer, long offset)
    {
        pace.Yield();
        var wanted = (int)Math.Clamp(end - offset, 0, buffer.Length);
        Error = file.ReadFully(buffer[..wanted], offset, out var count);
        return Error.IsError ? throw new IOException(Error.ToString()) : count;
    }

    protected override SecondReading ReadAgain(Span<byte> page, long offset) =>
        file.ReadFully(page, offset, out var count).IsError || count < page.Length ? SecondReading.Gone : SecondReading.Done;
}
