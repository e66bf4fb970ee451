using Backup.Functions.Agents;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Archive;

/// <summary>Plans a restore from an archive tier. Nothing is paid for.</summary>
/// <remarks>(1) the agent finds out which packs the restore reads (2) the plan, from what the storage says of them and the policy's prices; or why there is none.</remarks>
public static class ArchiveSurvey
{
    /// <summary>Runs it.</summary>
    [Function(nameof(ArchiveSurvey))]
    public static async Task<string> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, ArchiveRequest request)
    {
        var task = request.Restore.Task;
        SurveyEnding ending;
        try
        {
            var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                                // (1)
            {
                Agent = request.Restore.Agent,
                OrderKey = $"{request.Id}/survey",
                Task = new AgentTask { Survey = new SurveyTask { Vault = task.Vault, VaultId = task.VaultId, SnapshotId = task.SnapshotId, From = task.From!, Include = task.Include } },
                Patience = request.Restore.Patience,
            });
            ending = new SurveyEnding(request, job.Report, job.Failure);
        }
        catch (TaskFailedException e)
        {
            ending = new SurveyEnding(request, null, JobFailure.Of(e));
        }

        return await context.CallActivityAsync<string>(nameof(PlanArchiveRestore), ending, RetryPolicies.Catalog);                            // (2)
    }
}
