using Backup.AgentApi;
using Backup.Catalog.Agents;
using Backup.Functions.Agents;
using Backup.Functions.Keys;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>Agents over HTTP: how they are, what they have, what they log.</summary>
/// <param name="policy">Knows the agents.</param>
/// <param name="link">The way to them.</param>
/// <param name="keys">What they are known by.</param>
/// <param name="choice">Knows who is known by a file.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class AgentHttp(PolicyDocument policy, IAgentLink link, AgentKeyStore keys, KeyChoice choice, ILogger<AgentHttp> logger)
{
    private sealed record KeyView(string Id, string State, DateTimeOffset? PinnedAt, DateTimeOffset? AcceptUntil);

    private sealed record ProblemView(string Text, string Hint);

    private sealed record AgentView(string Name, string Site, bool IsAnswering, ProblemView? Problem, AgentHealth? Health, AgentInventory? Inventory, IReadOnlyList<KeyView> Keys);

    private sealed record AgentsView(IReadOnlyList<AgentView> Items);

    /// <summary>Every agent of the policy, each asked for its health now.</summary>
    [Function(nameof(GetAgents))]
    public Task<IResult> GetAgents([HttpTrigger(AuthorizationLevel.Function, "get", Route = "agents")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
            HttpAnswer.Ok(new AgentsView(await Task.WhenAll(policy.Agents.Select(a => ViewAsync(a, withInventory: false, cancel))).ConfigureAwait(false))));

    /// <summary>One agent: health, inventory and keys.</summary>
    [Function(nameof(GetAgent))]
    public Task<IResult> GetAgent([HttpTrigger(AuthorizationLevel.Function, "get", Route = "agents/{name}")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(await ViewAsync(Find(policy, name), withInventory: true, cancel).ConfigureAwait(false)));

    /// <summary>The newest lines of an agent's log; <c>?lines=&amp;order=</c>.</summary>
    [Function(nameof(GetAgentLog))]
    public Task<IResult> GetAgentLog([HttpTrigger(AuthorizationLevel.Function, "get", Route = "agents/{name}/log")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var agent = Find(policy, name);
            var query = new LogQuery { Lines = HttpInput.Number(request, "lines", 1, LogQuery.LinesMax) ?? 100, OrderId = HttpInput.Order(request, "order") };
            var reply = await link.SendAsync(agent.Name, OrderId.NewRandom(), query, cancel).ConfigureAwait(false);
            return reply.Answer is { } tail ? HttpAnswer.Ok(tail) : NoAnswer(reply);
        });

    internal static Agent Find(PolicyDocument policy, string name) =>
        policy.FindAgent(new AgentName(name)) ?? throw HttpInput.NotFound($"There is no agent \"{name}\" in the policy.", "'backupctl agent list' lists them.");

    private static HttpAnswer NoAnswer<TAnswer>(AgentReply<TAnswer> reply)
        where TAnswer : class =>
        HttpAnswer.Problem(reply.Silence is null ? StatusCodes.Status502BadGateway : StatusCodes.Status504GatewayTimeout, reply.Failure!.Text, reply.Failure.Hint);

    private async Task<AgentView> ViewAsync(Agent agent, bool withInventory, CancellationToken cancel)
    {
        var known = await keys.ListAsync(agent.Name, cancel).ConfigureAwait(false);
        var health = await link.SendAsync(agent.Name, OrderId.NewRandom(), new HealthQuery(), cancel).ConfigureAwait(false);
        var inventory = withInventory && health.Answer is not null
            ? await link.SendAsync(agent.Name, OrderId.NewRandom(), new InventoryQuery(), cancel).ConfigureAwait(false)
            : null;
        var problem = health.Failure is { } failure ? new ProblemView(failure.Text, failure.Hint) : null;
        return new AgentView(
            agent.Name.Value, agent.Site.Value, health.Answer is not null, problem, health.Answer, inventory?.Answer,
            [.. known.Select(k => new KeyView(k.KeyId, k.State, k.PinnedAt, k.AcceptUntil)), .. ByHand(agent.Name, known)]);
    }

    /// <summary>The key of a file, where it is the one that counts.</summary>
    private IEnumerable<KeyView> ByHand(AgentName agent, IReadOnlyList<CatalogAgentKey> known)
    {
        try
        {
            return choice.PinnedByHand(agent) is { } pinned && known.All(k => k.State != "current" && k.KeyId != pinned.KeyId.ToString())
                ? [new KeyView(pinned.KeyId.ToString(), "file", null, null)]
                : [];
        }
        catch (AgentApiException)
        {
            // The health question fails for the same reason, and its problem says so.
            return [];
        }
    }
}
