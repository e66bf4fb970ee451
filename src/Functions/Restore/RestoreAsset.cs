using Backup.AgentApi;
using Backup.Functions.Agents;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Restores;

/// <summary>One restore, from opening to closing. The instance id is the restore's id.</summary>
/// <remarks>(1) open (2) agent's job (3) judge its receipt (4) close. Every failure on the way is recorded by (4).</remarks>
public static class RestoreAsset
{
    /// <summary>The function's name, which operators see.</summary>
    public const string FunctionName = "Restore";

    /// <summary>Runs the restore.</summary>
    [Function(FunctionName)]
    public static async Task<RestoreOutcome> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, RestoreRequest request)
    {
        var opened = await context.CallActivityAsync<RestoreOutcome>(nameof(OpenRestore), request, RetryPolicies.Catalog);                   // (1)
        if (opened.State is not "running")
        {
            return opened;
        }

        RestoreEnding ending;
        try
        {
            var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                               // (2)
            {
                Agent = request.Agent,
                OrderKey = $"{request.Task.Restore}/restore",
                Task = new AgentTask { Restore = request.Task },
                Patience = request.Patience,
            });
            ending = Judge(request, job);                                                                                                    // (3)
        }
        catch (TaskFailedException e)
        {
            ending = new RestoreEnding { Restore = request.Task.Restore, State = "failed", Reason = JobFailure.Of(e) };
        }

        return await context.CallActivityAsync<RestoreOutcome>(nameof(CloseRestore), ending, RetryPolicies.Catalog);                         // (4)
    }

    /// <summary>What a job's outcome means for its restore. Pure.</summary>
    public static RestoreEnding Judge(RestoreRequest request, JobOutcome job)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(job);
        var ending = new RestoreEnding { Restore = request.Task.Restore, State = "failed", Reason = job.Failure };
        return job.Report switch
        {
            null when job.Failure!.Code == "cancelled" => ending with { State = "cancelled" },
            null => ending,
            { Restore: not { } or { FilesRestored: < 0 } or { BytesRestored: < 0 } } => ending with
            {
                Reason = new JobFailure(ReasonCodes.ReceiptRefused, "The agent's receipt does not fit the order: it holds no sound result.", "Look at the target before using it, and restore again."),
            },
            { Restore.Recovery: null } when request.Task.Recovery is not null => ending with
            {
                Reason = new JobFailure(ReasonCodes.ReceiptRefused, "The agent restored the recovery point, but did not recover it along its log.", "Update the agent: it does not know such orders."),
            },
            { State: JobState.Partial } partial => ending with
            {
                State = "partial",
                Result = partial.Restore,
                Reason = partial.Failure is { } failure
                    ? JobProgression.Translate(failure)
                    : new JobFailure(ReasonCodes.UnreadableFiles, "The agent restored only a part and gave no reason.", "See the agent's log."),
            },
            var report => ending with { State = "succeeded", Result = report.Restore },
        };
    }
}
