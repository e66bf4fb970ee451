using Backup.Standalone.Durable.Entities;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Client.Entities;

namespace Backup.Standalone.Durable.Clients;

/// <summary>The client of a hub in PostgreSQL.</summary>
internal sealed class PostgresDurableTaskClient(string name, DurableHub hub, DurableTaskClientOptions options, TimeProvider time)
    : DurableTaskClient(name)
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    private static readonly IReadOnlySet<OrchestrationRuntimeStatus> Unfinished = new HashSet<OrchestrationRuntimeStatus>
    {
        OrchestrationRuntimeStatus.Pending, OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Suspended,
    };

    private readonly PostgresEntityClient _entities = new(name, hub, options);

    public override DurableEntityClient Entities => options.EnableEntitySupport
        ? _entities
        : throw new NotSupportedException(
            $"Durable entities are disabled because {nameof(DurableTaskClientOptions)}.{nameof(DurableTaskClientOptions.EnableEntitySupport)}=false");

    /// <summary>Where the management URLs come from; null outside a functions app.</summary>
    internal Func<Http.ManagementUrls>? ManagementUrls { get; init; }

    public override async Task<string> ScheduleNewOrchestrationInstanceAsync(
        TaskName orchestratorName, object? input = null, StartOrchestrationOptions? startOptions = null, CancellationToken cancellation = default)
    {
        if (orchestratorName == default)
        {
            throw new ArgumentException("The orchestrator needs a name.", nameof(orchestratorName));
        }

        var instanceId = startOptions?.InstanceId ?? Guid.NewGuid().ToString("N");
        InstanceIds.Check(instanceId);
        var version = startOptions?.Version is { } asked ? asked.Version : options.DefaultVersion;
        var refusing = startOptions?.DedupeStatuses is { } statuses ? ParseStatuses(statuses) : Unfinished;
        var instance = new InstanceRecord(instanceId, Guid.NewGuid(), orchestratorName.Name, version)
        {
            Input = options.DataConverter.Serialize(input),
            Tags = startOptions?.Tags,
            StartAt = startOptions?.StartAt?.UtcDateTime,
        };
        await ReadyAsync(cancellation).ConfigureAwait(false);
        await hub.Committer.CommitAsync(new StartCommit(instance, refusing), cancellation).ConfigureAwait(false);
        return instanceId;
    }

    public override async Task RaiseEventAsync(
        string instanceId, string eventName, object? eventPayload = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(eventName);
        await SendAsync(instanceId, new InboxMessage(instanceId, EventType.EventRaised)
        {
            Name = eventName,
            Data = options.DataConverter.Serialize(eventPayload),
        }, cancellation).ConfigureAwait(false);
    }

    public override Task<OrchestrationMetadata> WaitForInstanceStartAsync(
        string instanceId, bool getInputsAndOutputs = false, CancellationToken cancellation = default) =>
        WaitAsync(instanceId, i => i.Status != OrchestrationRuntimeStatus.Pending, getInputsAndOutputs, cancellation);

    public override Task<OrchestrationMetadata> WaitForInstanceCompletionAsync(
        string instanceId, bool getInputsAndOutputs = false, CancellationToken cancellation = default) =>
        WaitAsync(instanceId, i => i.IsFinished, getInputsAndOutputs, cancellation);

    public override Task TerminateInstanceAsync(
        string instanceId, TerminateInstanceOptions? terminateOptions = null, CancellationToken cancellation = default) =>
        SendAsync(instanceId, new InboxMessage(instanceId, EventType.ExecutionTerminated)
        {
            Data = options.DataConverter.Serialize(terminateOptions?.Output),
            Recursive = terminateOptions?.Recursive ?? false,
        }, cancellation);

    public override Task SuspendInstanceAsync(string instanceId, string? reason = null, CancellationToken cancellation = default) =>
        SendAsync(instanceId, new InboxMessage(instanceId, EventType.ExecutionSuspended) { Data = reason }, cancellation);

    public override Task ResumeInstanceAsync(string instanceId, string? reason = null, CancellationToken cancellation = default) =>
        SendAsync(instanceId, new InboxMessage(instanceId, EventType.ExecutionResumed) { Data = reason }, cancellation);

    public override async Task<OrchestrationMetadata?> GetInstancesAsync(
        string instanceId, bool getInputsAndOutputs = false, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        var instance = await hub.Queries.FindAsync(instanceId, cancellation).ConfigureAwait(false);
        return instance is null ? null : ToMetadata(instance, getInputsAndOutputs);
    }

    public override AsyncPageable<OrchestrationMetadata> GetAllInstancesAsync(OrchestrationQuery? filter = null)
    {
        var query = filter ?? new OrchestrationQuery();
        return Pageable.Create(async (continuation, pageSize, cancellation) =>
        {
            await ReadyAsync(cancellation).ConfigureAwait(false);
            if (query.TaskHubNames is { } hubs && hubs.Any() && !hubs.Contains(hub.Options.HubName, StringComparer.OrdinalIgnoreCase))
            {
                return new Page<OrchestrationMetadata>([]);
            }

            var page = await hub.Queries.QueryAsync(query, continuation ?? query.ContinuationToken, pageSize ?? query.PageSize, cancellation)
                .ConfigureAwait(false);
            return new Page<OrchestrationMetadata>(
                [.. page.Values.Select(i => ToMetadata(i, query.FetchInputsAndOutputs))], page.ContinuationToken);
        });
    }

    public override async Task<PurgeResult> PurgeInstanceAsync(
        string instanceId, PurgeInstanceOptions? purgeOptions = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        var purged = await hub.Queries.PurgeAsync([instanceId], purgeOptions?.Recursive ?? false, cancellation).ConfigureAwait(false);
        return new PurgeResult(purged, isComplete: true);
    }

    public override async Task<PurgeResult> PurgeAllInstancesAsync(
        PurgeInstancesFilter filter, PurgeInstanceOptions? purgeOptions = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (filter.Timeout <= TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(filter), filter.Timeout, "The time-out of a purge must be positive.");
        }

        await ReadyAsync(cancellation).ConfigureAwait(false);
        var began = time.GetTimestamp();
        for (var purged = 0; ;)
        {
            var (count, complete) = await hub.Queries.PurgeAsync(filter, purgeOptions?.Recursive ?? false, cancellation).ConfigureAwait(false);
            purged += count;
            if (complete || time.GetElapsedTime(began) >= filter.Timeout)
            {
                return new PurgeResult(purged, complete);
            }
        }
    }

    public override async Task<string> RestartAsync(
        string instanceId, bool restartWithNewInstanceId = false, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        var old = await hub.Queries.FindAsync(instanceId, cancellation).ConfigureAwait(false)
            ?? throw new ArgumentException($"An orchestration with the instanceId {instanceId} was not found.", nameof(instanceId));
        if (!restartWithNewInstanceId && !old.IsFinished)
        {
            throw new InvalidOperationException($"An orchestration with the instanceId {instanceId} cannot be restarted: it is {old.Status}.");
        }

        var newId = restartWithNewInstanceId ? Guid.NewGuid().ToString("N") : instanceId;
        var instance = new InstanceRecord(newId, Guid.NewGuid(), old.Name, old.Version) { Input = old.Input, Tags = old.Tags };
        await hub.Committer.CommitAsync(new StartCommit(instance, Unfinished), cancellation).ConfigureAwait(false);
        return newId;
    }

    public override async Task<IList<HistoryEvent>> GetOrchestrationHistoryAsync(string instanceId, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        if (await hub.Queries.FindAsync(instanceId, cancellation).ConfigureAwait(false) is null)
        {
            throw new ArgumentException($"An orchestration with the instanceId {instanceId} was not found.", nameof(instanceId));
        }

        return HistoryEvents.Of(await hub.Queries.HistoryAsync(instanceId, cancellation).ConfigureAwait(false));
    }

    public override async Task<Page<string>> ListInstanceIdsAsync(
        IEnumerable<OrchestrationRuntimeStatus>? runtimeStatus = null,
        DateTimeOffset? completedTimeFrom = null,
        DateTimeOffset? completedTimeTo = null,
        int pageSize = OrchestrationQuery.DefaultPageSize,
        string? lastInstanceKey = null,
        CancellationToken cancellation = default)
    {
        await ReadyAsync(cancellation).ConfigureAwait(false);
        return await hub.Queries.ListFinishedAsync(runtimeStatus, completedTimeFrom, completedTimeTo, pageSize, lastInstanceKey, cancellation)
            .ConfigureAwait(false);
    }

    // Connections belong to the hub, which the container disposes of.
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static HashSet<OrchestrationRuntimeStatus> ParseStatuses(IReadOnlyList<string> names) => [.. names.Select(text =>
        Enum.TryParse<OrchestrationRuntimeStatus>(text, ignoreCase: true, out var status)
            ? status
            : throw new ArgumentException($"Invalid orchestration runtime status: '{text}' for deduplication."))];

    private Task ReadyAsync(CancellationToken cancellation) => hub.Database.EnsureReadyAsync(cancellation);

    private async Task SendAsync(string instanceId, InboxMessage message, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        EntityIds.Refuse(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        await hub.Committer.CommitAsync(new MessageCommit(message), cancellation).ConfigureAwait(false);
    }

    private async Task<OrchestrationMetadata> WaitAsync(
        string instanceId, Func<InstanceRecord, bool> reached, bool getInputsAndOutputs, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        await ReadyAsync(cancellation).ConfigureAwait(false);
        while (true)
        {
            var news = hub.Feed.NextChange(instanceId);
            var instance = await hub.Queries.FindAsync(instanceId, cancellation).ConfigureAwait(false)
                ?? throw new ArgumentException($"An orchestration with the instanceId {instanceId} was not found.", nameof(instanceId));
            if (reached(instance))
            {
                return ToMetadata(instance, getInputsAndOutputs);
            }

            await Task.WhenAny(news, Task.Delay(LookInterval, time, cancellation)).ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    private OrchestrationMetadata ToMetadata(InstanceRecord instance, bool full) => new(instance.Name, instance.InstanceId)
    {
        RuntimeStatus = instance.Status,
        CreatedAt = new DateTimeOffset(instance.CreatedAt, TimeSpan.Zero),
        LastUpdatedAt = new DateTimeOffset(instance.UpdatedAt, TimeSpan.Zero),
        Tags = instance.Tags ?? new Dictionary<string, string>(),
        DataConverter = full ? options.DataConverter : null,
        SerializedInput = full ? instance.Input : null,
        SerializedOutput = full ? instance.Output : null,
        SerializedCustomStatus = full ? instance.CustomStatus : null,
        FailureDetails = full ? instance.Failure?.ToDetails() : null,
    };
}
