namespace Microsoft.DurableTask.Internal;

/// <summary>Whoever can schedule orchestrations.</summary>
public interface IOrchestrationSubmitter
{
    /// <summary>Schedules a new instance and returns its id; on return it is durable.</summary>
    Task<string> ScheduleNewOrchestrationInstanceAsync(
        TaskName orchestratorName, object? input = null, StartOrchestrationOptions? options = null, CancellationToken cancellation = default);
}
