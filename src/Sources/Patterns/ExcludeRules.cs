namespace Backup.Sources.Patterns;

/// <summary>What a backup leaves out. The last matching pattern decides; nothing inside an excluded directory can come back.</summary>
internal sealed class ExcludeRules
{
    private readonly PathPattern[] _patterns;

    internal ExcludeRules(IEnumerable<string> patterns) => _patterns = [.. patterns.Select(PathPattern.Parse).OfType<PathPattern>()];

    internal bool IsEmpty => _patterns.Length == 0;

    internal bool Excludes(ReadOnlySpan<byte> path, int rootLength, bool isDirectory)
    {
        for (var i = _patterns.Length - 1; i >= 0; i--)
        {
            if (_patterns[i].Matches(path, rootLength, isDirectory))
                return !_patterns[i].IsNegated;
        }

        return false;
    }
}
