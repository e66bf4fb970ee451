using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Agents;

/// <summary>One job of an agent, from order to end. Backups, replications and restores all wait here.</summary>
/// <remarks>
/// (1) ask: submits the order when needed, then waits with a long poll (2) decide (3) wait by a durable timer and ask again.
/// The event <see cref="CancelEvent"/> has the agent told at once, also while a question is under way; the job's end is still what the agent
/// reports, which may be that it was done before. After <see cref="QuestionsPerGeneration"/> questions it continues as new, so that a job of days has a
/// short history.
/// </remarks>
public static class AgentJob
{
    /// <summary>Questions before continue-as-new: about an hour of a working agent.</summary>
    public const int QuestionsPerGeneration = 90;

    /// <summary>Raised by whoever wants the job stopped. Its payload says who.</summary>
    public const string CancelEvent = "cancel";

    /// <summary>Runs the job. A failure is an outcome; only a fault in this program throws.</summary>
    [Function(nameof(AgentJob))]
    public static async Task<JobOutcome?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, AgentJobRequest request)
    {
        var job = request;
        Task stop = job.IsCancelRequested ? Task.CompletedTask : context.WaitForExternalEvent<string>(CancelEvent);
        for (var question = 0; question < QuestionsPerGeneration; question++)
        {
            var ask = context.CallActivityAsync<AgentSays>(nameof(AskAgent), job);                        // (1)
            await Task.WhenAny(ask, stop);
            if (stop.IsCompleted)
            {
                job = job with { IsCancelRequested = true };
                await context.CallActivityAsync(nameof(CancelJob), job);
            }

            var says = await ask;
            context.SetCustomStatus(says.Report?.Progress);
            var step = JobProgression.Next(job, says, context.CurrentUtcDateTime);                        // (2)
            if (step.Cancel)
            {
                await context.CallActivityAsync(nameof(CancelJob), job);
            }

            if (step.Outcome is not null)
            {
                return step.Outcome;
            }

            job = step.Next;
            await WaitAsync(context, step.Wait, stop);                                                    // (3)
        }

        // A request to stop that came during the last wait was delivered to this generation: the next one has to be told.
        context.ContinueAsNew(job with { IsCancelRequested = stop.IsCompleted });
        return null;
    }

    private static async Task WaitAsync(TaskOrchestrationContext context, TimeSpan wait, Task stop)
    {
        using var over = new CancellationTokenSource();
        var timer = context.CreateTimer(wait, over.Token);
        if (stop.IsCompleted)
        {
            await timer;
            return;
        }

        await Task.WhenAny(timer, stop);
        if (!timer.IsCompleted)
        {
            // Not awaited as CancelAsync: that ends on a pool thread, where an orchestration must never go on.
            over.Cancel();
        }
    }
}
