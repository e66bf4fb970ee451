using Backup.AgentApi;
using Backup.Catalog.Agents;
using Backup.Functions.Agents;
using Backup.Policy;

namespace Backup.Functions.Keys;

/// <summary>How one agent answered a change of keys.</summary>
/// <param name="Agent">The agent.</param>
/// <param name="Done">It confirmed.</param>
/// <param name="Text">What it said otherwise.</param>
/// <param name="Hint">What to do about it.</param>
public sealed record KeyOutcome(string Agent, bool Done, string? Text = null, string? Hint = null)
{
    /// <summary>The agent's new key, when it made one.</summary>
    public string? KeyId { get; init; }
}

/// <summary>Changes of keys that need the agents. Each is safe to repeat until every agent has confirmed.</summary>
/// <param name="policy">Knows the agents.</param>
/// <param name="link">The way to them.</param>
/// <param name="store">Remembers what they confirmed.</param>
/// <param name="own">The control plane's keys.</param>
/// <param name="choice">Knows the agents' keys.</param>
public sealed class KeyOrders(PolicyDocument policy, IAgentLink link, AgentKeyStore store, ControlPlaneKeys own, KeyChoice choice)
{
    /// <summary>Has an agent make a new key, and pins it.</summary>
    public async Task<KeyOutcome> RotateAsync(AgentName agent, TimeSpan overlap, string actor, CancellationToken cancel)
    {
        string replaces;
        try
        {
            replaces = (await choice.AgentAsync(agent, cancel).ConfigureAwait(false)).KeyId.ToString();
        }
        catch (AgentApiException e)
        {
            return new KeyOutcome(agent.Value, false, e.Message.Split('\n')[0], e.Hint);
        }

        var reply = await link.SendAsync(agent, OrderId.NewRandom(), new RotateAgentKey { Replaces = replaces, OverlapSeconds = (int)overlap.TotalSeconds }, cancel).ConfigureAwait(false);
        if (reply.Answer is not { } answer)
        {
            return NotDone(agent, reply);
        }

        var made = PublicIdentity.Parse(answer.Identity);
        if (made.Name != agent.Value)
        {
            return new KeyOutcome(agent.Value, false, "The agent's new key has another name.", "Compare the agent's configuration with the policy.");
        }

        return await store.PinNextAsync(agent, made.KeyId.ToString(), made.Export(), overlap, actor, cancel).ConfigureAwait(false)
            ? new KeyOutcome(agent.Value, true) { KeyId = made.KeyId.ToString() }
            : new KeyOutcome(agent.Value, false, "The agent's new key was revoked before.", "Enrol the agent again.");
    }

    /// <summary>Announces the control plane's next key to every agent of the policy.</summary>
    /// <returns>Empty when there is no next key.</returns>
    public async Task<IReadOnlyList<KeyOutcome>> AnnounceAsync(TimeSpan overlap, CancellationToken cancel) => own.Next is not { } next ? [] : await EachAsync(async agent =>
    {
        var order = new TrustControlPlaneKey { Identity = next.Public.Export(), OverlapSeconds = (int)overlap.TotalSeconds };
        var reply = await link.SendAsync(agent, OrderId.NewRandom(), order, cancel).ConfigureAwait(false);
        if (reply.Answer is null)
        {
            return NotDone(agent, reply);
        }

        await store.ConfirmTrustAsync(agent, next.Public.KeyId.ToString(), cancel).ConfigureAwait(false);
        return new KeyOutcome(agent.Value, true);
    }).ConfigureAwait(false);

    /// <summary>Has every agent of the policy distrust a key of the control plane, signed with another.</summary>
    public Task<IReadOnlyList<KeyOutcome>> RevokeOwnAsync(string keyId, CancellationToken cancel) => EachAsync(async agent =>
    {
        var reply = await link.SendAsync(agent, OrderId.NewRandom(), new RevokeControlPlaneKey { KeyId = keyId }, cancel).ConfigureAwait(false);
        return reply.Answer is null ? NotDone(agent, reply) : new KeyOutcome(agent.Value, true);
    });

    private static KeyOutcome NotDone<TAnswer>(AgentName agent, AgentReply<TAnswer> reply)
        where TAnswer : class => new(agent.Value, false, reply.Failure!.Text, reply.Failure.Hint);

    private async Task<IReadOnlyList<KeyOutcome>> EachAsync(Func<AgentName, Task<KeyOutcome>> ask) =>
        await Task.WhenAll(policy.Agents.Select(a => ask(a.Name))).ConfigureAwait(false);
}
