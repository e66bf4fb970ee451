using System.Globalization;

namespace Backup.Sources.Postgres;

/// <summary>A position in PostgreSQL's write-ahead log, in bytes since its beginning.</summary>
/// <param name="Value">The position.</param>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>
{
    /// <summary>Reads PostgreSQL's spelling, for example <c>16/B374D848</c>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Lsn lsn)
    {
        lsn = default;
        var slash = text.IndexOf('/');
        if (slash is < 1 or > 8 || text.Length - slash is < 2 or > 9
            || !uint.TryParse(text[..slash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !uint.TryParse(text[(slash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
        {
            return false;
        }

        lsn = new Lsn(((ulong)high << 32) | low);
        return true;
    }

    /// <summary>Reads PostgreSQL's spelling.</summary>
    /// <exception cref="SourcesException">DataDamaged: the text is none.</exception>
    public static Lsn Parse(string? text) => TryParse(text, out var lsn)
        ? lsn
        : throw new SourcesException(SourcesFault.DataDamaged, $"\"{text}\" is not a log position.", "Check that the server, or the snapshot, is one of PostgreSQL.");

    /// <inheritdoc/>
    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    /// <summary>Earlier in the log.</summary>
    public static bool operator <(Lsn left, Lsn right) => left.Value < right.Value;

    /// <summary>Later in the log.</summary>
    public static bool operator >(Lsn left, Lsn right) => left.Value > right.Value;

    /// <summary>Earlier in the log, or the same.</summary>
    public static bool operator <=(Lsn left, Lsn right) => left.Value <= right.Value;

    /// <summary>Later in the log, or the same.</summary>
    public static bool operator >=(Lsn left, Lsn right) => left.Value >= right.Value;

    /// <summary>PostgreSQL's spelling.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Value >> 32:X}/{Value & 0xFFFFFFFF:X}");
}
