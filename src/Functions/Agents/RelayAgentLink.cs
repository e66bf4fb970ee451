using Backup.AgentApi;
using Backup.Catalog;
using Backup.Functions.Keys;
using Backup.Policy;
using Backup.Relay;

namespace Backup.Functions.Agents;

/// <summary>Sealed orders through the relay.</summary>
/// <param name="policy">Knows each agent's path.</param>
/// <param name="keys">Knows whose keys count now.</param>
/// <param name="relay">Carries them.</param>
public sealed class RelayAgentLink(PolicyDocument policy, KeyChoice keys, RelaySender relay) : IAgentLink
{
    private const string OrdersPath = "/v1/orders";
    private const int StatusOk = 200;
    private const int StatusServerFault = 500;
    private const int StatusTooMany = 429;

    /// <inheritdoc/>
    public async Task<AgentReply<TAnswer>> SendAsync<TAnswer>(AgentName agent, OrderId id, OrderPayload<TAnswer> order, CancellationToken cancel)
        where TAnswer : class
    {
        if (policy.FindAgent(agent) is not { } entry)
        {
            return Silent<TAnswer>($"Agent {agent} is not in the policy.", "Put it back, or back the asset up with another agent.", isTransient: false);
        }

        try
        {
            var identity = await keys.AgentAsync(agent, cancel).ConfigureAwait(false);
            var sealer = await keys.SealerAsync(agent, cancel).ConfigureAwait(false);
            var request = sealer.Seal(identity, id, order);
            var call = new RelayCall { Suffix = OrdersPath, Body = request.Envelope, AnswerBytesMax = SealingLimits.AnswerBytesMax };
            return await relay.SendAsync(EntityPath.Parse(entry.RelayPath), call, cancel).ConfigureAwait(false) switch
            {
                RelayReply.Answered { StatusCode: StatusOk } when !await keys.StillCountsAsync(agent, identity.KeyId, cancel).ConfigureAwait(false) => Silent<TAnswer>(
                    $"The key of agent {agent} was revoked.", KeyChoice.Invite(agent), isTransient: false),
                RelayReply.Answered { StatusCode: StatusOk } answered => Open(sealer, request, answered),
                RelayReply.Answered { StatusCode: >= StatusServerFault or StatusTooMany } busy => Silent<TAnswer>(
                    $"Agent {agent} answered with status {busy.StatusCode}.", "It may be starting or stopping; see its log.", isTransient: true),
                RelayReply.Answered other => Silent<TAnswer>(
                    $"Agent {agent} could not open the order (status {other.StatusCode}).",
                    "The agent's log says why (\"not accepted\"): a clock that is more than ten minutes off, or identities that do not belong together.",
                    isTransient: false),
                RelayReply.NotDelivered lost => Silent<TAnswer>(Summary(lost.Failure), lost.Failure.Hint, lost.Failure.IsTransient),
                RelayReply.OutcomeUnknown unknown => Silent<TAnswer>(Summary(unknown.Failure), unknown.Failure.Hint, isTransient: true),
                var reply => throw new InvalidOperationException($"The relay sender answered {reply.GetType().Name}, which is new"),
            };
        }
        catch (CatalogException e)
        {
            return Silent<TAnswer>(e.Message.Split('\n')[0], e.Hint, e.IsTransient);
        }
        catch (AgentApiException e)
        {
            return Silent<TAnswer>(e.Message.Split('\n')[0], e.Hint, e.IsTransient);
        }
    }

    private static AgentReply<TAnswer> Silent<TAnswer>(string text, string hint, bool isTransient)
        where TAnswer : class => new(null, null, new AgentSilence(text, hint, isTransient));

    private static string Summary(RelayException e) => e.Message.Split('\n')[0];

    private static AgentReply<TAnswer> Open<TAnswer>(OrderSealer sealer, SealedOrder<TAnswer> request, RelayReply.Answered answered)
        where TAnswer : class
    {
        var answer = sealer.Open(request, answered.Body.Span);
        return new AgentReply<TAnswer>(answer.Value, answer.Refusal, null);
    }
}
