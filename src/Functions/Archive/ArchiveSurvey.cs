using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Archive;

/// <summary>Plans a restore from an archive tier. Nothing is paid for.</summary>
/// <remarks>
/// (1) the agent finds out which packs the restore reads, or each member's agent, all at once (2) the plan, from what the storage says of them and the policy's prices; or why there is none.
/// </remarks>
public static class ArchiveSurvey
{
    /// <summary>Runs it.</summary>
    [Function(nameof(ArchiveSurvey))]
    public static async Task<string> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, ArchiveRequest request)
    {
        var members = await Task.WhenAll(request.Restores.Select(restore => SurveyAsync(context, restore)));                                  // (1)
        return await context.CallActivityAsync<string>(nameof(PlanArchiveRestore), new SurveyEnding(request, members), RetryPolicies.Catalog); // (2)
    }

    private static async Task<SurveyedMember> SurveyAsync(TaskOrchestrationContext context, RestoreRequest restore)
    {
        var task = restore.Task;
        try
        {
            var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest
            {
                Agent = restore.Agent,
                OrderKey = $"{task.Restore}/survey",
                Task = new AgentTask { Survey = new SurveyTask { Vault = task.Vault, VaultId = task.VaultId, SnapshotId = task.SnapshotId, From = task.From!, Include = task.Include } },
                Patience = restore.Patience,
            });
            return new SurveyedMember(job.Report, job.Failure);
        }
        catch (TaskFailedException e)
        {
            return new SurveyedMember(null, JobFailure.Of(e));
        }
    }
}
