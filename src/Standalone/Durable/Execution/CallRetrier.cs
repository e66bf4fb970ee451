using Microsoft.DurableTask;

namespace Backup.Standalone.Durable.Execution;

#pragma warning disable CA2007 // Continuations of orchestrators belong on the turn's own context.

/// <summary>Repeats failed calls by policy or by handler, waiting on durable timers.</summary>
internal static class CallRetrier
{
    public static async Task<T> CallAsync<T>(OrchestrationContext context, RetryPolicy policy, Func<Task<T>> call)
    {
        var firstAttempt = context.CurrentUtcDateTime;
        for (var attempt = 1; ; attempt++)
        {
            CallFailedException failure;
            try
            {
                return await call();
            }
            catch (CallFailedException failed) when (!failed.Failure.IsNonRetriable && attempt < policy.MaxNumberOfAttempts)
            {
                failure = failed;
            }

            var exception = failure.ToTaskFailed();
            var expired = policy.RetryTimeout != Timeout.InfiniteTimeSpan
                && context.CurrentUtcDateTime >= firstAttempt + policy.RetryTimeout;
            if (expired || !policy.Handle(exception) || (policy.HandleAsync is { } handle && !await handle(exception)))
            {
                throw failure;
            }

            await context.CreateTimer(Delay(policy, attempt), CancellationToken.None);
        }
    }

    public static async Task<T> CallAsync<T>(
        OrchestrationContext context, AsyncRetryHandler handler, Func<Task<T>> call, Action<int> retrying)
    {
        var firstAttempt = context.CurrentUtcDateTime;
        for (var attempt = 1; ; attempt++)
        {
            CallFailedException failure;
            try
            {
                return await call();
            }
            catch (CallFailedException failed) when (!failed.Failure.IsNonRetriable)
            {
                failure = failed;
            }

            retrying(attempt);
            var retry = new RetryContext(
                context, attempt, failure.Failure.ToDetails(), context.CurrentUtcDateTime - firstAttempt, CancellationToken.None);
            if (!await handler(retry))
            {
                throw failure;
            }
        }
    }

    /// <summary>The wait after an attempt; the first is 1.</summary>
    public static TimeSpan Delay(RetryPolicy policy, int attempt)
    {
        var ceiling = policy.MaxRetryInterval == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : policy.MaxRetryInterval;

        // The product may leave the range of a time span (or of a double) long before the attempts are used up.
        var milliseconds = policy.FirstRetryInterval.TotalMilliseconds * Math.Pow(policy.BackoffCoefficient, attempt - 1);
        return milliseconds < ceiling.TotalMilliseconds ? TimeSpan.FromMilliseconds(milliseconds) : ceiling;
    }
}
