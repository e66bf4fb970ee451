using Backup.AgentApi;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Agents;

/// <summary>Asks an agent for a job: gives the order if it has none, then waits a little for the end.</summary>
/// <param name="link">The way to the agent.</param>
/// <param name="orders">Makes orders, with fresh credentials inside.</param>
public sealed class AskAgent(IAgentLink link, OrderWriter orders)
{
    /// <summary>Seconds that the agent may hold the question: under <see cref="JobQuery.WaitSecondsMax"/>, so that a slow relay still delivers.</summary>
    public const int WaitSeconds = 45;

    /// <summary>Safe to repeat: the order id makes a repetition the same job.</summary>
    [Function(nameof(AskAgent))]
    public async Task<AgentSays> RunAsync([ActivityTrigger] AgentJobRequest job, CancellationToken cancel)
    {
        if (!job.IsAccepted && await SubmitAsync(job, cancel).ConfigureAwait(false) is { } notAccepted)
        {
            return notAccepted;
        }

        var says = await QueryAsync(job, cancel).ConfigureAwait(false);
        if (says.Report?.State is not JobState.Unknown)
        {
            return says;
        }

        // The agent has lost its journal, or another agent took its place: the order is given again, under the same id.
        return await SubmitAsync(job, cancel).ConfigureAwait(false) ?? await QueryAsync(job, cancel).ConfigureAwait(false);
    }

    private static AgentSays Unanswered<TAnswer>(AgentReply<TAnswer> reply)
        where TAnswer : class =>
        new() { Kind = reply.Silence is null ? AgentSaysKind.Refused : AgentSaysKind.Silent, Failure = reply.Failure, IsTransient = reply.IsTransient };

    /// <summary>Null when the agent has the order.</summary>
    private async Task<AgentSays?> SubmitAsync(AgentJobRequest job, CancellationToken cancel)
    {
        JobOrder order;
        try
        {
            order = await orders.WriteAsync(new AgentName(job.Agent), job.Task, job.ClassPriority, cancel).ConfigureAwait(false);
        }
        catch (ControlPlaneException e)
        {
            return new AgentSays { Kind = AgentSaysKind.Refused, Failure = new JobFailure(ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint), IsTransient = e.IsTransient };
        }

        var reply = await link.SendAsync(new AgentName(job.Agent), job.OrderId(), order, cancel).ConfigureAwait(false);
        return reply.Answer is null ? Unanswered(reply) : null;
    }

    private async Task<AgentSays> QueryAsync(AgentJobRequest job, CancellationToken cancel)
    {
        var query = new JobQuery { OrderId = job.OrderId(), WaitSeconds = WaitSeconds };
        var reply = await link.SendAsync(new AgentName(job.Agent), OrderId.NewRandom(), query, cancel).ConfigureAwait(false);
        return reply.Answer is { } report
            ? new AgentSays { Kind = report.State.IsFinal() ? AgentSaysKind.Ended : AgentSaysKind.Working, Report = report }
            : Unanswered(reply);
    }
}

/// <summary>Tells an agent to stop a job that nobody waits for any more.</summary>
/// <param name="link">The way to the agent.</param>
public sealed class CancelJob(IAgentLink link)
{
    /// <summary>Safe to repeat. That the agent cannot be reached changes nothing: the job's outcome is recorded already.</summary>
    /// <returns>True when the agent confirmed.</returns>
    [Function(nameof(CancelJob))]
    public async Task<bool> RunAsync([ActivityTrigger] AgentJobRequest job, CancellationToken cancel)
    {
        var reply = await link.SendAsync(new AgentName(job.Agent), OrderId.NewRandom(), new CancelOrder { OrderId = job.OrderId() }, cancel).ConfigureAwait(false);
        return reply.Answer is not null;
    }
}
