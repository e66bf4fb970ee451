using Backup.Sources.Posix;

namespace Backup.Sources;

/// <summary>Collects what went wrong with single items; counts all of it, keeps the first of each kind up to a limit.</summary>
internal sealed class ProblemList
{
    /// <summary>A broken disk may make millions of these; nobody reads more, and an answer must stay small.</summary>
    internal const int KeptMax = 1000;

    private readonly Lock _gate = new();
    private readonly List<ItemProblem> _kept = [];
    private readonly Dictionary<ItemProblemKind, long> _counts = [];

    internal void Add(ReadOnlySpan<byte> path, ItemProblemKind kind, string reason) => Add(ByteText.Display(path), kind, reason);

    internal void Add(string path, ItemProblemKind kind, string reason)
    {
        lock (_gate)
        {
            var count = _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
            if (count <= KeptMax)
                _kept.Add(new ItemProblem(path, kind, reason));
        }
    }

    internal long Count(ItemProblemKind kind)
    {
        lock (_gate)
            return _counts.GetValueOrDefault(kind);
    }

    /// <summary>Sorted by path, so that two runs over the same tree say the same.</summary>
    internal IReadOnlyList<ItemProblem> Kept()
    {
        lock (_gate)
            return [.. _kept.OrderBy(problem => problem.Path, StringComparer.Ordinal)];
    }
}
