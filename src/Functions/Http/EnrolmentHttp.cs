using System.Text;
using Backup.AgentApi;
using Backup.Catalog.Agents;
using Backup.Functions.Keys;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/agents/{name}/enrolment</c>; may be left out.</summary>
/// <param name="Minutes">How long the code counts, 1 to 1440; 60 unless given.</param>
public sealed record EnrolmentBody(int Minutes = 60);

/// <summary>Enrolment of agents. The two functions that agents call are anonymous: the sealed request is what they are judged by.</summary>
/// <param name="policy">Knows the agents.</param>
/// <param name="own">The control plane's keys.</param>
/// <param name="store">Keeps invitations and pinned keys.</param>
/// <param name="clock">Ends codes.</param>
/// <param name="logger">Hears of enrolments.</param>
public sealed class EnrolmentHttp(PolicyDocument policy, ControlPlaneKeys own, AgentKeyStore store, TimeProvider clock, ILogger<EnrolmentHttp> logger)
{
    /// <summary>The longest life of a code: a code that is not used on the day it was asked for is better made anew.</summary>
    public const int MinutesMax = 1440;

    private sealed record CodeView(string Agent, string Code, DateTimeOffset ExpiresAt);

    /// <summary>Makes a one-time code for an agent. The code is in the answer only; the catalog keeps a hash. Needs the admin key.</summary>
    [Function(nameof(PostAgentEnrolment))]
    public Task<IResult> PostAgentEnrolment([HttpTrigger(AuthorizationLevel.Admin, "post", Route = "agents/{name}/enrolment")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var agent = AgentHttp.Find(policy, name);
            var body = await HttpInput.OptionalBodyAsync<EnrolmentBody>(request, cancel).ConfigureAwait(false) ?? new EnrolmentBody();
            if (body.Minutes is < 1 or > MinutesMax)
            {
                throw HttpInput.Bad($"\"minutes\" is a whole number from 1 to {MinutesMax}.", "Correct it or leave it out.");
            }

            var code = EnrolmentCode.Create(own.Current.Public);
            var expires = clock.GetUtcNow().AddMinutes(body.Minutes);
            await store.InviteAsync(agent.Name, code.Id, code.SecretHash, expires, "api", cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new CodeView(agent.Name.Value, code.Reveal(), expires));
        });

    /// <summary>The control plane's public identity, which the code's holder compares with the code.</summary>
    [Function(nameof(GetEnrolment))]
    public Task<IResult> GetEnrolment([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "enrolment")] HttpRequest request) =>
        Task.FromResult(Results.Bytes(Encoding.UTF8.GetBytes(own.Current.Public.Export()), "text/plain; charset=utf-8"));

    /// <summary>A sealed request in, a sealed welcome out.</summary>
    [Function(nameof(PostEnrolment))]
    public async Task<IResult> PostEnrolment([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "enrolment")] HttpRequest request, CancellationToken cancel)
    {
        byte[] welcome = [];
        var problem = await HttpAnswer.GuardAsync(request, logger, async () =>
        {
            try
            {
                var bytes = await HttpInput.BytesAsync(request, SealingLimits.EnrolmentBytesMax, cancel).ConfigureAwait(false);
                var asked = OpenedEnrolment.Open(own.Current, bytes);
                var verdict = await store.EnrolAsync(asked.Id, asked.SecretHash, asked.Agent.Name, asked.Agent.KeyId.ToString(), asked.Agent.Export(), cancel).ConfigureAwait(false);
                Log.EnrolmentAsked(logger, asked.Id, verdict);
                if (verdict == EnrolmentVerdict.Enrolled)
                {
                    welcome = asked.SealWelcome(own.Public());
                }

                return Problem(verdict, asked.Agent.Name);
            }
            catch (AgentApiException e)
            {
                return HttpAnswer.Problem(StatusCodes.Status400BadRequest, e.Message.Split('\n')[0], e.Hint);
            }
        }).ConfigureAwait(false);
        return welcome.Length > 0 ? Results.Bytes(welcome, "application/octet-stream") : problem;
    }

    private static HttpAnswer Problem(EnrolmentVerdict verdict, string agent) => verdict switch
    {
        EnrolmentVerdict.Expired => Forbidden("The enrolment code has expired.", AskAnew(agent)),
        EnrolmentVerdict.Used => Forbidden("The enrolment code was used already, by another key.", AskAnew(agent) + " If nobody of yours used this one, revoke the key that it let in: 'backupctl agent show' names it."),
        EnrolmentVerdict.WrongAgent => Forbidden("The enrolment code is for an agent of another name.", $"This agent calls itself \"{agent}\": correct its configuration, or use a code of 'backupctl agent invite {agent}'."),
        EnrolmentVerdict.RevokedKey => Forbidden("This agent's key was revoked.", "Run the enrolment with --replace: it makes a new key."),
        _ => Forbidden("The enrolment code is wrong.", AskAnew(agent)),
    };

    private static string AskAnew(string agent) => $"Ask for a new code: 'backupctl agent invite {agent}'.";

    private static HttpAnswer Forbidden(string title, string hint) => HttpAnswer.Problem(StatusCodes.Status403Forbidden, title, hint);
}
