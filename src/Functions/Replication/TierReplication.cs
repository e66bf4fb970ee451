using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Microsoft.DurableTask;

namespace Backup.Functions.Replication;

/// <summary>How one replica ended.</summary>
/// <param name="Tier">Where.</param>
/// <param name="Failure">Why it is not sound; null when it is.</param>
public sealed record TierOutcome(string Tier, JobFailure? Failure);

/// <summary>The part of an orchestration that makes one replica of a recovery point and looks at it.</summary>
/// <remarks>(1) agent's job (2) record the copy, or why there is none (3) look at the copy without keys, recorded too</remarks>
public static class TierReplication
{
    /// <summary>Makes the replica. A failure is an outcome; the other tiers go on.</summary>
    public static async Task<TierOutcome> RunAsync(TaskOrchestrationContext context, BackupPlan plan, BackupResult backup, string point, ReplicaPlace place)
    {
        ArgumentNullException.ThrowIfNull(context);
        try
        {
            return await CopyAndLookAsync(context, plan, backup, point, place);
        }
        catch (TaskFailedException e)
        {
            return new TierOutcome(place.Tier, JobFailure.Of(e) with { Code = ReasonCodes.ReplicaMissing });
        }
    }

    private static async Task<TierOutcome> CopyAndLookAsync(TaskOrchestrationContext context, BackupPlan plan, BackupResult backup, string point, ReplicaPlace place)
    {
        var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                                   // (1)
        {
            Agent = plan.Agent,
            OrderKey = $"{plan.Run}/replicate/{place.Tier}",
            Task = new AgentTask { Replicate = new ReplicateTask { Vault = plan.Task.Vault, SnapshotId = backup.SnapshotId, Place = place } },
            Patience = plan.Patience,
            ClassPriority = plan.ClassPriority,
        });
        var copy = new ReplicaRecord { RecoveryPoint = point, Place = place, Result = job.Report?.Replicate, Failure = Failure(job) };
        await context.CallActivityAsync<string>(nameof(RecordReplica), copy, RetryPolicies.Catalog);                                          // (2)
        if (copy.Result is null)
        {
            return new TierOutcome(place.Tier, copy.Failure);
        }

        var look = new LookRequest { Id = $"{plan.Run}/{place.Tier}", RecoveryPoint = point, VaultId = backup.VaultId, Place = place, Result = copy.Result };
        for (var attempt = 1; ; attempt++)
        {
            var found = await context.CallActivityAsync<LookOutcome>(nameof(LookAtReplica), look, RetryPolicies.Catalog);                     // (3)
            if (!found.IsTransient || attempt == RetryPolicies.LookAttemptsMax)
            {
                return new TierOutcome(place.Tier, found.Failure);
            }

            await context.CreateTimer(RetryPolicies.LookRetryWait, CancellationToken.None);
        }
    }

    private static JobFailure? Failure(JobOutcome job) => job.Report is { Replicate: null }
        ? new JobFailure(ReasonCodes.ReceiptRefused, "The agent's receipt for the copy holds no result.", "Check the agent's version.")
        : job.Failure;
}
