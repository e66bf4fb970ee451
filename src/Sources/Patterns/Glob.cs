namespace Backup.Sources.Patterns;

/// <summary>
/// One component of a pattern against one name, byte for byte: <c>*</c> any run, <c>?</c> any one character, <c>[a-z]</c> and
/// <c>[!a-z]</c> one byte of a class (<see cref="ByteClass"/>), <c>\x</c> that byte itself.
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
            if (pattern[p] == (byte)'\\')
            {
                if (++p == pattern.Length)
                    return "it ends with a backslash that escapes nothing";
            }
            else if (pattern[p] == (byte)'[')
            {
                if (!ByteClass.TryRead(pattern[p..], 0, out var used, out _))
                    return "a '[' is not closed by ']', or names an unknown class";
                p += used - 1;
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
                return ByteClass.TryRead(pattern, name[0], out patternUsed, out var isMember) && isMember;
            case (byte)'\\':
                patternUsed = 2;
                return pattern[1] == name[0];
            default:
                patternUsed = 1;
                return pattern[0] == name[0];
        }
    }
}
