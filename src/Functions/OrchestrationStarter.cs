using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;

namespace Backup.Functions;

/// <summary>Starts orchestrations whose id says what they are: an id that exists is never started again.</summary>
public static class OrchestrationStarter
{
    /// <summary>Starts the orchestration, unless an instance of that id exists in whatever state.</summary>
    /// <returns>True when this call started it.</returns>
    public static Task<bool> StartOnceAsync(this DurableTaskClient client, TaskName orchestrator, string instanceId, object input, CancellationToken cancel) =>
        StartAsync(client, orchestrator, instanceId, input, _ => true, cancel);

    /// <summary>Starts the orchestration, unless an instance of that id is under way; one that has ended is replaced.</summary>
    /// <returns>True when this call started it.</returns>
    public static Task<bool> StartUnlessRunningAsync(this DurableTaskClient client, TaskName orchestrator, string instanceId, object input, CancellationToken cancel) =>
        StartAsync(client, orchestrator, instanceId, input, instance => !instance.IsCompleted, cancel);

    private static async Task<bool> StartAsync(
        DurableTaskClient client, TaskName orchestrator, string instanceId, object input, Func<OrchestrationMetadata, bool> keeps, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(client);

        // Asked first, because the hosts' default is to replace an instance that has ended.
        if (await client.GetInstanceAsync(instanceId, cancel).ConfigureAwait(false) is { } existing && keeps(existing))
        {
            return false;
        }

        try
        {
            await client.ScheduleNewOrchestrationInstanceAsync(orchestrator, input, new StartOrchestrationOptions(InstanceId: instanceId), cancel).ConfigureAwait(false);
            return true;
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            // Two calls at the same moment: each host has its own exception for the loser, so the instance itself is asked.
            if (await client.GetInstanceAsync(instanceId, cancel).ConfigureAwait(false) is { } other && keeps(other))
            {
                return false;
            }

            throw;
        }
    }
}
