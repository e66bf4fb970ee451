using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>A relation file on this machine.</summary>
internal sealed class FilePages(Descriptor file, long length, uint firstBlock, Lsn backupStart, bool hasChecksums, TransferCounters counters)
    : PageStream(firstBlock, backupStart, hasChecksums, counters)
{
    internal Errno Error { get; private set; }

    protected override int ReadPages(Span<byte> buffer, long offset)
    {
        var wanted = (int)Math.Clamp(length - offset, 0, buffer.Length);
        Error = file.ReadFully(buffer[..wanted], offset, out var count);
        return Error.IsError ? throw new IOException(Error.ToString()) : count;
    }

    protected override SecondReading ReadAgain(Span<byte> page, long offset) =>
        file.ReadFully(page, offset, out var count).IsError || count < page.Length ? SecondReading.Gone : SecondReading.Done;
}
