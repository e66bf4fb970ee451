using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Worker;

namespace Backup.Standalone.Durable;

/// <summary>What a worker's builder was told of the work to take.</summary>
internal sealed class WorkFilterChoice
{
    private bool _fromRegistry;
    private DurableTaskWorkerWorkItemFilters? _filters;

    public void FromRegistry() => _fromRegistry = true;

    public void Set(DurableTaskWorkerWorkItemFilters? filters)
    {
        _fromRegistry = false;
        _filters = filters;
    }

    /// <summary>The filter of a worker with these tasks; null: it takes all work.</summary>
    public WorkFilter? Of(DurableTaskRegistry registry) => _fromRegistry ? new WorkFilter(FiltersOf(registry))
        : _filters is null ? null
        : new WorkFilter(_filters);

    private static DurableTaskWorkerWorkItemFilters FiltersOf(DurableTaskRegistry registry) => new()
    {
        Orchestrations = [.. registry.GetOrchestrators().Select(o => new DurableTaskWorkerWorkItemFilters.OrchestrationFilter(o.Key.Name, null))],
        Activities = [.. registry.GetActivities().Select(a => new DurableTaskWorkerWorkItemFilters.ActivityFilter(a.Key.Name, null))],
        Entities = [.. registry.GetEntities().Select(e => new DurableTaskWorkerWorkItemFilters.EntityFilter(e.Key.Name))],
    };
}
