using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Groups;

/// <summary>Brings all members of a group point back.</summary>
/// <remarks>(1) one restore of each member, all at once (2) what became of the whole. Each restore is in the catalog as any other is.</remarks>
public static class GroupRestore
{
    /// <summary>Runs it.</summary>
    [Function(nameof(GroupRestore))]
    public static async Task<GroupRestoreOutcome> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, GroupRestoreRequest request)
    {
        var outcomes = await Task.WhenAll(request.Restores.Select(restore => RestoreAsync(context, restore)));                              // (1)
        return new GroupRestoreOutcome(RestoreStates.Worst(outcomes, o => o.State).State, outcomes);                                               // (2)
    }

    private static async Task<RestoreOutcome> RestoreAsync(TaskOrchestrationContext context, RestoreRequest restore)
    {
        try
        {
            return await context.CallSubOrchestratorAsync<RestoreOutcome>(RestoreAsset.FunctionName, restore, new SubOrchestrationOptions(instanceId: restore.Task.Restore));
        }
        catch (TaskFailedException e)
        {
            // The others are wanted all the same; one that is still open in the catalog is closed by RunReconciliation.
            return new RestoreOutcome { Restore = restore.Task.Restore, State = "failed", Reason = JobFailure.Of(e) };
        }
    }
}
