using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Restores;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Archive;

/// <summary>A restore from an archive tier, once its plan was started, of one recovery point or of a group's, in the group's order. The instance id is the archive restore's id.</summary>
/// <remarks>
/// (1) open the restores (2) ask for packs, a batch at a time, and look what is ready (3) wait by a durable timer, longer each time nothing new was ready (4) of files: restore
/// what is ready, whenever a tenth of all packs has come since (5) when all of the next member is ready, restore it; this verifies what was there before (6) close the restores, keep
/// the copies for a while. The event <see cref="AgentJob.CancelEvent"/> stops it wherever it is. After <see cref="LooksPerGeneration"/> looks it continues as new.
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
        RestoreEnding[]? endings;
        try
        {
            foreach (var restore in request.Restores.Skip(run.Endings.Length))
            {
                var opened = await context.CallActivityAsync<RestoreOutcome>(nameof(OpenRestore), restore, RetryPolicies.Catalog);            // (1)
                if (opened.State is not "running")
                {
                    return opened;
                }
            }

            Task stop = run.IsCancelRequested ? Task.CompletedTask : context.WaitForExternalEvent<string>(AgentJob.CancelEvent);
            (endings, run) = await BringBackAsync(context, run, stop);
            if (endings is null)
            {
                context.ContinueAsNew(run with { IsCancelRequested = stop.IsCompleted });
                return null;
            }
        }
        catch (TaskFailedException e)
        {
            endings = Over(run, "failed", JobFailure.Of(e));
        }

        return await context.CallActivityAsync<RestoreOutcome>(nameof(EndArchiveRestore), new ArchiveEnding(request, endings), RetryPolicies.Catalog);    // (6)
    }

    /// <summary>How every restore ended; null when it goes on in another generation.</summary>
    private static async Task<(RestoreEnding[]? Endings, ArchiveRun Run)> BringBackAsync(TaskOrchestrationContext context, ArchiveRun run, Task stop)
    {
        var request = run.Request;
        var restores = request.Restores;
        for (var i = 0; i < LooksPerGeneration; i++)
        {
            if (stop.IsCompleted)
            {
                return (Over(run, "cancelled", Cancelled), run);
            }

            var look = await context.CallActivityAsync<ArchiveLook>(nameof(AdvanceRehydration), request.Id, RetryPolicies.Catalog);           // (2)
            if (look.IsCancelRequested)
            {
                return (Over(run, "cancelled", Cancelled), run);
            }

            if (look is { Problem: { } problem, IsTransient: false })
            {
                return (Over(run, "failed", problem), run);
            }

            var ready = look.Problem is not null ? 0 : look.Ready == look.Total ? restores.Length : look.MembersReady;
            while (run.Endings.Length < ready && !stop.IsCompleted)
            {
                run = run with { Endings = [.. run.Endings, await RestoreWholeAsync(context, run, restores[run.Endings.Length], stop)] };     // (5)
            }

            if (run.Endings.Length == restores.Length)
            {
                return (run.Endings, run);
            }

            if (context.CurrentUtcDateTime - run.BeganAt > ArchivePatience.WaitMax)
            {
                return (Over(run, "failed", new JobFailure(
                    ReasonCodes.TookTooLong, $"{look.Ready} of {look.Total} packs were ready after {ArchivePatience.WaitMax.TotalHours:0} hours.",
                    "What was brought back stays for a while: plan the restore again, and look at the storage account.")), run);
            }

            run = look.Ready > run.PacksReady ? run with { IdleLooks = 0, PacksReady = look.Ready } : run with { IdleLooks = run.IdleLooks + 1 };
            if (look is { Left: > 0, Problem: null })
            {
                continue;
            }

            if (run.Round < RoundsMax && look.Ready - run.PacksRestored > look.Total / 10)
            {
                run = await RestorePartsAsync(context, run, look.Ready, stop);                                                                // (4)
            }

            var wait = (long)request.Patience.PollMilliseconds * Math.Min(1 << Math.Min(run.IdleLooks, 10), ArchivePatience.PollFactorMax);
            await WaitAsync(context, TimeSpan.FromMilliseconds(wait), stop);                                                                  // (3)
        }

        return (null, run);
    }

    private static async Task<RestoreEnding> RestoreWholeAsync(TaskOrchestrationContext context, ArchiveRun run, RestoreRequest restore, Task stop)
    {
        try
        {
            return RestoreAsset.Judge(restore, await RestoreAsync(context, run, restore, ArchiveReading.All, stop));
        }
        catch (TaskFailedException e) when (run.Request.Others.Length > 0)
        {
            // The other members are wanted all the same.
            return new RestoreEnding { Restore = restore.Task.Restore, State = "failed", Reason = JobFailure.Of(e) };
        }
    }

    /// <summary>Of the members that are files and not whole yet, what is ready. A failure is told when they are restored whole.</summary>
    private static async Task<ArchiveRun> RestorePartsAsync(TaskOrchestrationContext context, ArchiveRun run, int packsReady, Task stop)
    {
        var files = run.Endings.Sum(e => e.Result?.FilesRestored ?? 0);
        var parts = run.Request.Restores.Skip(run.Endings.Length).Where(r => r.Task is { Kind: "files", Discard: false }).ToArray();
        if (parts.Length == 0)
        {
            return run;
        }

        foreach (var restore in parts)
        {
            var part = await RestoreAsync(context, run, restore, ArchiveReading.Ready, stop);
            files += part.Report?.Restore?.FilesRestored ?? 0;
        }

        await context.CallActivityAsync<int>(nameof(NoteArchiveFiles), new ArchiveFiles(run.Request.Id, files), RetryPolicies.Catalog);
        return run with { Round = run.Round + 1, PacksRestored = packsReady };
    }

    private static async Task<JobOutcome> RestoreAsync(TaskOrchestrationContext context, ArchiveRun run, RestoreRequest restore, ArchiveReading reading, Task stop)
    {
        var step = reading is ArchiveReading.All ? "all" : $"part-{run.Round}";
        var jobId = InstanceIds.ArchiveJob(restore.Task.Restore, step);
        var job = context.CallSubOrchestratorAsync<JobOutcome>(
            nameof(AgentJob),
            new AgentJobRequest
            {
                Agent = restore.Agent,
                OrderKey = $"{restore.Task.Restore}/{step}",
                Task = new AgentTask { Restore = restore.Task with { Archive = reading.ToString() } },
                Patience = restore.Patience,
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

    /// <summary>The members that were restored whole stay so; the others end like this.</summary>
    private static RestoreEnding[] Over(ArchiveRun run, string state, JobFailure reason) =>
        [.. run.Endings, .. run.Request.Restores.Skip(run.Endings.Length).Select(r => new RestoreEnding { Restore = r.Task.Restore, State = state, Reason = reason })];
}
