namespace Backup.Sources.Patterns;

/// <summary>
/// What a restore takes: everything when there is no pattern, else every path that a pattern matches, with all below a matching
/// directory. A later <c>!pattern</c> takes something out again; such patterns alone start from everything.
/// </summary>
internal sealed class IncludeRules
{
    private readonly PathPattern[] _patterns;
    private readonly bool _takesAllByDefault;

    internal IncludeRules(IEnumerable<string> patterns)
    {
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
            if (_patterns[i].Matches(path, 0, isDirectory))
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
            if (!pattern.IsNegated && pattern.MayMatchBelow(path))
                return true;
        }

        return false;
    }
}
