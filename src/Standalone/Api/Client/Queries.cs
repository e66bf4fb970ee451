namespace Microsoft.DurableTask.Client;

/// <summary>Which instances a query shows.</summary>
/// <param name="CreatedFrom">Only instances created at or after this time.</param>
/// <param name="CreatedTo">Only instances created at or before this time.</param>
/// <param name="Statuses">Only instances in one of these statuses.</param>
/// <param name="TaskHubNames">Only instances of these hubs; a client sees its own hub only.</param>
/// <param name="InstanceIdPrefix">Only instances whose id begins so.</param>
/// <param name="PageSize">Instances per page; at least 1.</param>
/// <param name="FetchInputsAndOutputs">Whether inputs, outputs and custom statuses are fetched.</param>
/// <param name="ContinuationToken">Where to begin: a page's token; null: at the start.</param>
public record OrchestrationQuery(
    DateTimeOffset? CreatedFrom = null,
    DateTimeOffset? CreatedTo = null,
    IEnumerable<OrchestrationRuntimeStatus>? Statuses = null,
    IEnumerable<string>? TaskHubNames = null,
    string? InstanceIdPrefix = null,
    int PageSize = OrchestrationQuery.DefaultPageSize,
    bool FetchInputsAndOutputs = false,
    string? ContinuationToken = null)
{
    /// <summary>Instances per page unless a query says otherwise.</summary>
    public const int DefaultPageSize = 100;
}

/// <summary>Options of a purge.</summary>
/// <param name="Recursive">Whether sub-orchestrations are purged too.</param>
public record PurgeInstanceOptions(bool Recursive = false);

/// <summary>Which finished instances a purge deletes.</summary>
/// <param name="CreatedFrom">Only instances created at or after this time.</param>
/// <param name="CreatedTo">Only instances created at or before this time.</param>
/// <param name="Statuses">Only instances in one of these statuses; unfinished ones are never purged by a filter.</param>
public record PurgeInstancesFilter(
    DateTimeOffset? CreatedFrom = null,
    DateTimeOffset? CreatedTo = null,
    IEnumerable<OrchestrationRuntimeStatus>? Statuses = null)
{
    /// <summary>When to stop purging; the result then says that it is not complete. Null: never.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>What a purge did.</summary>
public class PurgeResult
{
    /// <summary>A result that does not say whether it is complete.</summary>
    public PurgeResult(int count)
        : this(count, null)
    {
    }

    /// <summary>A result.</summary>
    /// <param name="count">How many instances were deleted.</param>
    /// <param name="isComplete">Whether nothing more matched; null: unknown.</param>
    public PurgeResult(int count, bool? isComplete)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        PurgedInstanceCount = count;
        IsComplete = isComplete;
    }

    /// <summary>How many instances were deleted.</summary>
    public int PurgedInstanceCount { get; }

    /// <summary>Whether nothing more matched; null: unknown.</summary>
    public bool? IsComplete { get; }
}

/// <summary>Options of a termination.</summary>
/// <param name="Output">The output the instance ends with.</param>
/// <param name="Recursive">Whether sub-orchestrations are terminated too.</param>
public record TerminateInstanceOptions(object? Output = null, bool Recursive = false);

/// <summary>Statuses that refuse a second instance of the same id.</summary>
public static class StartOrchestrationOptionsExtensions
{
    /// <summary>The statuses that may be named.</summary>
    public static readonly IReadOnlyList<OrchestrationRuntimeStatus> ValidDedupeStatuses =
    [
        OrchestrationRuntimeStatus.Completed,
        OrchestrationRuntimeStatus.Failed,
        OrchestrationRuntimeStatus.Terminated,
        OrchestrationRuntimeStatus.Canceled,
        OrchestrationRuntimeStatus.Pending,
        OrchestrationRuntimeStatus.Running,
        OrchestrationRuntimeStatus.Suspended,
    ];

    /// <summary>Options under which an existing instance in one of these statuses refuses the new one; in any other it is replaced.</summary>
    public static StartOrchestrationOptions WithDedupeStatuses(
        this StartOrchestrationOptions options, params OrchestrationRuntimeStatus[] dedupeStatuses)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options with { DedupeStatuses = [.. (dedupeStatuses ?? []).Select(status => status.ToString())] };
    }
}
