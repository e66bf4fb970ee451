using System.Globalization;
using System.Text;
using Backup.Sources.Postgres.Wal;

namespace Backup.Sources.Postgres;

/// <summary>One file of write-ahead log.</summary>
/// <param name="Timeline">The timeline it was written on.</param>
/// <param name="Number">Its place: the log position of its first byte divided by the segment size.</param>
/// <param name="SegmentBytes">The cluster's segment size: a power of two from 1 MiB to 1 GiB.</param>
internal readonly record struct WalSegment(uint Timeline, ulong Number, int SegmentBytes)
{
    internal Lsn Start => new(Number * (ulong)SegmentBytes);

    /// <summary>24 hexadecimal digits: timeline, then the position in two parts.</summary>
    internal string FileName
    {
        get
        {
            var segmentsPerPart = 0x1_0000_0000UL / (ulong)SegmentBytes;
            return string.Create(CultureInfo.InvariantCulture, $"{Timeline:X8}{Number / segmentsPerPart:X8}{Number % segmentsPerPart:X8}");
        }
    }

    internal byte[] FileNameBytes => Encoding.ASCII.GetBytes(FileName);

    /// <summary>The segment of a file name; null when the name is not one for that segment size.</summary>
    internal static WalSegment? Parse(string fileName, int segmentBytes)
    {
        var segmentsPerPart = 0x1_0000_0000UL / (ulong)segmentBytes;
        return fileName.Length == 24
            && uint.TryParse(fileName.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var timeline)
            && uint.TryParse(fileName.AsSpan(8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            && uint.TryParse(fileName.AsSpan(16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low)
            && low < segmentsPerPart
            ? new WalSegment(timeline, (high * segmentsPerPart) + low, segmentBytes)
            : null;
    }

    /// <summary>The one after it on the same timeline.</summary>
    internal WalSegment Next => this with { Number = Number + 1 };

    internal Lsn End => Next.Start;

    internal static WalSegment Holding(uint timeline, Lsn position, int segmentBytes) =>
        new(timeline, position.Value / (ulong)segmentBytes, segmentBytes);

    /// <summary>Every segment with a byte of the log from <paramref name="start"/> up to, not including, <paramref name="end"/>.</summary>
    internal static IEnumerable<WalSegment> Range(uint timeline, Lsn start, Lsn end, int segmentBytes)
    {
        if (end <= start)
            throw new ArgumentOutOfRangeException(nameof(end), $"The log range {start} to {end} is empty.");
        for (var number = start.Value / (ulong)segmentBytes; number <= (end.Value - 1) / (ulong)segmentBytes; number++)
            yield return new WalSegment(timeline, number, segmentBytes);
    }

    /// <summary>
    /// Null when the first page says it is this segment of this cluster. PostgreSQL renames finished segments to future names and
    /// overwrites them later, so a name alone proves nothing.
    /// </summary>
    internal string? Problem(ReadOnlySpan<byte> firstPage, ulong systemIdentifier)
    {
        if (firstPage.Length < WalPageHeader.LongBytes)
            return "it is shorter than one page header";
        var header = new WalPageHeader(firstPage);
        if (!header.IsLong)
            return "its first page has no segment header";
        if (header.Address != Start)
            return $"its first page is of log position {header.Address} and not of {Start}: it was recycled, or never written";
        if (header.SystemIdentifier != systemIdentifier)
            return "it belongs to another cluster";
        if (header.SegmentBytes != (uint)SegmentBytes)
            return "it has another segment size";
        return null;
    }
}
