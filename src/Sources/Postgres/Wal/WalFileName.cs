using System.Buffers;
using System.Globalization;

namespace Backup.Sources.Postgres.Wal;

/// <summary>What a file in PostgreSQL's archive is, by its name.</summary>
internal enum WalFileKind
{
    /// <summary>A whole file of log.</summary>
    Segment,

    /// <summary>The beginning of one: what was flushed so far, or what a server left behind when its timeline ended.</summary>
    Partial,

    /// <summary>Where a timeline comes from.</summary>
    History,

    /// <summary>A note about a base backup.</summary>
    BackupNote,
}

/// <summary>A name that PostgreSQL hands to archive_command or asks restore_command for.</summary>
/// <param name="Text">The name.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Timeline">Its first eight digits.</param>
internal readonly record struct WalFileName(string Text, WalFileKind Kind, uint Timeline)
{
    internal const string PartialSuffix = ".partial";

    private const string HistorySuffix = ".history";
    private const string BackupSuffix = ".backup";
    private const int SegmentDigits = 24;
    private const int TimelineDigits = 8;

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789ABCDEF");

    /// <summary>The name of the file of log it is or belongs to; empty for histories.</summary>
    internal string Segment => Kind == WalFileKind.History ? "" : Text[..SegmentDigits];

    internal static string HistoryOf(uint timeline) => string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}{HistorySuffix}");

    /// <summary>False for anything that is not exactly such a name: nothing else is ever stored or fetched under it.</summary>
    internal static bool TryParse(string text, out WalFileName name)
    {
        WalFileKind? kind = text.Length switch
        {
            SegmentDigits => WalFileKind.Segment,
            _ when text.Length == SegmentDigits + PartialSuffix.Length && text.EndsWith(PartialSuffix, StringComparison.Ordinal) => WalFileKind.Partial,
            _ when text.Length == TimelineDigits + HistorySuffix.Length && text.EndsWith(HistorySuffix, StringComparison.Ordinal) => WalFileKind.History,
            _ when text.Length == SegmentDigits + 1 + TimelineDigits + BackupSuffix.Length && text[SegmentDigits] == '.'
                && text.EndsWith(BackupSuffix, StringComparison.Ordinal) && IsHex(text.AsSpan(SegmentDigits + 1, TimelineDigits)) => WalFileKind.BackupNote,
            _ => null,
        };
        name = default;
        if (kind is not { } known || !IsHex(text.AsSpan(0, known == WalFileKind.History ? TimelineDigits : SegmentDigits)))
            return false;
        name = new WalFileName(text, known, uint.Parse(text.AsSpan(0, TimelineDigits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return name.Timeline > 0;
    }

    private static bool IsHex(ReadOnlySpan<char> text) => !text.ContainsAnyExcept(HexDigits);
}
