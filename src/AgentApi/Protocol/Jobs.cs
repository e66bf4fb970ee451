using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>Where a job stands.</summary>
[JsonConverter(typeof(WireEnum<JobState>))]
public enum JobState
{
    /// <summary>Journaled, waiting for its turn.</summary>
    [JsonStringEnumMemberName("queued")] Queued,

    /// <summary>Being worked on.</summary>
    [JsonStringEnumMemberName("running")] Running,

    /// <summary>Final: everything was done.</summary>
    [JsonStringEnumMemberName("succeeded")] Succeeded,

    /// <summary>Final: done, but some of the source could not be read.</summary>
    [JsonStringEnumMemberName("partial")] Partial,

    /// <summary>Final: see the failure.</summary>
    [JsonStringEnumMemberName("failed")] Failed,

    /// <summary>Final: somebody stopped it.</summary>
    [JsonStringEnumMemberName("cancelled")] Cancelled,

    /// <summary>The agent never saw that order: submit it again.</summary>
    [JsonStringEnumMemberName("unknown")] Unknown,
}

/// <summary>What follows from a job's state.</summary>
public static class JobStates
{
    /// <summary>True when the state will never change again.</summary>
    public static bool IsFinal(this JobState state) => state is JobState.Succeeded or JobState.Partial or JobState.Failed or JobState.Cancelled;

    /// <summary>True when a result is there.</summary>
    public static bool HasResult(this JobState state) => state is JobState.Succeeded or JobState.Partial;
}

/// <summary>The answer to a job order: it is journaled and will be worked on, or already was.</summary>
public sealed record JobTicket
{
    /// <summary>The job: the order's id.</summary>
    [JsonPropertyName("orderId")] public required OrderId OrderId { get; init; }

    /// <summary>Where it stands now.</summary>
    [JsonPropertyName("state")] public required JobState State { get; init; }
}

/// <summary>Where does a job stand? Answered early once its state is final, else after the wait.</summary>
public sealed record JobQuery : OrderPayload<JobReport>
{
    /// <summary>The longest wait, in seconds: under the relay's 60 s with room for a slow network.</summary>
    public const int WaitSecondsMax = 50;

    /// <summary>The job.</summary>
    [JsonPropertyName("orderId")] public required OrderId OrderId { get; init; }

    /// <summary>How long to wait for a change, 0 to <see cref="WaitSecondsMax"/> seconds.</summary>
    [JsonPropertyName("waitSeconds")] public int WaitSeconds { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Job;

    internal override void Check(ContractCheck check)
    {
        check.That(OrderId != default, "'orderId' must be present");
        check.That(WaitSeconds is >= 0 and <= WaitSecondsMax, $"'waitSeconds' must be 0 to {WaitSecondsMax}");
    }
}

/// <summary>Stop a job. Stopping one that has ended, or stopping twice, changes nothing.</summary>
public sealed record CancelOrder : OrderPayload<JobReport>
{
    /// <summary>The job.</summary>
    [JsonPropertyName("orderId")] public required OrderId OrderId { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Cancel;

    internal override void Check(ContractCheck check) => check.That(OrderId != default, "'orderId' must be present");
}

/// <summary>How far a job is.</summary>
public sealed record JobProgress
{
    /// <summary>What it is doing, one word or two.</summary>
    [JsonPropertyName("phase")] public required string Phase { get; init; }

    /// <summary>Bytes worked on.</summary>
    [JsonPropertyName("bytesDone")] public long BytesDone { get; init; }

    /// <summary>Bytes in all, when known.</summary>
    [JsonPropertyName("bytesTotal")] public long? BytesTotal { get; init; }

    /// <summary>Files or store objects worked on.</summary>
    [JsonPropertyName("itemsDone")] public long ItemsDone { get; init; }

    /// <summary>Bytes per second since this attempt began; null in its first second.</summary>
    [JsonPropertyName("bytesPerSecond")] public double? BytesPerSecond { get; init; }
}

/// <summary>A job as its agent sees it.</summary>
public sealed record JobReport
{
    /// <summary>The job.</summary>
    [JsonPropertyName("orderId")] public required OrderId OrderId { get; init; }

    /// <summary>What was ordered; null when the state is unknown.</summary>
    [JsonPropertyName("operation")] public Operation? Operation { get; init; }

    /// <summary>Where it stands.</summary>
    [JsonPropertyName("state")] public required JobState State { get; init; }

    /// <summary>How far it is, while it runs.</summary>
    [JsonPropertyName("progress")] public JobProgress? Progress { get; init; }

    /// <summary>Present for a finished backup.</summary>
    [JsonPropertyName("backup")] public BackupResult? Backup { get; init; }

    /// <summary>Present for a finished restore.</summary>
    [JsonPropertyName("restore")] public RestoreResult? Restore { get; init; }

    /// <summary>Present for a finished replication.</summary>
    [JsonPropertyName("replicate")] public ReplicateResult? Replicate { get; init; }

    /// <summary>Present for a finished prune.</summary>
    [JsonPropertyName("prune")] public PruneResult? Prune { get; init; }

    /// <summary>Present for a finished verification.</summary>
    [JsonPropertyName("verify")] public VerifyResult? Verify { get; init; }

    /// <summary>Present for a finished tidying.</summary>
    [JsonPropertyName("tidy")] public TidyResult? Tidy { get; init; }

    /// <summary>Present for a finished survey.</summary>
    [JsonPropertyName("survey")] public SurveyResult? Survey { get; init; }

    /// <summary>Present for a failed or cancelled job, and for a partial one that has something to say.</summary>
    [JsonPropertyName("failure")] public Failure? Failure { get; init; }

    /// <summary>When work began.</summary>
    [JsonPropertyName("startedAt")] public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the state became final.</summary>
    [JsonPropertyName("endedAt")] public DateTimeOffset? EndedAt { get; init; }
}
