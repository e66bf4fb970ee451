using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Archive;

/// <summary>A restore from an archive tier, once its plan was started. The instance id is the restore's id.</summary>
/// <remarks>
/// (1) open the restore (2) ask for packs, a batch at a time, and look what is ready (3) wait by a durable timer, longer each time nothing new was ready (4) of files: restore
/// what is ready, whenever a tenth of all packs has come since (5) when all is ready, restore everything; this verifies what was there before (6) close the restore, keep
/// its copies for a while. The event <see cref="AgentJob.CancelEvent"/> stops it wherever it is. After <see cref="LooksPerGeneration"/> looks it continues as new.
/// </remarks>
public static class ArchiveRestoration
{
    /// <summary>Looks before continue-as-new: most of two days at an hour each, or a million packs' batches in a few generations.</summary>
    public const int LooksPerGeneration = 40;

    private const int RoundsMax = 10;

    /// <summary>Runs it.</summary>
    [Function(nameof(ArchiveRestoration))]
    public static async Task<RestoreOutcome?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, ArchiveRun run)
    {
        var request = run.Request;
        run = run with { BeganAt = run.BeganAt ?? context.CurrentUtcDateTime };
        RestoreEnding? ending;
        try
        {
            var opened = await context.CallActivityAsync<RestoreOutcome>(nameof(OpenRestore), request.Restore, RetryPolicies.Catalog);        // (1)
            if (opened.State is not "running")
            {
                return opened;
            }

            Task stop = run.IsCancelRequested ? Task.CompletedTask : context.WaitForExternalEvent<string>(AgentJob.CancelEvent);
            (ending, run) = await BringBackAsync(context, run, stop);
            if (ending is null)
            {
                context.ContinueAsNew(run with { IsCancelRequested = stop.IsCompleted });
                return null;
            }
        }
        catch (TaskFailedException e)
        {
            ending = new RestoreEnding { Restore = request.Id, State = "failed", Reason = JobFailure.Of(e) };
        }

        return await context.CallActivityAsync<RestoreOutcome>(nameof(EndArchiveRestore), new ArchiveEnding(request, ending), RetryPolicies.Catalog);    // (6)
    }

    /// <summary>Null when it goes on in another generation.</summary>
    private static async Task<(RestoreEnding? Ending, ArchiveRun Run)> BringBackAsync(TaskOrchestrationContext context, ArchiveRun run, Task stop)
    {
        var request = run.Request;
        var isFiles = request.Restore.Task is { Kind: "files", Discard: false };
        for (var i = 0; i < LooksPerGeneration; i++)
        {
            if (stop.IsCompleted)
            {
                return (Over(request, "cancelled", Cancelled), run);
            }

            var look = await context.CallActivityAsync<ArchiveLook>(nameof(AdvanceRehydration), request.Id, RetryPolicies.Catalog);           // (2)
            if (look.IsCancelRequested)
            {
                return (Over(request, "cancelled", Cancelled), run);
            }

            var total = look.Ready + look.Requested + look.Left;
            if (look is { Problem: { } problem, IsTransient: false })
            {
                return (Over(request, "failed", problem), run);
            }

            if (look.Problem is null && look.Ready == total)
            {
                var job = await RestoreAsync(context, run, ArchiveReading.All, stop);                                                         // (5)
                return (RestoreAsset.Judge(request.Restore, job), run);
            }

            if (context.CurrentUtcDateTime - run.BeganAt > ArchivePatience.WaitMax)
            {
                return (Over(request, "failed", new JobFailure(
                    ReasonCodes.TookTooLong, $"{look.Ready} of {total} packs were ready after {ArchivePatience.WaitMax.TotalHours:0} hours.",
                    "What was brought back stays for a while: plan the restore again, and look at the storage account.")), run);
            }

            run = look.Ready > run.PacksReady ? run with { IdleLooks = 0, PacksReady = look.Ready } : run with { IdleLooks = run.IdleLooks + 1 };
            if (look is { Left: > 0, Problem: null })
            {
                continue;
            }

            if (isFiles && run.Round < RoundsMax && look.Ready - run.PacksRestored > total / 10)
            {
                var part = await RestoreAsync(context, run, ArchiveReading.Ready, stop);                                                      // (4) a failure is told by (5)
                run = run with { Round = run.Round + 1, PacksRestored = look.Ready };
                if (part.Report?.Restore is { } restored)
                {
                    await context.CallActivityAsync<int>(nameof(NoteArchiveFiles), new ArchiveFiles(request.Id, restored.FilesRestored), RetryPolicies.Catalog);
                }
            }

            var wait = (long)request.Patience.PollMilliseconds * Math.Min(1 << Math.Min(run.IdleLooks, 10), ArchivePatience.PollFactorMax);
            await WaitAsync(context, TimeSpan.FromMilliseconds(wait), stop);                                                                  // (3)
        }

        return (null, run);
    }

    private static async Task<JobOutcome> RestoreAsync(TaskOrchestrationContext context, ArchiveRun run, ArchiveReading reading, Task stop)
    {
        var (request, step) = (run.Request, reading is ArchiveReading.All ? "all" : $"part-{run.Round}");
        var jobId = InstanceIds.ArchiveJob(request.Id, step);
        var job = context.CallSubOrchestratorAsync<JobOutcome>(
            nameof(AgentJob),
            new AgentJobRequest
            {
                Agent = request.Restore.Agent,
                OrderKey = $"{request.Id}/{step}",
                Task = new AgentTask { Restore = request.Restore.Task with { Archive = reading.ToString() } },
                Patience = request.Restore.Patience,
            },
            new SubOrchestrationOptions(instanceId: jobId));
        await Task.WhenAny(job, stop);
        if (!job.IsCompleted)
        {
            context.SendEvent(jobId, AgentJob.CancelEvent, "archive restore");
        }

        return await job;
    }

    private static async Task WaitAsync(TaskOrchestrationContext context, TimeSpan wait, Task stop)
    {
        using var over = new CancellationTokenSource();
        var timer = context.CreateTimer(wait, over.Token);
        await Task.WhenAny(timer, stop);
        if (!timer.IsCompleted)
        {
            // Not awaited as CancelAsync: that ends on a pool thread, where an orchestration must never go on.
            over.Cancel();
        }
    }

    private static JobFailure Cancelled { get; } = new(
        "cancelled", "The restore was cancelled while packs were brought back from the archive.", "What is restored stays in its target, and copies of packs for a while: planning it again costs less.");

    private static RestoreEnding Over(ArchiveRequest request, string state, JobFailure reason) => new() { Restore = request.Id, State = state, Reason = reason };
}
