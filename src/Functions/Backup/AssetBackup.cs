using Backup.Functions.Agents;
using Backup.Functions.Groups;
using Backup.Functions.Protection;
using Backup.Functions.Replication;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Backups;

/// <summary>One backup of one asset, from opening its run to closing it. The instance id is the run's id.</summary>
/// <remarks>
/// (1) open run (2) note that it is ordered (3) agent's job (4) check the receipt (5) publish the recovery point, and tell the group's backup (6) compare the run with its
/// asset's history (7) replicate to every tier in parallel, and look at each replica without keys (8) close run (9) how well the asset is
/// protected now. Every failure on the way is recorded by (8).
/// </remarks>
public static class AssetBackup
{
    /// <summary>Runs the backup.</summary>
    [Function(nameof(AssetBackup))]
    public static async Task<RunOutcome> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, BackupRequest request)
    {
        var opened = await context.CallActivityAsync<RunOpened>(nameof(OpenRun), new OpenRunRequest(context.InstanceId, request), RetryPolicies.Catalog); // (1)
        if (opened.Plan is not { } plan)
        {
            return opened.Outcome!;
        }

        RunEnding ending;
        try
        {
            ending = await BackUpAsync(context, request, plan);
        }
        catch (TaskFailedException e)
        {
            // A fault in this program or a catalog that stayed away: still a recorded outcome, never a lost run.
            ending = new RunEnding { Run = plan.Run, State = "failed", Reason = JobFailure.Of(e) };
        }

        var outcome = await context.CallActivityAsync<RunOutcome>(nameof(CloseRun), ending, RetryPolicies.Catalog);                       // (8)
        await context.CallActivityAsync<bool>(nameof(AssessProtection), plan.Task.Asset, RetryPolicies.Catalog);                          // (9)
        return outcome;
    }

    private static async Task<RunEnding> BackUpAsync(TaskOrchestrationContext context, BackupRequest request, BackupPlan plan)
    {
        await context.CallActivityAsync(nameof(MarkRunOrdered), plan.Run, RetryPolicies.Catalog);                                         // (2)
        var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                                // (3)
        {
            Agent = plan.Agent,
            OrderKey = $"{plan.Run}/backup",
            Task = new AgentTask { Backup = plan.Task },
            Patience = plan.Patience,
            ClassPriority = plan.ClassPriority,
        }, new SubOrchestrationOptions(instanceId: InstanceIds.JobOf(plan.Run)));
        if (job.Report is not { } report)
        {
            return Failed(plan, job.Failure!);
        }

        if (ReceiptCheck.Refusal(plan, report, context.CurrentUtcDateTime) is { } refusal)                                                // (4)
        {
            return Failed(plan, refusal);
        }

        var published = await context.CallActivityAsync<PublishOutcome>(                                                                  // (5)
            nameof(PublishRecoveryPoint), new PublishRequest { Plan = plan, Result = report.Backup! }, RetryPolicies.Catalog);
        if (published.RecoveryPoint is not { } point)
        {
            return Failed(plan, published.Refusal!);
        }

        if (request.Group is { } group)
        {
            context.SendEvent(group, GroupBackup.MadeEvent(plan.Task.Asset), point);
        }

        await context.CallActivityAsync<bool>(nameof(AssessSignals), new SignalsRequest(plan.Run, plan.Task.Asset, point), RetryPolicies.Catalog); // (6)
        var copies = await TierReplication.RunAllAsync(context, plan, report.Backup!, point);                                              // (7)
        return RunEndings.WithPoint(plan, report.Backup!, copies);
    }

    private static RunEnding Failed(BackupPlan plan, JobFailure reason) =>
        new() { Run = plan.Run, State = reason.Code == "cancelled" ? "cancelled" : "failed", Reason = reason };
}
