using System.Diagnostics;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Workers;

/// <summary>Claims activity calls, runs them, commits their results.</summary>
/// <remarks>
/// A turn may claim the first of its calls in the transaction that creates them, up to the free capacity of this process:
/// they start without another look at the database. The rest wait for any process.
/// </remarks>
internal sealed class ActivityDispatcher : IAsyncDisposable
{
    private readonly DurableHub _hub;
    private readonly WorkReader _reader;
    private readonly WorkerLease _lease;
    private readonly OwnedWork _owned;
    private readonly ITaskCatalog _catalog;
    private readonly DurableTaskWorkerOptions _options;
    private readonly IServiceScopeFactory _scopes;
    private readonly IExceptionPropertiesProvider? _exceptionProperties;
    private readonly DurableMetrics _metrics;
    private readonly ILogger _logger;
    private readonly WakeSignal _signal;
    private readonly ClaimLoop _loop;
    private readonly Action _wake;
    private readonly Capacity _capacity;

    public ActivityDispatcher(
        DurableHub hub,
        WorkReader reader,
        WorkerLease lease,
        OwnedWork owned,
        ITaskCatalog catalog,
        DurableTaskWorkerOptions options,
        IServiceScopeFactory scopes,
        IExceptionPropertiesProvider? exceptionProperties,
        DurableMetrics metrics,
        TimeProvider time,
        ILogger logger)
    {
        _hub = hub;
        _reader = reader;
        _lease = lease;
        _owned = owned;
        _catalog = catalog;
        _options = options;
        _scopes = scopes;
        _exceptionProperties = exceptionProperties;
        _metrics = metrics;
        _logger = logger;
        _signal = new WakeSignal(time);
        _wake = _signal.Wake;
        _capacity = new Capacity(Math.Max(1, options.Concurrency.MaximumConcurrentActivityWorkItems), _signal);
        _loop = new ClaimLoop(hub, ClaimAsync, _signal, time, logger);
    }

    public void Start()
    {
        _hub.Feed.ActivitiesWaiting += _wake;
        _loop.Start();
    }

    public void Wake() => _signal.Wake();

    /// <summary>Sets capacity aside for calls that a turn is about to create.</summary>
    /// <returns>How many of them may be claimed; none where only some work is for this worker.</returns>
    public int Reserve(int wanted) => _reader.IsFiltered ? 0 : _capacity.Reserve(wanted);

    public void Unreserve(int count) => _capacity.Release(count);

    /// <summary>Runs calls for which capacity was set aside, and gives back what was not used.</summary>
    public void Run(IReadOnlyList<ActivityClaim> claims, int unused)
    {
        _capacity.Release(unused);
        foreach (var claim in claims)
        {
            _ = Task.Run(() => RunOneAsync(claim));
        }
    }

    /// <summary>Stops claiming and waits for running activities.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _hub.Feed.ActivitiesWaiting -= _wake;
        await _loop.StopAsync().ConfigureAwait(false);
        await _capacity.DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _loop.DisposeAsync().ConfigureAwait(false);
        _signal.Dispose();
    }

    /// <returns>As <see cref="ClaimLoop"/> wants it: null to look again at once, otherwise when the next is ready.</returns>
    private async Task<DateTime?> ClaimAsync()
    {
        var granted = _capacity.Reserve(_capacity.Max);
        var claims = granted == 0
            ? []
            : await ClaimAsync(granted).ConfigureAwait(false);
        _capacity.Return(granted - claims.Count);
        Run(claims, unused: 0);
        return granted > 0 && claims.Count == granted ? null : DateTime.MaxValue; // The end of an activity wakes the loop.
    }

    private async Task<IReadOnlyList<ActivityClaim>> ClaimAsync(int granted)
    {
        try
        {
            return await _owned.ClaimAsync(
                () => _reader.ClaimActivitiesAsync(_lease.WorkerId, granted, CancellationToken.None),
                claims =>
                {
                    foreach (var claim in claims)
                    {
                        _owned.Add(claim);
                    }
                }).ConfigureAwait(false);
        }
        catch
        {
            _capacity.Return(granted);
            throw;
        }
    }

    private async Task RunOneAsync(ActivityClaim claim)
    {
        _metrics.ActivityBegan();
        var began = Stopwatch.GetTimestamp();
        try
        {
            var result = await ExecuteAsync(claim).ConfigureAwait(false);
            await CommitAsync(claim, result).ConfigureAwait(false);
        }
        finally
        {
            _owned.Remove(claim);
            _metrics.ActivityEnded(Stopwatch.GetElapsedTime(began));
            _capacity.Release(1);
        }
    }

    private async Task CommitAsync(ActivityClaim claim, InboxMessage result)
    {
        try
        {
            if (await _hub.Committer.CommitAsync(new ActivityCommit(claim, result), CancellationToken.None).ConfigureAwait(false)
                == CommitOutcome.Refused)
            {
                ExecutionLog.Refused(_logger, claim.Call.InstanceId);
            }
        }
        catch (ObjectDisposedException)
        {
            return; // The host has stopped; the claim runs out and another process repeats the call.
        }
#pragma warning disable CA1031 // A result that cannot be stored is the call's failure, else it would be repeated for ever.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            ExecutionLog.ResultNotStorable(_logger, exception, claim.Call.InstanceId, claim.Call.Name);
            var failure = new StoredFailure(exception.GetType().ToString(), $"The result could not be stored: {exception.Message}", null, null);
            _hub.Committer.Post(new ActivityCommit(claim, Failed(claim, failure)));
            _owned.Doubt(); // Should even that be refused by the database, the claim goes back to the queue.
        }
    }

    private async Task<InboxMessage> ExecuteAsync(ActivityClaim claim)
    {
        var call = claim.Call;
        if (claim.Attempts > _hub.Options.AttemptsMax)
        {
            return Failed(claim, new StoredFailure(
                "PoisonMessage",
                $"The activity was taken up {claim.Attempts - 1} times and its process died each time; it counts as poison.",
                null,
                null));
        }

        var scope = _scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
        {
            try
            {
                var activity = _catalog.CreateActivity(call.Name, call.Version, scope.ServiceProvider);
                if (activity is null)
                {
                    return Failed(claim, new StoredFailure(
                        "ActivityTaskNotFound", $"No activity task named '{call.Name}' was found.", null, null)
                    { IsNonRetriable = true });
                }

                var input = activity.InputType == typeof(UnreadInput) ? null : _options.DataConverter.Deserialize(call.Input, activity.InputType);
                var output = await activity.RunAsync(new CallContext(call), input).ConfigureAwait(false);
                return Answer(claim, EventType.TaskCompleted) with { Data = _options.DataConverter.Serialize(output) };
            }
#pragma warning disable CA1031 // Whatever an activity throws is its result.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                ExecutionLog.ActivityFailed(_logger, call.InstanceId, call.Name, exception.Message);
                return Failed(claim, StoredFailure.From(exception, _exceptionProperties));
            }
        }
    }

    private static InboxMessage Failed(ActivityClaim claim, StoredFailure failure) => Answer(claim, EventType.TaskFailed) with { Failure = failure };

    private static InboxMessage Answer(ActivityClaim claim, EventType kind) => new(claim.Call.InstanceId, kind)
    {
        ExecutionId = claim.Call.ExecutionId,
        TaskId = claim.Call.TaskId,
    };

    /// <summary>What a running activity knows of its call.</summary>
    internal sealed class CallContext(ActivityCall call) : TaskActivityContext
    {
        public ActivityCall Call { get; } = call;

        public override TaskName Name => Call.Name;

        public override string InstanceId => Call.InstanceId;

        public override string Version => Call.Version;
    }
}
