using System.Diagnostics.Metrics;
using Backup.Standalone.Durable.Entities;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Workers;

/// <summary>Runs the orchestrations and activities of one hub in this process.</summary>
/// <remarks>
/// Stopping drains: nothing new is claimed, what runs may finish for a while, and the lease is then given up so that other
/// processes take over the rest at once.
/// </remarks>
internal sealed class PostgresWorker : IHostedService, IAsyncDisposable
{
    private readonly DurableHub _hub;
    private readonly WorkerLease _lease;
    private readonly OwnedWork _owned = new();
    private readonly EntityRunner _entities;
    private readonly OrchestrationDispatcher _orchestrations;
    private readonly ActivityDispatcher _activities;
    private readonly DurableMetrics _metrics;
    private readonly QueueSampler _sampler;
    private readonly CancellationTokenSource _stopping = new();
    private Task _sampling = Task.CompletedTask;
    private bool _started;

    public PostgresWorker(IServiceProvider services, DurableHub hub, ITaskCatalog catalog, DurableTaskWorkerOptions options, WorkFilter? filter = null)
    {
        var time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        var loggers = services.GetRequiredService<ILoggerFactory>();
        var logger = loggers.CreateLogger("Backup.Standalone.Durable");
        var scopes = services.GetRequiredService<IServiceScopeFactory>();
        var exceptionProperties = services.GetService<IExceptionPropertiesProvider>();
        _hub = hub;
        _metrics = new DurableMetrics(services.GetService<IMeterFactory>());
        _sampler = new QueueSampler(hub.Database, _metrics, time);
        _lease = new WorkerLease(hub.Database, hub.Options, time, logger, ReconcileAsync, WakeAll);
        var reader = new WorkReader(hub.Database, hub.Options, filter);
        _activities = new ActivityDispatcher(hub, reader, _lease, _owned, catalog, options, scopes, exceptionProperties, _metrics, time, logger);
        _entities = new EntityRunner(catalog, options, hub.Options, scopes, logger, exceptionProperties);
        _orchestrations = new OrchestrationDispatcher(
            hub,
            reader,
            _lease,
            _owned,
            new TurnRunner(catalog, options, hub.Options, scopes, loggers, exceptionProperties, FailIllegalAwait),
            _entities,
            _activities,
            Math.Max(1, options.Concurrency.MaximumConcurrentOrchestrationWorkItems),
            _metrics,
            time,
            logger);
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _hub.Database.EnsureReadyAsync(cancellationToken).ConfigureAwait(false);
        await _lease.StartAsync(cancellationToken).ConfigureAwait(false);
        _hub.Committer.Doubted += _owned.Doubt;
        _hub.Feed.EnsureListening();
        _activities.Start();
        _orchestrations.Start();
        _sampling = Task.Run(() => _sampler.RunAsync(_stopping.Token), CancellationToken.None);
        _started = true;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (!_started)
        {
            return;
        }

        _started = false;
        using var drain = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        drain.CancelAfter(_hub.Options.DrainTimeout);
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _sampling.ConfigureAwait(false);
        await Task.WhenAll(_orchestrations.DrainAsync(drain.Token), _activities.DrainAsync(drain.Token)).ConfigureAwait(false);
        try
        {
            await _lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (DurableDatabase.IsTransient(exception))
        {
            // The lease runs out by itself.
            return;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _orchestrations.DisposeAsync().ConfigureAwait(false);
        await _activities.DisposeAsync().ConfigureAwait(false);
        await _lease.DisposeAsync().ConfigureAwait(false);
        _entities.Dispose();
        _hub.Committer.Doubted -= _owned.Doubt;
        _owned.Dispose();
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        if (_owned.IsDoubtful)
        {
            await _hub.Committer.CommitAsync(
                new ExclusiveAction(async () =>
                {
                    if (await _owned.ReconcileAsync(_hub.Database, _lease.WorkerId, cancellationToken).ConfigureAwait(false) > 0)
                    {
                        WakeAll();
                    }
                }),
                cancellationToken).ConfigureAwait(false);
        }
    }

    private void WakeAll()
    {
        _orchestrations.Wake();
        _activities.Wake();
    }

    // A continuation came back after its turn had ended: the orchestrator awaited something it may not. Nobody else would
    // ever notice, for the turn that is stored looks as if it waited for an answer.
    private void FailIllegalAwait(TurnWork work) => _hub.Committer.Post(new MessageCommit(
        new InboxMessage(work.Instance.InstanceId, EventType.GenericEvent)
        {
            ExecutionId = work.Instance.ExecutionId,
            Name = OrchestrationContext.IllegalAwaitMessage,
        }));
}
