using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Agents;

/// <summary>One job of an agent, from order to end. Backups, replications and restores all wait here.</summary>
/// <remarks>
/// (1) ask: submits the order when needed, then waits with a long poll (2) decide (3) wait by a durable timer and ask again.
/// After <see cref="QuestionsPerGeneration"/> questions it continues as new, so that a job of days has a short history.
/// </remarks>
public static class AgentJob
{
    /// <summary>Questions before continue-as-new: about half an hour of a working agent.</summary>
    public const int QuestionsPerGeneration = 90;

    /// <summary>Runs the job. A failure is an outcome; only a fault in this program throws.</summary>
    [Function(nameof(AgentJob))]
    public static async Task<JobOutcome?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, AgentJobRequest request)
    {
        var job = request;
        for (var question = 0; question < QuestionsPerGeneration; question++)
        {
            var says = await context.CallActivityAsync<AgentSays>(nameof(AskAgent), job);                 // (1)
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
            await context.CreateTimer(step.Wait, CancellationToken.None);                                 // (3)
        }

        context.ContinueAsNew(job);
        return null;
    }
}
