namespace Backup.Sources.Patterns;

/// <summary>
/// What a restore takes: everything when there is no pattern, else every path that a pattern matches, with all below a matching
/// directory. A later <c>!pattern</c> takes something out again; such patterns alone start from everything. A pattern with a slash that does
/// not begin with one is relative to the snapshot's top and to each of its roots, the paths that were backed up: what excluded something
/// from the backup includes the same here.
/// </summary>
internal sealed class IncludeRules
{
    private readonly PathPattern[] _patterns;
    private readonly byte[][] _roots;
    private readonly bool _takesAllByDefault;

    /// <param name="patterns">As a person wrote them.</param>
    /// <param name="roots">Absolute, without a slash at the end.</param>
    internal IncludeRules(IEnumerable<string> patterns, params IEnumerable<byte[]> roots)
    {
        _roots = [.. roots];
        _patterns = [.. patterns.Select(PathPattern.Parse).OfType<PathPattern>()];
        _takesAllByDefault = _patterns.All(pattern => pattern.IsNegated);
    }

    /// <param name="path">Absolute in the snapshot.</param>
    /// <param name="isDirectory">Whether the path is a directory.</param>
    /// <param name="parentIncluded">What this method said about the directory above.</param>
    internal bool Includes(ReadOnlySpan<byte> path, bool isDirectory, bool parentIncluded)
    {
        for (var i = _patterns.Length - 1; i >= 0; i--)
        {
            if (Matches(_patterns[i], path, isDirectory))
                return !_patterns[i].IsNegated;
        }

        return parentIncluded || _takesAllByDefault;
    }

    /// <summary>Whether a directory that is not included itself may hold something that is.</summary>
    internal bool MayIncludeBelow(ReadOnlySpan<byte> path)
    {
        if (_takesAllByDefault)
            return true;
        foreach (var pattern in _patterns)
        {
            if (!pattern.IsNegated && MayMatchBelow(pattern, path))
                return true;
        }

        return false;
    }

    private bool Matches(PathPattern pattern, ReadOnlySpan<byte> path, bool isDirectory)
    {
        if (pattern.Matches(path, 0, isDirectory))
            return true;
        foreach (var root in _roots)
        {
            if (IsBelow(path, root) && pattern.Matches(path, root.Length, isDirectory))
                return true;
        }

        return false;
    }

    private bool MayMatchBelow(PathPattern pattern, ReadOnlySpan<byte> path)
    {
        if (pattern.MayMatchBelow(path))
            return true;
        foreach (var root in _roots)
        {
            // Above a root anything may come; below it only what the rest of the path allows.
            if (pattern.Anchor == PathPattern.PatternAnchor.Root
                && (path.SequenceEqual(root) || IsBelow(root, path) || (IsBelow(path, root) && pattern.MayMatchBelow(path[root.Length..]))))
                return true;
        }

        return false;
    }

    private static bool IsBelow(ReadOnlySpan<byte> path, ReadOnlySpan<byte> root) =>
        path.Length > root.Length && path.StartsWith(root) && (root is [] or [.., (byte)'/'] || path[root.Length] == (byte)'/');
}
