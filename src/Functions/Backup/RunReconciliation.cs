using Backup.Catalog.Archive;
using Backup.Catalog.Restores;
using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Policy.States;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Backups;

/// <summary>
/// Closes runs and restores whose orchestration has ended without doing so: terminated or purged by a person, or failed because the
/// catalog stayed away. Without this the asset would count as running for ever and never be backed up again.
/// </summary>
/// <param name="runs">Open runs.</param>
/// <param name="restores">Open restores.</param>
/// <param name="archive">Knows which restores a restore from an archive is made of.</param>
/// <param name="clock">Tells how old they are.</param>
/// <param name="logger">Hears what was closed.</param>
public sealed class RunReconciliation(RunStore runs, RestoreStore restores, ArchiveStore archive, TimeProvider clock, ILogger<RunReconciliation> logger)
{
    /// <summary>Younger ones are left alone: their orchestration may be about to close them.</summary>
    public static readonly TimeSpan AgeMin = TimeSpan.FromMinutes(2);

    private const int PageRows = 200;

    /// <summary>Looks at every open run and restore.</summary>
    public async Task RunAsync(DurableTaskClient client, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(client);
        var youngest = clock.GetUtcNow() - AgeMin;
        foreach (var state in new[] { RunState.Queued, RunState.Running })
        {
            // One open run per asset: a page of the newest is all there is, unless there are more assets than a page has rows.
            string? next = null;
            do
            {
                var page = await runs.ListAsync(new RunFilter(State: state), next, PageRows, cancel).ConfigureAwait(false);
                foreach (var run in page.Items.Where(r => r.OpenedAt < youngest))
                {
                    await CloseIfAbandonedAsync(client, run, cancel).ConfigureAwait(false);
                }

                next = page.Next;
            }
            while (next is not null);
        }

        foreach (var restore in (await restores.ListOpenAsync(PageRows, cancel).ConfigureAwait(false)).Where(r => r.OpenedAt < youngest))
        {
            var orchestration = await archive.FindOfMemberAsync(restore.Id, cancel).ConfigureAwait(false) ?? restore.Id;
            if (await StatusOfEndedAsync(client, orchestration.Value, cancel).ConfigureAwait(false) is { } status)
            {
                await restores.CloseAsync(restore.Id, RunState.Failed, Reason(status), null, cancel).ConfigureAwait(false);
                Log.RestoreAbandoned(logger, restore.Id.Value, status);
            }
        }
    }

    private async Task CloseIfAbandonedAsync(DurableTaskClient client, Run run, CancellationToken cancel)
    {
        if (await StatusOfEndedAsync(client, run.Id.Value, cancel).ConfigureAwait(false) is { } status)
        {
            var reason = Reason(status);
            var closed = await CloseRun.EndAsync(runs, run.Id, RunState.Failed, new JobFailure(reason.Code, reason.Text, reason.Hint), cancel).ConfigureAwait(false);
            Log.RunAbandoned(logger, run.Id.Value, status, closed.State.ToString());
        }
    }

    private static OutcomeReason Reason(string status) => new(ReasonCodes.Abandoned, $"Its orchestration is {status} and never closed it.", "See the log of the Functions app around its last change.");

    /// <summary>Null while the orchestration lives.</summary>
    private static async Task<string?> StatusOfEndedAsync(DurableTaskClient client, string instanceId, CancellationToken cancel)
    {
        var instance = await client.GetInstanceAsync(instanceId, cancel).ConfigureAwait(false);
        return instance is null ? "gone" : instance.IsCompleted ? instance.RuntimeStatus.ToString().ToLowerInvariant() : null;
    }
}
