namespace Microsoft.DurableTask;

/// <summary>Decides after each failed attempt whether to try again.</summary>
/// <returns>True to try again at once; the handler itself waits (on a durable timer) when it wants a delay.</returns>
public delegate Task<bool> AsyncRetryHandler(RetryContext retryContext);

/// <summary>Decides after each failed attempt whether to try again.</summary>
public delegate bool RetryHandler(RetryContext retryContext);

/// <summary>What a retry handler knows of the failed attempt.</summary>
/// <param name="OrchestrationContext">The calling orchestration.</param>
/// <param name="LastAttemptNumber">The attempt that failed; the first is 1.</param>
/// <param name="LastFailure">Why it failed.</param>
/// <param name="TotalRetryTime">Orchestration time since the first attempt began.</param>
/// <param name="CancellationToken">Cancels the handler.</param>
public record RetryContext(
    TaskOrchestrationContext OrchestrationContext,
    int LastAttemptNumber,
    TaskFailureDetails LastFailure,
    TimeSpan TotalRetryTime,
    CancellationToken CancellationToken);

/// <summary>A declarative retry policy: how often and how far apart a failed call is tried again.</summary>
public class RetryPolicy
{
    private Func<TaskFailureDetails, bool>? _handleFailure;

    /// <summary>Makes a policy.</summary>
    /// <param name="maxNumberOfAttempts">How often to try in all, the first attempt included; at least 1.</param>
    /// <param name="firstRetryInterval">The wait between the first and the second attempt; more than zero.</param>
    /// <param name="backoffCoefficient">The factor from each wait to the next; at least 1.</param>
    /// <param name="maxRetryInterval">The longest wait; one hour when null; <see cref="Timeout.InfiniteTimeSpan"/>: no limit.</param>
    /// <param name="retryTimeout">When to stop trying, since the first attempt; null or <see cref="Timeout.InfiniteTimeSpan"/>: never.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside the limits above.</exception>
    public RetryPolicy(
        int maxNumberOfAttempts,
        TimeSpan firstRetryInterval,
        double backoffCoefficient = 1.0,
        TimeSpan? maxRetryInterval = null,
        TimeSpan? retryTimeout = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxNumberOfAttempts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(firstRetryInterval, TimeSpan.Zero);
        if (!(backoffCoefficient >= 1.0))
        {
            throw new ArgumentOutOfRangeException(nameof(backoffCoefficient), backoffCoefficient, "The back-off coefficient must be at least 1.");
        }

        if (maxRetryInterval < firstRetryInterval && maxRetryInterval != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(maxRetryInterval), maxRetryInterval, "The longest wait must not be shorter than the first.");
        }

        if (retryTimeout < firstRetryInterval && retryTimeout != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(retryTimeout), retryTimeout, "The time-out must not be shorter than the first wait.");
        }

        MaxNumberOfAttempts = maxNumberOfAttempts;
        FirstRetryInterval = firstRetryInterval;
        BackoffCoefficient = backoffCoefficient;
        MaxRetryInterval = maxRetryInterval ?? TimeSpan.FromHours(1);
        RetryTimeout = retryTimeout ?? Timeout.InfiniteTimeSpan;
        Handle = ShouldRetry;
    }

    /// <summary>How often to try in all, the first attempt included.</summary>
    public int MaxNumberOfAttempts { get; }

    /// <summary>The wait between the first and the second attempt.</summary>
    public TimeSpan FirstRetryInterval { get; }

    /// <summary>The factor from each wait to the next.</summary>
    public double BackoffCoefficient { get; }

    /// <summary>The longest wait; <see cref="Timeout.InfiniteTimeSpan"/>: no limit.</summary>
    public TimeSpan MaxRetryInterval { get; }

    /// <summary>When to stop trying, since the first attempt; <see cref="Timeout.InfiniteTimeSpan"/>: never.</summary>
    public TimeSpan RetryTimeout { get; }

    /// <summary>Whether a failure is worth another attempt; made of <see cref="HandleFailure"/>, else always true.</summary>
    public Func<Exception, bool> Handle { get; }

    /// <summary>A further, asynchronous condition for another attempt; it may await context tasks only.</summary>
    public Func<Exception, Task<bool>>? HandleAsync { get; set; }

    /// <summary>Sets which failures are worth another attempt.</summary>
    public Func<TaskFailureDetails, bool> HandleFailure
    {
        init => _handleFailure = value;
    }

    private bool ShouldRetry(Exception exception) =>
        _handleFailure is null
        || _handleFailure(exception is TaskFailedException failed ? failed.FailureDetails : TaskFailureDetails.FromException(exception));
}

/// <summary>How a call is retried: by a policy or by a handler.</summary>
public sealed class TaskRetryOptions
{
    /// <summary>Retries by policy.</summary>
    public TaskRetryOptions(RetryPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        Policy = policy;
    }

    /// <summary>Retries by handler.</summary>
    public TaskRetryOptions(AsyncRetryHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        Handler = handler;
    }

    /// <summary>The policy, or null when there is a handler.</summary>
    public RetryPolicy? Policy { get; }

    /// <summary>The handler, or null when there is a policy.</summary>
    public AsyncRetryHandler? Handler { get; }

    /// <summary>Retries by policy.</summary>
    public static implicit operator TaskRetryOptions(RetryPolicy policy) => FromRetryPolicy(policy);

    /// <summary>Retries by handler.</summary>
    public static implicit operator TaskRetryOptions(AsyncRetryHandler handler) => FromRetryHandler(handler);

    /// <summary>Retries by handler.</summary>
    public static implicit operator TaskRetryOptions(RetryHandler handler) => FromRetryHandler(handler);

    /// <summary>Retries by policy.</summary>
    public static TaskRetryOptions FromRetryPolicy(RetryPolicy policy) => new(policy);

    /// <summary>Retries by handler.</summary>
    public static TaskRetryOptions FromRetryHandler(AsyncRetryHandler handler) => new(handler);

    /// <summary>Retries by handler.</summary>
    public static TaskRetryOptions FromRetryHandler(RetryHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return new TaskRetryOptions(context => Task.FromResult(handler(context)));
    }
}
