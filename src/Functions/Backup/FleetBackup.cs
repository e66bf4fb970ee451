using Backup.Functions.Agents;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Backups;

/// <summary>Backs up several assets: most urgent first, and per agent no more at once than it has room for.</summary>
/// <remarks>(1) one lane for each backup that an agent may run at once (2) each lane takes the agent's next asset until none is left, or until the next fleet decides</remarks>
public static class FleetBackup
{
    /// <summary>Runs the fleet.</summary>
    [Function(nameof(FleetBackup))]
    public static async Task<RunOutcome[]> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, FleetRequest request)
    {
        var outcomes = new List<RunOutcome>();
        var lanes = request.Members.GroupBy(m => m.Agent, StringComparer.Ordinal).SelectMany(agent =>
        {
            var queue = new Queue<FleetMember>(agent);
            return Enumerable.Range(0, Math.Min(agent.First().Lanes, queue.Count)).Select(_ => DrainAsync(context, request, queue, outcomes)); // (1)
        }).ToArray();
        await Task.WhenAll(lanes);
        return [.. outcomes];
    }

    private static async Task DrainAsync(TaskOrchestrationContext context, FleetRequest request, Queue<FleetMember> queue, List<RunOutcome> outcomes)
    {
        // A lane's first asset starts however late the fleet itself does: were it left out, a slow host would back up nothing at all.
        for (var mayStart = true; mayStart && queue.TryDequeue(out var member);)                                                             // (2)
        {
            outcomes.Add(await BackUpAsync(context, request, member));
            mayStart = request.StartUntil is null || context.CurrentUtcDateTime < request.StartUntil.Value.UtcDateTime;
        }
    }

    private static async Task<RunOutcome> BackUpAsync(TaskOrchestrationContext context, FleetRequest request, FleetMember member)
    {
        var id = InstanceIds.Backup(member.Asset, request.Slot);
        try
        {
            return await context.CallSubOrchestratorAsync<RunOutcome>(
                nameof(AssetBackup), new BackupRequest { Asset = member.Asset, RequestedBy = request.RequestedBy }, new SubOrchestrationOptions(instanceId: id));
        }
        catch (TaskFailedException e)
        {
            // One asset's trouble must not stop the others; an open run it may have left is closed by RunReconciliation.
            return new RunOutcome { Run = id, Asset = member.Asset, State = "failed", Reason = new JobFailure(ReasonCodes.Internal, e.FailureDetails.ErrorMessage, "See the log of the Functions app.") };
        }
    }
}
