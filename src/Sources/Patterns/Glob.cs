namespace Backup.Sources.Patterns;

/// <summary>
/// One component of a pattern against one name, byte for byte: <c>*</c> any run, <c>?</c> any one character, <c>[a-z]</c> and
/// <c>[!a-z]</c> one byte of a class, <c>\x</c> that byte itself.
/// </summary>
internal static class Glob
{
    /// <summary>Linear in name times pattern at worst: only the last star is ever retried.</summary>
    internal static bool Matches(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name)
    {
        int p = 0, n = 0, starPattern = -1, starName = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == (byte)'*')
            {
                starPattern = ++p;
                starName = n;
            }
            else if (p < pattern.Length && MatchesOne(pattern[p..], name[n..], out var patternUsed, out var nameUsed))
            {
                p += patternUsed;
                n += nameUsed;
            }
            else if (starPattern >= 0)
            {
                p = starPattern;
                n = ++starName;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == (byte)'*')
            p++;
        return p == pattern.Length;
    }

    /// <summary>Null when the component can be read, else what is wrong with it.</summary>
    internal static string? Problem(ReadOnlySpan<byte> pattern)
    {
        for (var p = 0; p < pattern.Length; p++)
        {
            if (pattern[p] == (byte)'\\' && ++p == pattern.Length)
                return "it ends with a backslash that escapes nothing";
            if (pattern[p] == (byte)'[' && (p == 0 || pattern[p - 1] != (byte)'\\'))
            {
                var end = ClassEnd(pattern[p..]);
                if (end < 0)
                    return "a '[' is not closed by ']'";
                p += end;
            }
        }

        return null;
    }

    private static bool MatchesOne(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name, out int patternUsed, out int nameUsed)
    {
        nameUsed = 1;
        switch (pattern[0])
        {
            case (byte)'?':
                patternUsed = 1;
                // A character, not a byte: the continuation bytes of UTF-8 belong to it.
                while (nameUsed < name.Length && nameUsed < 4 && (name[nameUsed] & 0xC0) == 0x80 && name[0] >= 0xC0)
                    nameUsed++;
                return true;
            case (byte)'[':
                patternUsed = ClassEnd(pattern) + 1;
                return InClass(pattern[1..(patternUsed - 1)], name[0]);
            case (byte)'\\':
                patternUsed = 2;
                return pattern[1] == name[0];
            default:
                patternUsed = 1;
                return pattern[0] == name[0];
        }
    }

    // A ']' straight after '[' or '[!' is a member, as in every shell.
    private static int ClassEnd(ReadOnlySpan<byte> pattern)
    {
        var start = pattern.Length > 1 && pattern[1] is (byte)'!' or (byte)'^' ? 3 : 2;
        var end = start <= pattern.Length ? pattern[start..].IndexOf((byte)']') : -1;
        return end < 0 ? -1 : start + end;
    }

    private static bool InClass(ReadOnlySpan<byte> members, byte value)
    {
        var negated = members[0] is (byte)'!' or (byte)'^';
        if (negated)
            members = members[1..];
        var found = false;
        for (var i = 0; i < members.Length; i++)
        {
            if (i + 2 < members.Length && members[i + 1] == (byte)'-')
            {
                found |= value >= members[i] && value <= members[i + 2];
                i += 2;
            }
            else
            {
                found |= value == members[i];
            }
        }

        return found != negated;
    }
}
