using Backup.Functions.Agents;
using Backup.Functions.Groups;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Backups;

/// <summary>Backs up several assets: most urgent first, and per agent no more at once than it has room for.</summary>
/// <remarks>
/// (1) every group as one, since its members have lanes together or not at all (2) one lane for each further backup that an agent may run at once (3) each lane takes the agent's
/// next asset until none is left, or until the next fleet decides
/// </remarks>
public static class FleetBackup
{
    /// <summary>Runs the fleet.</summary>
    [Function(nameof(FleetBackup))]
    public static async Task<RunOutcome[]> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, FleetRequest request)
    {
        var outcomes = new List<RunOutcome>();
        var groups = request.Members.Where(m => m.Group is not null).Select(m => m.Group!).Distinct(StringComparer.Ordinal)
            .Select(group => BackUpAsync(context, request, group, outcomes)).ToArray();                                                      // (1)
        var lanes = request.Members.Where(m => m.Group is null).GroupBy(m => m.Agent, StringComparer.Ordinal).SelectMany(agent =>
        {
            var queue = new Queue<FleetMember>(agent);
            return Enumerable.Range(0, Math.Min(agent.First().Lanes, queue.Count)).Select(_ => DrainAsync(context, request, queue, outcomes)); // (2)
        }).ToArray();
        await Task.WhenAll([.. groups, .. lanes]);
        return [.. outcomes];
    }

    private static async Task DrainAsync(TaskOrchestrationContext context, FleetRequest request, Queue<FleetMember> queue, List<RunOutcome> outcomes)
    {
        // A lane's first asset starts however late the fleet itself does: were it left out, a slow host would back up nothing at all.
        for (var mayStart = true; mayStart && queue.TryDequeue(out var member);)                                                             // (3)
        {
            outcomes.Add(await BackUpAsync(context, request, member));
            mayStart = request.StartUntil is null || context.CurrentUtcDateTime < request.StartUntil.Value.UtcDateTime;
        }
    }

    private static async Task BackUpAsync(TaskOrchestrationContext context, FleetRequest request, string group, List<RunOutcome> outcomes)
    {
        try
        {
            var done = await context.CallSubOrchestratorAsync<GroupOutcome>(
                nameof(GroupBackup), new GroupRequest { Group = group, Slot = request.Slot, RequestedBy = request.RequestedBy }, new SubOrchestrationOptions(instanceId: InstanceIds.Group(group, request.Slot)));
            outcomes.AddRange(done.Runs);
        }
        catch (TaskFailedException e)
        {
            outcomes.AddRange(request.Members.Where(m => m.Group == group)
                .Select(m => new RunOutcome { Run = InstanceIds.Backup(m.Asset, request.Slot), Asset = m.Asset, State = "failed", Reason = JobFailure.Of(e) }));
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
            return new RunOutcome { Run = id, Asset = member.Asset, State = "failed", Reason = JobFailure.Of(e) };
        }
    }
}
