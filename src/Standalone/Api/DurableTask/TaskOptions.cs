namespace Microsoft.DurableTask;

/// <summary>Options of a call to an activity or a sub-orchestration.</summary>
public record TaskOptions
{
    /// <summary>Options with retries only.</summary>
    /// <param name="retry">The retry options, or null for none.</param>
    public TaskOptions(TaskRetryOptions? retry)
        : this(retry, null)
    {
    }

    /// <summary>Options with retries and tags.</summary>
    /// <param name="retry">The retry options, or null for none.</param>
    /// <param name="tags">Tags kept with the call, or null for none.</param>
    public TaskOptions(TaskRetryOptions? retry = null, IDictionary<string, string>? tags = null)
    {
        Retry = retry;
        Tags = tags;
    }

    /// <summary>A copy.</summary>
    public TaskOptions(TaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Retry = options.Retry;
        Tags = options.Tags;
        Version = options.Version;
    }

    /// <summary>How the call is retried; null: not at all.</summary>
    public TaskRetryOptions? Retry { get; init; }

    /// <summary>Tags kept with the call.</summary>
    public IDictionary<string, string>? Tags { get; init; }

    /// <summary>The version to call; null inherits (activities: the orchestration's, sub-orchestrations: the worker's default).</summary>
    public TaskVersion? Version { get; init; }

    /// <summary>Options with this retry policy.</summary>
    public static TaskOptions FromRetryPolicy(RetryPolicy policy) => new(TaskRetryOptions.FromRetryPolicy(policy));

    /// <summary>Options with this retry handler.</summary>
    public static TaskOptions FromRetryHandler(AsyncRetryHandler handler) => new(TaskRetryOptions.FromRetryHandler(handler));

    /// <summary>Options with this retry handler.</summary>
    public static TaskOptions FromRetryHandler(RetryHandler handler) => new(TaskRetryOptions.FromRetryHandler(handler));

    /// <summary>The same options for a sub-orchestration with this instance id.</summary>
    public SubOrchestrationOptions WithInstanceId(string instanceId) => new(this, instanceId);
}

/// <summary>Options of a call to a sub-orchestration.</summary>
public record SubOrchestrationOptions : TaskOptions
{
    /// <summary>Options with retries and an instance id.</summary>
    /// <param name="retry">The retry options, or null for none.</param>
    /// <param name="instanceId">The id of the sub-orchestration, or null for a deterministic new one.</param>
    public SubOrchestrationOptions(TaskRetryOptions? retry = null, string? instanceId = null)
        : base(retry) => InstanceId = instanceId;

    /// <summary>Options from task options, with an instance id.</summary>
    public SubOrchestrationOptions(TaskOptions options, string? instanceId = null)
        : base(options)
    {
        InstanceId = instanceId;
        if (options is SubOrchestrationOptions derived)
        {
            InstanceId ??= derived.InstanceId;
            Version = derived.Version;
        }
    }

    /// <summary>A copy.</summary>
    public SubOrchestrationOptions(SubOrchestrationOptions options)
        : base(options)
    {
        InstanceId = options.InstanceId;
        Version = options.Version;
    }

    /// <summary>The id of the sub-orchestration; null: a deterministic new one.</summary>
    public string? InstanceId { get; init; }

    /// <summary>The version to start; null: the worker's default version.</summary>
    public new TaskVersion? Version
    {
        get => base.Version;
        init => base.Version = value;
    }
}

/// <summary>Options of a new orchestration instance.</summary>
public record StartOrchestrationOptions
{
    /// <summary>Options with an id and a start time.</summary>
    /// <param name="InstanceId">The id, or null for a new random one.</param>
    /// <param name="StartAt">When to start; null or past: at once.</param>
    public StartOrchestrationOptions(string? InstanceId = null, DateTimeOffset? StartAt = null)
    {
        this.InstanceId = InstanceId;
        this.StartAt = StartAt;
    }

    /// <summary>A copy.</summary>
    public StartOrchestrationOptions(StartOrchestrationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        InstanceId = options.InstanceId;
        StartAt = options.StartAt;
        Tags = options.Tags;
        Version = options.Version;
        DedupeStatuses = options.DedupeStatuses;
    }

    /// <summary>The id of the instance; null: a new random one.</summary>
    public string? InstanceId { get; init; }

    /// <summary>When to start; null or past: at once.</summary>
    public DateTimeOffset? StartAt { get; init; }

    /// <summary>Tags kept with the instance.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    /// <summary>The version to start; null: the client's default version.</summary>
    public TaskVersion? Version { get; init; }

    /// <summary>
    /// Names of the statuses in which an existing instance of the same id refuses the new one; null: pending, running and
    /// suspended ones refuse it.
    /// </summary>
    public IReadOnlyList<string>? DedupeStatuses { get; init; }
}

/// <summary>Options of <see cref="TaskOrchestrationContext.ContinueAsNew(ContinueAsNewOptions)"/>.</summary>
public class ContinueAsNewOptions
{
    /// <summary>The input of the next execution.</summary>
    public object? NewInput { get; set; }

    /// <summary>Whether events that nobody has consumed go to the next execution. Default true.</summary>
    public bool PreserveUnprocessedEvents { get; set; } = true;

    /// <summary>The version of the next execution; null or blank: the present one.</summary>
    public string? NewVersion { get; set; }
}
