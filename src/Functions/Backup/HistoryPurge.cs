using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;

namespace Backup.Functions.Backups;

/// <summary>Forgets old orchestrations, so that their histories do not grow for ever. What they did stays in the catalog.</summary>
/// <param name="clock">Tells what is old.</param>
public sealed class HistoryPurge(TimeProvider clock)
{
    /// <summary>
    /// Far beyond the longest job (<see cref="Agents.JobPatience.SecondsMax"/> per job), so that no orchestration under way loses a
    /// part; and long enough to look into last month's failures.
    /// </summary>
    public static readonly TimeSpan AgeMax = TimeSpan.FromDays(30);

    /// <summary>Runs once a day, at an hour when little else does. Safe to repeat.</summary>
    [Function(nameof(HistoryPurge))]
    public Task RunAsync([TimerTrigger("0 17 3 * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(client);
        var ended = new[] { OrchestrationRuntimeStatus.Completed, OrchestrationRuntimeStatus.Failed, OrchestrationRuntimeStatus.Terminated };
        return client.PurgeAllInstancesAsync(new PurgeInstancesFilter(null, clock.GetUtcNow() - AgeMax, ended), cancel);
    }
}
