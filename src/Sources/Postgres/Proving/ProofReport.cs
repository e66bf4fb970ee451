namespace Backup.Sources.Postgres.Proving;

/// <summary>A restored cluster to prove.</summary>
public sealed record ProofRequest
{
    /// <summary>How long all of it may take unless said otherwise.</summary>
    public static readonly TimeSpan TimeLimitDefault = TimeSpan.FromHours(2);

    /// <summary>The restored data directory, stopped. Starting it is part of the proof: afterwards it has been recovered and shut down.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The timeline along which the vault's log is replayed; null when the cluster was restored without any but the base backup's own.</summary>
    public uint? Timeline { get; init; }

    /// <summary>The folder with the fitting server's programs; null for where packages put them.</summary>
    public string? Programs { get; init; }

    /// <summary>The superuser to connect as; null for the one that the base backup names.</summary>
    public string? Superuser { get; init; }

    /// <summary>Questions to the restored databases.</summary>
    public IReadOnlyList<ProofCheck> Checks { get; init; } = [];

    /// <summary>How long all of it may take; what was not checked by then is a finding.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeLimitDefault;
}

/// <summary>Which part of a proof a finding is of. The numbers are not stored.</summary>
public enum ProofStep
{
    /// <summary>Starting the server and reaching consistency.</summary>
    Start,

    /// <summary>Comparing tables with what was recorded of them.</summary>
    Content,

    /// <summary>B-trees against their tables.</summary>
    Indexes,

    /// <summary>The checks of the policy.</summary>
    Checks,

    /// <summary>Checksums of pages.</summary>
    Pages,
}

/// <summary>Something wrong.</summary>
/// <param name="Step">What found it.</param>
/// <param name="Text">What is wrong with what.</param>
public sealed record ProofFinding(ProofStep Step, string Text);

/// <summary>What a proof showed. All times are of this machine's clock (UTC).</summary>
public sealed record ProofReport
{
    /// <summary>How many findings are listed at most; <see cref="FindingsTotal"/> counts all.</summary>
    public const int FindingsListed = 50;

    /// <summary>When it began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the server had reached consistency and answered; null when it never did.</summary>
    public DateTimeOffset? ConsistentAt { get; init; }

    /// <summary>When everything was checked.</summary>
    public required DateTimeOffset CheckedAt { get; init; }

    /// <summary>The server that was started, for example 18.</summary>
    public required int MajorVersion { get; init; }

    /// <summary>Tables compared with the record.</summary>
    public ContentResult Content { get; init; } = new();

    /// <summary>B-trees checked; null when the server comes without amcheck.</summary>
    public int? IndexesChecked { get; init; }

    /// <summary>Pages checked; null when the cluster has no checksums.</summary>
    public long? PagesChecked { get; init; }

    /// <summary>The policy's checks, in order.</summary>
    public IReadOnlyList<ProofCheckResult> Checks { get; init; } = [];

    /// <summary>How long each step took.</summary>
    public IReadOnlyDictionary<ProofStep, TimeSpan> Durations { get; init; } = new Dictionary<ProofStep, TimeSpan>();

    /// <summary>The first findings.</summary>
    public IReadOnlyList<ProofFinding> Findings { get; init; } = [];

    /// <summary>How many there were.</summary>
    public int FindingsTotal { get; init; }

    /// <summary>Nothing was found wrong.</summary>
    public bool IsProven => FindingsTotal == 0;
}
