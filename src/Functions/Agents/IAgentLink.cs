using Backup.AgentApi;
using Backup.Policy;

namespace Backup.Functions.Agents;

/// <summary>The way to an agent and back. Implementations are safe to use from several threads.</summary>
public interface IAgentLink
{
    /// <summary>
    /// Sends one order and reads the answer. Repeating it with the same order id is always safe. Whatever the way or the agent
    /// does is in the reply, never thrown; only cancellation throws.
    /// </summary>
    Task<AgentReply<TAnswer>> SendAsync<TAnswer>(AgentName agent, OrderId id, OrderPayload<TAnswer> order, CancellationToken cancel)
        where TAnswer : class;
}

/// <summary>What became of an order: exactly one of the three is set.</summary>
/// <param name="Answer">The agent's answer, proven to be its own.</param>
/// <param name="Refusal">The agent will not do it.</param>
/// <param name="Silence">No answer came; the agent may or may not have acted.</param>
public sealed record AgentReply<TAnswer>(TAnswer? Answer, Failure? Refusal, AgentSilence? Silence)
    where TAnswer : class
{
    /// <summary>Why there is no answer, as it is told; null when there is one.</summary>
    public JobFailure? Failure => Refusal is { } refusal ? JobProgression.Translate(refusal)
        : Silence is { } silence ? new JobFailure(ReasonCodes.AgentUnreachable, silence.Text, silence.Hint)
        : null;

    /// <summary>There is no answer, and asking again later may help.</summary>
    public bool IsTransient => Refusal is { IsTransient: true } || Silence is { IsTransient: true };
}

/// <summary>Why no answer came.</summary>
/// <param name="Text">What happened, for people.</param>
/// <param name="Hint">What to do about it.</param>
/// <param name="IsTransient">Asking again later may help.</param>
public sealed record AgentSilence(string Text, string Hint, bool IsTransient);
