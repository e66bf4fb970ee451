using Backup.Sources.Restoring;

namespace Backup.Sources;

/// <summary>A finished restore, or with a dry run what one would do.</summary>
public sealed record RestoreOutcome
{
    /// <summary>Where to.</summary>
    public required string Target { get; init; }

    /// <summary>Files, folders, links and nodes that the request asked for, whatever became of them.</summary>
    public long ItemsMatched { get; init; }

    /// <summary>Files in place now, those that were right already included.</summary>
    public required long FilesRestored { get; init; }

    /// <summary>Of these, files that were right already: nothing of their content was written.</summary>
    public required long FilesUnchanged { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesRestored { get; init; }

    /// <summary>Bytes of content that were written, because they differed or were missing.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>Bytes of content whose chunk ids were checked: those fetched, and those found right on disk.</summary>
    public required long BytesVerified { get; init; }

    /// <summary>Stored bytes of content that were read from the vault, or with a dry run would be; trees are not counted.</summary>
    public required long BytesFetched { get; init; }

    /// <summary>Items that are not in place, or not completely.</summary>
    public required long ItemsFailed { get; init; }

    /// <summary>Files left for another restore, because what holds them cannot be read yet.</summary>
    public long FilesWaiting { get; init; }

    /// <summary>What happened to single items, by path in the snapshot: the first 1,000 of each kind.</summary>
    public IReadOnlyList<ItemProblem> Problems { get; init; } = [];

    /// <summary>When it ended (UTC).</summary>
    public required DateTimeOffset EndedAt { get; init; }

    /// <summary>Everything that was asked for is in place.</summary>
    public bool IsComplete => ItemsFailed == 0 && FilesWaiting == 0;

    /// <summary>What every kind of restore has to say at its end.</summary>
    internal static RestoreOutcome Of(string target, RestoreCounts counts, ProblemList problems, DateTimeOffset endedAt) => new()
    {
        Target = target,
        FilesRestored = counts.FilesRestored,
        FilesUnchanged = counts.FilesUnchanged,
        BytesRestored = counts.BytesRestored,
        BytesWritten = counts.BytesWritten,
        BytesVerified = counts.BytesVerified,
        BytesFetched = counts.BytesFetched,
        FilesWaiting = counts.FilesWaiting,
        ItemsFailed = problems.Count(ItemProblemKind.Unreadable),
        Problems = problems.Kept(),
        EndedAt = endedAt,
    };
}
