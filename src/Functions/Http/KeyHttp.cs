using Backup.AgentApi;
using Backup.Catalog.Agents;
using Backup.Functions.Keys;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of key changes; may be left out.</summary>
/// <param name="OverlapSeconds">How long old keys still count, 0 to 2,592,000 (30 days); a day unless given.</param>
public sealed record OverlapBody(int OverlapSeconds = KeyChange.OverlapSecondsDefault);

/// <summary>Rotation and revocation of keys. All of it needs the admin key, and all of it is safe to repeat.</summary>
/// <param name="policy">Knows the agents.</param>
/// <param name="orders">Asks the agents.</param>
/// <param name="store">Keeps what agents are known by.</param>
/// <param name="own">The control plane's keys.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class KeyHttp(PolicyDocument policy, KeyOrders orders, AgentKeyStore store, ControlPlaneKeys own, ILogger<KeyHttp> logger)
{
    private sealed record RevokedView(string Agent, string KeyId, bool IsNew);

    private sealed record OwnKeyView(string Id, string State, IReadOnlyList<string>? ConfirmedBy);

    private sealed record OwnKeysView(string Name, IReadOnlyList<OwnKeyView> Keys);

    private sealed record OutcomesView(string KeyId, bool AllDone, IReadOnlyList<KeyOutcome> Agents);

    /// <summary>Has an agent make a new key; both count until the overlap is over.</summary>
    [Function(nameof(PostAgentKeyRotation))]
    public Task<IResult> PostAgentKeyRotation([HttpTrigger(AuthorizationLevel.Admin, "post", Route = "agents/{name}/keys/rotate")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var agent = AgentHttp.Find(policy, name);
            var outcome = await orders.RotateAsync(agent.Name, await OverlapAsync(request, cancel).ConfigureAwait(false), "api", cancel).ConfigureAwait(false);
            return outcome.Done ? HttpAnswer.Ok(outcome) : HttpAnswer.Problem(StatusCodes.Status502BadGateway, outcome.Text!, outcome.Hint!);
        });

    /// <summary>Revokes an agent's key: no order goes to it any more, and its answers do not count.</summary>
    [Function(nameof(PostAgentKeyRevocation))]
    public Task<IResult> PostAgentKeyRevocation(
        [HttpTrigger(AuthorizationLevel.Admin, "post", Route = "agents/{name}/keys/{key}/revoke")] HttpRequest request, string name, string key, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var agent = AgentHttp.Find(policy, name);
            return HttpAnswer.Ok(new RevokedView(name, KeyOf(key), await store.RevokeAsync(agent.Name, KeyOf(key), "api", cancel).ConfigureAwait(false)));
        });

    /// <summary>The control plane's own keys, and which agents confirmed the next one.</summary>
    [Function(nameof(GetControlPlaneKeys))]
    public Task<IResult> GetControlPlaneKeys([HttpTrigger(AuthorizationLevel.Function, "get", Route = "control-plane/keys")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            List<OwnKeyView> keys = [new(own.Current.Public.KeyId.ToString(), "current", null)];
            if (own.Next is { } next)
            {
                var id = next.Public.KeyId.ToString();
                var confirmed = new List<string>();
                foreach (var agent in policy.Agents)
                {
                    if (await store.TrustsAsync(agent.Name, id, cancel).ConfigureAwait(false))
                    {
                        confirmed.Add(agent.Name.Value);
                    }
                }

                keys.Add(new OwnKeyView(id, "next", confirmed));
            }

            return HttpAnswer.Ok(new OwnKeysView(own.Current.Name, keys));
        });

    /// <summary>Announces the next key of the control plane (<c>ControlPlane:NextIdentityFile</c>) to every agent.</summary>
    [Function(nameof(PostControlPlaneKeyAnnouncement))]
    public Task<IResult> PostControlPlaneKeyAnnouncement([HttpTrigger(AuthorizationLevel.Admin, "post", Route = "control-plane/keys/announce")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            if (own.Next is not { } next)
            {
                throw HttpInput.Conflict("The control plane has no next key.", "Make one with 'backupctl identity new', name it in ControlPlane:NextIdentityFile, and restart the app.");
            }

            return Answer(next.Public.KeyId.ToString(), await orders.AnnounceAsync(await OverlapAsync(request, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false));
        });

    /// <summary>Has every agent distrust a key of the control plane. It must not be the only one.</summary>
    [Function(nameof(PostControlPlaneKeyRevocation))]
    public Task<IResult> PostControlPlaneKeyRevocation([HttpTrigger(AuthorizationLevel.Admin, "post", Route = "control-plane/keys/{key}/revoke")] HttpRequest request, string key, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => Answer(KeyOf(key), await orders.RevokeOwnAsync(KeyOf(key), cancel).ConfigureAwait(false)));

    private static HttpAnswer Answer(string keyId, IReadOnlyList<KeyOutcome> outcomes) => HttpAnswer.Ok(new OutcomesView(keyId, outcomes.All(o => o.Done), outcomes));

    private static string KeyOf(string text) =>
        text.Length == 32 && text.All(char.IsAsciiHexDigitLower) ? text : throw HttpInput.Bad("A key id is 32 lower-case hexadecimal digits.", "'backupctl agent show' and 'backupctl control-plane keys' list them.");

    private static async Task<TimeSpan> OverlapAsync(HttpRequest request, CancellationToken cancel)
    {
        var body = await HttpInput.OptionalBodyAsync<OverlapBody>(request, cancel).ConfigureAwait(false) ?? new OverlapBody();
        return body.OverlapSeconds is >= 0 and <= KeyChange.OverlapSecondsMax
            ? TimeSpan.FromSeconds(body.OverlapSeconds)
            : throw HttpInput.Bad($"\"overlapSeconds\" is a whole number from 0 to {KeyChange.OverlapSecondsMax}.", "Correct it or leave it out.");
    }
}
