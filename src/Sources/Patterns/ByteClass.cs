namespace Backup.Sources.Patterns;

/// <summary>
/// A class of bytes in a pattern, read as git reads it: <c>[a-z_]</c>, its opposite <c>[!a-z]</c> or <c>[^a-z]</c>, <c>\x</c> for x itself,
/// <c>[:alpha:]</c> and the other names of POSIX. A <c>]</c> that comes first is a member; so is a <c>-</c> that stands first, last or after a range.
/// </summary>
internal static class ByteClass
{
    /// <summary>Reads the class a pattern begins with and looks whether a byte belongs to it.</summary>
    /// <param name="pattern">Begins with <c>[</c>.</param>
    /// <param name="value">The byte.</param>
    /// <param name="used">How many bytes of the pattern the class takes.</param>
    /// <param name="isMember">Whether the byte belongs to it.</param>
    /// <returns>False when the class is not closed, or names a class that does not exist.</returns>
    internal static bool TryRead(ReadOnlySpan<byte> pattern, byte value, out int used, out bool isMember)
    {
        (used, isMember) = (0, false);
        var at = 1;
        var isNegated = at < pattern.Length && pattern[at] is (byte)'!' or (byte)'^';
        if (isNegated)
            at++;
        var first = at;
        var found = false;
        byte? before = null;
        while (at < pattern.Length && (pattern[at] != (byte)']' || at == first))
        {
            if (pattern[at] == (byte)'[' && at + 1 < pattern.Length && pattern[at + 1] == (byte)':' && NameLength(pattern[(at + 2)..]) is { } length)
            {
                if (Contains(pattern.Slice(at + 2, length), value) is not { } isNamed)
                    return false;
                found |= isNamed;
                at += length + 4;
                before = null;
            }
            else if (before is { } low && pattern[at] == (byte)'-' && at + 1 < pattern.Length && pattern[at + 1] != (byte)']')
            {
                at++;
                if (!TryTake(pattern, ref at, out var high))
                    return false;
                found |= value >= low && value <= high;
                before = null;
            }
            else
            {
                if (!TryTake(pattern, ref at, out var member))
                    return false;
                found |= value == member;
                before = member;
            }
        }

        if (at >= pattern.Length)
            return false;
        used = at + 1;
        isMember = found != isNegated;
        return true;
    }

    private static bool TryTake(ReadOnlySpan<byte> pattern, ref int at, out byte taken)
    {
        if (pattern[at] == (byte)'\\')
            at++;
        taken = at < pattern.Length ? pattern[at] : (byte)0;
        return at++ < pattern.Length;
    }

    // Of "alpha:]…": 5. Null when the next ']' does not end a name: then "[:" are members like others.
    private static int? NameLength(ReadOnlySpan<byte> rest) =>
        rest.IndexOf((byte)']') is var end and > 0 && rest[end - 1] == (byte)':' ? end - 1 : null;

    private static bool? Contains(ReadOnlySpan<byte> name, byte value) => name switch
    {
        _ when name.SequenceEqual("alnum"u8) => char.IsAsciiLetterOrDigit((char)value),
        _ when name.SequenceEqual("alpha"u8) => char.IsAsciiLetter((char)value),
        _ when name.SequenceEqual("blank"u8) => value is (byte)' ' or (byte)'\t',
        _ when name.SequenceEqual("cntrl"u8) => value is < 0x20 or 0x7F,
        _ when name.SequenceEqual("digit"u8) => char.IsAsciiDigit((char)value),
        _ when name.SequenceEqual("graph"u8) => value is > 0x20 and < 0x7F,
        _ when name.SequenceEqual("lower"u8) => char.IsAsciiLetterLower((char)value),
        _ when name.SequenceEqual("print"u8) => value is >= 0x20 and < 0x7F,
        _ when name.SequenceEqual("punct"u8) => value is > 0x20 and < 0x7F && !char.IsAsciiLetterOrDigit((char)value),
        _ when name.SequenceEqual("space"u8) => value is (byte)' ' or (>= 0x09 and <= 0x0D),
        _ when name.SequenceEqual("upper"u8) => char.IsAsciiLetterUpper((char)value),
        _ when name.SequenceEqual("xdigit"u8) => char.IsAsciiHexDigit((char)value),
        _ => null,
    };
}
