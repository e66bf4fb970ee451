using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Durable.Execution;

/// <summary>The orchestrators, activities and entities this process can run.</summary>
internal interface ITaskCatalog
{
    /// <summary>An orchestrator for one turn; null when there is none of the name and version.</summary>
    ITaskOrchestrator? CreateOrchestrator(TaskName name, TaskVersion version, IServiceProvider services);

    /// <summary>An activity for one call; null when there is none of the name and version.</summary>
    ITaskActivity? CreateActivity(TaskName name, TaskVersion version, IServiceProvider services);

    /// <summary>An entity for one turn; null when there is none of the name.</summary>
    ITaskEntity? CreateEntity(TaskName name, IServiceProvider services);
}

/// <summary>The tasks of a registry.</summary>
internal sealed class RegistryCatalog(DurableTaskRegistry registry) : ITaskCatalog
{
    public ITaskOrchestrator? CreateOrchestrator(TaskName name, TaskVersion version, IServiceProvider services) =>
        registry.FindOrchestrator(name, version)?.Invoke(services);

    public ITaskActivity? CreateActivity(TaskName name, TaskVersion version, IServiceProvider services) =>
        registry.FindActivity(name, version)?.Invoke(services);

    public ITaskEntity? CreateEntity(TaskName name, IServiceProvider services) => registry.FindEntity(name)?.Invoke(services);
}
