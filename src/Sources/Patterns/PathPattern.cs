using Backup.Sources.Posix;

namespace Backup.Sources.Patterns;

/// <summary>
/// One gitignore-like pattern. Without a slash it means a name at any depth; with a leading slash an absolute path; with a slash
/// elsewhere a path below a root (the folder given to the backup; in a snapshot, its top). <c>**</c> stands for any number of
/// components, a trailing slash for directories only, a leading <c>!</c> takes back what an earlier pattern said.
/// </summary>
internal sealed class PathPattern
{
    private readonly byte[][] _components;

    private PathPattern(byte[][] components, PatternAnchor anchor, bool isNegated, bool isDirectoryOnly)
    {
        _components = components;
        Anchor = anchor;
        IsNegated = isNegated;
        IsDirectoryOnly = isDirectoryOnly;
    }

    internal enum PatternAnchor
    {
        Name,
        Absolute,
        Root,
    }

    internal PatternAnchor Anchor { get; }

    internal bool IsNegated { get; }

    internal bool IsDirectoryOnly { get; }

    /// <summary>Null for a blank line or a comment.</summary>
    /// <exception cref="SourcesException">The pattern cannot be read.</exception>
    internal static PathPattern? Parse(string text)
    {
        var rest = WithoutTrailingSpaces(text.TrimEnd('\r'));
        if (rest.Length == 0 || rest[0] == '#')
            return null;
        var isNegated = rest[0] == '!';
        if (isNegated)
            rest = rest[1..];
        var isDirectoryOnly = rest.EndsWith('/');
        var anchor = rest.StartsWith('/') ? PatternAnchor.Absolute
            : rest.TrimEnd('/').Contains('/', StringComparison.Ordinal) ? PatternAnchor.Root
            : PatternAnchor.Name;
        var components = rest.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(ByteText.Encode).ToArray();
        if (components.Length == 0 && anchor != PatternAnchor.Absolute)
            throw Invalid(text, "it names nothing");
        foreach (var component in components)
        {
            if (component.AsSpan().SequenceEqual(".."u8) || component.AsSpan().SequenceEqual("."u8))
                throw Invalid(text, "'.' and '..' never occur in a snapshot");
            if (Glob.Problem(component) is { } problem)
                throw Invalid(text, problem);
        }

        return new PathPattern(components, anchor, isNegated, isDirectoryOnly);
    }

    /// <summary>Whether this very path matches (not whether something above it does).</summary>
    /// <param name="path">Absolute, for example <c>/data/a.fits</c>.</param>
    /// <param name="rootLength">How many bytes of the path are the root that slashed patterns are relative to; 0 for the top.</param>
    /// <param name="isDirectory">Whether the path is a directory.</param>
    internal bool Matches(ReadOnlySpan<byte> path, int rootLength, bool isDirectory)
    {
        if (IsDirectoryOnly && !isDirectory)
            return false;
        return Anchor switch
        {
            PatternAnchor.Name => MatchesName(path[(path.LastIndexOf((byte)'/') + 1)..]),
            PatternAnchor.Absolute => MatchesFrom(0, Trim(path)),
            _ => path.Length > rootLength && MatchesFrom(0, Trim(path[rootLength..])),
        };
    }

    /// <summary>Whether something below this directory could match. False only when it is certain.</summary>
    internal bool MayMatchBelow(ReadOnlySpan<byte> path)
    {
        if (Anchor == PatternAnchor.Name)
            return true;
        var rest = Trim(path);
        for (var i = 0; i < _components.Length && !rest.IsEmpty; i++)
        {
            if (IsAnyDepth(i))
                return true;
            if (!Glob.Matches(_components[i], Take(ref rest)))
                return false;
        }

        return rest.IsEmpty;
    }

    // As git: a space at the end counts only behind a backslash.
    private static string WithoutTrailingSpaces(string text)
    {
        var kept = text.TrimEnd(' ');
        var backslashes = kept.Length - kept.TrimEnd('\\').Length;
        return kept.Length < text.Length && backslashes % 2 == 1 ? kept + ' ' : kept;
    }

    private bool MatchesName(ReadOnlySpan<byte> name) => IsAnyDepth(0) || Glob.Matches(_components[0], name);

    private bool MatchesFrom(int component, ReadOnlySpan<byte> rest)
    {
        for (; component < _components.Length; component++)
        {
            if (IsAnyDepth(component))
            {
                // A last "**" means everything inside, and so needs at least one more component.
                if (component == _components.Length - 1)
                    return !rest.IsEmpty;
                while (true)
                {
                    if (MatchesFrom(component + 1, rest))
                        return true;
                    if (rest.IsEmpty)
                        return false;
                    Take(ref rest);
                }
            }

            if (rest.IsEmpty || !Glob.Matches(_components[component], Take(ref rest)))
                return false;
        }

        return rest.IsEmpty;
    }

    // Two stars or more, alone.
    private bool IsAnyDepth(int component) => _components[component].Length > 1 && !_components[component].AsSpan().ContainsAnyExcept((byte)'*');

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> path) => path.Trim((byte)'/');

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> rest)
    {
        var slash = rest.IndexOf((byte)'/');
        var first = slash < 0 ? rest : rest[..slash];
        rest = slash < 0 ? [] : rest[(slash + 1)..];
        return first;
    }

    private static SourcesException Invalid(string pattern, string problem) =>
        new(SourcesFault.PatternInvalid, $"The pattern \"{pattern}\" cannot be read: {problem}.", "Patterns are written as in .gitignore.");
}
