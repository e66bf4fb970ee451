namespace Backup.Sources.Postgres.Proving;

/// <summary>A proof under way: collects what its steps find and how long they take.</summary>
internal sealed class ProofSession(TimeProvider clock, IProgress<ProofStep>? progress, int majorVersion)
{
    private readonly DateTimeOffset _started = clock.GetUtcNow();
    private readonly Lock _lock = new();
    private readonly List<ProofFinding> _findings = [];
    private readonly Dictionary<ProofStep, TimeSpan> _durations = [];
    private int _findingsTotal;

    internal int MajorVersion => majorVersion;

    /// <summary>The step at hand, or the last one.</summary>
    internal ProofStep Current { get; private set; }

    internal DateTimeOffset? ConsistentAt { get; set; }

    internal ContentResult Content { get; set; } = new();

    internal int? IndexesChecked { get; set; }

    internal long? PagesChecked { get; set; }

    internal IReadOnlyList<ProofCheckResult> Checks { get; set; } = [];

    internal async Task<T> RunAsync<T>(ProofStep step, Func<Action<string>, Task<T>> run)
    {
        Current = step;
        progress?.Report(step);
        var started = clock.GetTimestamp();
        try
        {
            return await run(text => Tell(step, text));
        }
        finally
        {
            _durations[step] = clock.GetElapsedTime(started);
        }
    }

    internal void Tell(ProofStep step, string text)
    {
        lock (_lock)
        {
            _findingsTotal++;
            if (_findings.Count < ProofReport.FindingsListed)
                _findings.Add(new ProofFinding(step, text));
        }
    }

    internal ProofReport Report() => new()
    {
        StartedAt = _started,
        ConsistentAt = ConsistentAt,
        CheckedAt = clock.GetUtcNow(),
        MajorVersion = majorVersion,
        Content = Content,
        IndexesChecked = IndexesChecked,
        PagesChecked = PagesChecked,
        Checks = Checks,
        Durations = _durations,
        Findings = _findings,
        FindingsTotal = _findingsTotal,
    };
}
