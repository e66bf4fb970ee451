using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Http;
using Backup.Functions.Keys;
using Backup.Functions.Tests.Scripted;
using Backup.Policy;
using Backup.Services.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Http;

/// <summary>Agents over HTTP: enrolment, keys, health, and stopping what they do.</summary>
public sealed class AgentHttpTests(PostgresFixture postgres)
{
    private static readonly AgentName Agent = new("lab-agent-1");

    [Fact]
    public async Task Enrolment_FromCodeToPinnedKeys_WorksOnceAndForTheSameAgentAgain()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var code = await InviteAsync(app);
        using var agent = PrivateIdentity.Create("lab-agent-1");
        var (status, welcome, request) = await EnrolAsync(app, code, agent);
        status.ShouldBe(200);
        request.OpenWelcome(welcome).Single().KeyId.ShouldBe(code.ControlPlane);
        (await KeyAsync(app)).KeyId.ShouldBe(agent.Public.KeyId);

        (await EnrolAsync(app, code, agent)).Status.ShouldBe(200);
        using var thief = PrivateIdentity.Create("lab-agent-1");
        await ShouldBeRefusedAsync(app, code, thief, "used already");
        (await KeyAsync(app)).KeyId.ShouldBe(agent.Public.KeyId);
        (await app.DumpAsync()).ShouldNotContain(code.Reveal()[10..30]);
        (await app.CountAsync("audit where action = 'agent.enrolled'")).ShouldBe(1);
    }

    [Fact]
    public async Task Enrolment_WrongExpiredAndForeignCodes_AreRefusedAndSaySo()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var app = await TestApp.StartAsync(postgres, configure: services => services.AddSingleton<TimeProvider>(clock));
        using var agent = PrivateIdentity.Create("lab-agent-1");
        using var other = PrivateIdentity.Create("lab-agent-2");
        await ShouldBeRefusedAsync(app, EnrolmentCode.Create(Own(app)), agent, "is wrong");
        var code = await InviteAsync(app, minutes: 10);
        await ShouldBeRefusedAsync(app, code, other, "of another name");
        clock.Advance(TimeSpan.FromMinutes(11));
        await ShouldBeRefusedAsync(app, code, agent, "has expired");
        (await app.CountAsync("agent_key")).ShouldBe(0);

        (await app.CallAsync(r => app.Function<EnrolmentHttp>().PostAgentEnrolment(r, "nobody", CancellationToken.None), "")).Status.ShouldBe(404);
        (await app.CallAsync(r => app.Function<EnrolmentHttp>().PostAgentEnrolment(r, "lab-agent-1", CancellationToken.None), new { minutes = 1441 })).Status.ShouldBe(400);
        (await PostAsync(app, [1, 2, 3])).Status.ShouldBe(400);
    }

    [Fact]
    public async Task RevokedAgentKey_GetsNoOrdersAndItsAnswersDoNotCount()
    {
        await using var app = await TestApp.StartAsync(postgres);
        using var agent = PrivateIdentity.Create("lab-agent-1");
        await EnrolAsync(app, await InviteAsync(app), agent);
        var choice = app.Services.GetRequiredService<KeyChoice>();
        (await choice.StillCountsAsync(Agent, agent.Public.KeyId, CancellationToken.None)).ShouldBeTrue();

        (await app.CallAsync(r => app.Function<KeyHttp>().PostAgentKeyRevocation(r, "lab-agent-1", agent.Public.KeyId.ToString(), CancellationToken.None))).Status.ShouldBe(200);

        (await choice.StillCountsAsync(Agent, agent.Public.KeyId, CancellationToken.None)).ShouldBeFalse();
        (await Should.ThrowAsync<AgentApiException>(() => KeyAsync(app))).Message.ShouldContain("no key that is not revoked");
        await ShouldBeRefusedAsync(app, await InviteAsync(app), agent, "key was revoked");
        using var fresh = PrivateIdentity.Create("lab-agent-1");
        (await EnrolAsync(app, await InviteAsync(app), fresh)).Status.ShouldBe(200);
        (await KeyAsync(app)).KeyId.ShouldBe(fresh.Public.KeyId);
        (await app.CallAsync(r => app.Function<KeyHttp>().PostAgentKeyRevocation(r, "lab-agent-1", "xyz", CancellationToken.None))).Status.ShouldBe(400);
    }

    [Fact]
    public async Task AgentKeyRotation_PinsTheNewKeyAndKeepsTheOldForTheOverlap()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var app = await TestApp.StartAsync(postgres, configure: services => services.AddSingleton<TimeProvider>(clock));
        using var agent = PrivateIdentity.Create("lab-agent-1");
        using var next = PrivateIdentity.Create("lab-agent-1");
        await EnrolAsync(app, await InviteAsync(app), agent);
        app.Agent.Keys = order => order is RotateAgentKey rotate && rotate.Replaces == agent.Public.KeyId.ToString() ? new AgentKey { Identity = next.Public.Export() } : null;

        (await app.CallAsync(r => app.Function<KeyHttp>().PostAgentKeyRotation(r, "lab-agent-1", CancellationToken.None), new { overlapSeconds = 60 })).Status.ShouldBe(200);

        var choice = app.Services.GetRequiredService<KeyChoice>();
        (await KeyAsync(app)).KeyId.ShouldBe(next.Public.KeyId);
        (await choice.StillCountsAsync(Agent, agent.Public.KeyId, CancellationToken.None)).ShouldBeTrue();
        clock.Advance(TimeSpan.FromSeconds(61));
        (await choice.StillCountsAsync(Agent, agent.Public.KeyId, CancellationToken.None)).ShouldBeFalse();
        (await choice.StillCountsAsync(Agent, next.Public.KeyId, CancellationToken.None)).ShouldBeTrue();
    }

    [Fact]
    public async Task ControlPlaneKeyRotation_SignsWithTheNextKeyOnceTheAgentConfirmed()
    {
        using var next = PrivateIdentity.Create("control-plane");
        using var current = PrivateIdentity.Create("control-plane");
        await using var app = await TestApp.StartAsync(postgres, configure: services => services.AddSingleton(new ControlPlaneKeys(current, next)));
        using var agent = PrivateIdentity.Create("lab-agent-1");
        (await SignerAsync(app, agent)).ShouldBe(current.Public.KeyId);
        app.Agent.GoSilent(1);
        var failed = await app.CallAsync(r => app.Function<KeyHttp>().PostControlPlaneKeyAnnouncement(r, CancellationToken.None), "");
        failed.Body.GetProperty("allDone").GetBoolean().ShouldBeFalse();
        (await SignerAsync(app, agent)).ShouldBe(current.Public.KeyId);

        app.Agent.Keys = order => order is TrustControlPlaneKey trust && PublicIdentity.Parse(trust.Identity).KeyId == next.Public.KeyId ? new TrustedKeys { KeyIds = [] } : null;
        (await app.CallAsync(r => app.Function<KeyHttp>().PostControlPlaneKeyAnnouncement(r, CancellationToken.None), "")).Body.GetProperty("allDone").GetBoolean().ShouldBeTrue();
        (await SignerAsync(app, agent)).ShouldBe(next.Public.KeyId);
        var own = (await app.CallAsync(r => app.Function<KeyHttp>().GetControlPlaneKeys(r, CancellationToken.None))).Body.GetProperty("keys");
        own.EnumerateArray().Select(k => (k.GetProperty("id").GetString(), k.GetProperty("state").GetString())).ShouldBe([(current.Public.KeyId.ToString(), "current"), (next.Public.KeyId.ToString(), "next")]);
        own[1].GetProperty("confirmedBy").EnumerateArray().Select(a => a.GetString()).ShouldBe(["lab-agent-1"]);

        // A new agent learns both keys at once.
        var (_, welcome, request) = await EnrolAsync(app, await InviteAsync(app), agent);
        request.OpenWelcome(welcome).Select(k => k.KeyId).ShouldBe([current.Public.KeyId, next.Public.KeyId]);
    }

    [Fact]
    public async Task PostControlPlaneKeyAnnouncement_WithoutANextKey_IsAConflict()
    {
        await using var app = await TestApp.StartAsync(postgres);
        (await app.CallAsync(r => app.Function<KeyHttp>().PostControlPlaneKeyAnnouncement(r, CancellationToken.None), "")).Status.ShouldBe(409);
    }

    [Fact]
    public async Task GetAgents_TellsWhoAnswersAndWhy()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var one = (await app.CallAsync(r => app.Function<AgentHttp>().GetAgent(r, "lab-agent-1", CancellationToken.None))).Body;
        (one.GetProperty("isAnswering").GetBoolean(), one.GetProperty("health").GetProperty("version").GetString()).ShouldBe((true, "1.2.3"));
        one.GetProperty("inventory").GetProperty("connections")[0].GetString().ShouldBe("voids");
        var log = await app.CallAsync(r => app.Function<AgentHttp>().GetAgentLog(r, "lab-agent-1", CancellationToken.None), query: "?lines=5&order=backup-1");
        log.Body.GetProperty("lines")[0].GetProperty("text").GetString().ShouldBe("5 lines about backup-1");
        (await app.CallAsync(r => app.Function<AgentHttp>().GetAgentLog(r, "lab-agent-1", CancellationToken.None), query: "?lines=0")).Status.ShouldBe(400);
        (await app.CallAsync(r => app.Function<AgentHttp>().GetAgent(r, "nobody", CancellationToken.None))).Status.ShouldBe(404);

        app.Agent.GoSilent(2);
        var silent = (await app.CallAsync(r => app.Function<AgentHttp>().GetAgents(r, CancellationToken.None))).Body.GetProperty("items")[0];
        (silent.GetProperty("isAnswering").GetBoolean(), silent.GetProperty("problem").GetProperty("hint").GetString()).ShouldBe((false, "Start the agent."));
        (await app.CallAsync(r => app.Function<AgentHttp>().GetAgentLog(r, "lab-agent-1", CancellationToken.None))).Status.ShouldBe(504);
    }

    [Fact]
    public async Task PostRunCancellation_OfARunAtItsAgent_EndsItAsCancelled()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = int.MaxValue;
        var id = InstanceIds.Backup("config", "s1");
        (await CancelAsync(app, id)).Status.ShouldBe(404);
        await app.Client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = "config", RequestedBy = "test" }, CancellationToken.None);
        HttpReply reply;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        do
        {
            limit.Token.ThrowIfCancellationRequested();
            reply = await CancelAsync(app, id);
        }
        while (reply.Status is 404 or 409);

        reply.Status.ShouldBe(202);
        var outcome = await app.OutcomeAsync<RunOutcome>(id);
        (outcome.State, outcome.Reason!.Code).ShouldBe(("cancelled", "cancelled"));
        (await CancelAsync(app, id)).Status.ShouldBe(409);
    }

    [Fact]
    public async Task PostRunCancellation_AgentIsAway_EndsTheRunWithoutIt()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.GoSilent(int.MaxValue);
        var id = InstanceIds.Backup("config", "s1");
        await app.Client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = "config", RequestedBy = "test" }, CancellationToken.None);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await CancelAsync(app, id)).Status != 202)
        {
            limit.Token.ThrowIfCancellationRequested();
        }

        (await app.OutcomeAsync<RunOutcome>(id)).State.ShouldBe("cancelled");
        app.Agent.JobCount.ShouldBe(0);
    }

    private static Task<HttpReply> CancelAsync(TestApp app, string id) => app.CallAsync(r => app.Function<BackupHttp>().PostRunCancellation(r, id, app.Client, CancellationToken.None));

    private static PublicIdentity Own(TestApp app) => app.Services.GetRequiredService<ControlPlaneKeys>().Current.Public;

    private static Task<PublicIdentity> KeyAsync(TestApp app) => app.Services.GetRequiredService<KeyChoice>().AgentAsync(Agent, CancellationToken.None);

    private static async Task<KeyId> SignerAsync(TestApp app, PrivateIdentity agent)
    {
        var own = app.Services.GetRequiredService<ControlPlaneKeys>();
        var sealer = await app.Services.GetRequiredService<KeyChoice>().SealerAsync(Agent, CancellationToken.None);
        var envelope = sealer.Seal(agent.Public, OrderId.NewRandom(), new HealthQuery()).Envelope;
        foreach (var candidate in own.Public())
        {
            try
            {
                return new OrderOpener(agent, candidate, TimeProvider.System).Open(envelope.Span).Sender.KeyId;
            }
            catch (AgentApiException e) when (e.Fault == AgentApiFault.UnknownSender)
            {
                // The other one, then.
            }
        }

        throw new InvalidOperationException("Signed by nobody known.");
    }

    private static async Task<EnrolmentCode> InviteAsync(TestApp app, int minutes = 60)
    {
        var reply = await app.CallAsync(r => app.Function<EnrolmentHttp>().PostAgentEnrolment(r, "lab-agent-1", CancellationToken.None), new { minutes });
        reply.Status.ShouldBe(200);
        return EnrolmentCode.Parse(reply.Text("code"));
    }

    private static async Task<(int Status, byte[] Answer, EnrolmentRequest Request)> EnrolAsync(TestApp app, EnrolmentCode code, PrivateIdentity agent)
    {
        var request = EnrolmentRequest.Create(code, Own(app), agent);
        var (status, answer) = await PostAsync(app, request.Envelope.ToArray());
        return (status, answer, request);
    }

    private static async Task ShouldBeRefusedAsync(TestApp app, EnrolmentCode code, PrivateIdentity agent, string says)
    {
        var (status, answer, _) = await EnrolAsync(app, code, agent);
        status.ShouldBe(403);
        System.Text.Encoding.UTF8.GetString(answer).ShouldContain(says);
    }

    private static async Task<(int Status, byte[] Answer)> PostAsync(TestApp app, byte[] body)
    {
        var context = new DefaultHttpContext { RequestServices = app.Services };
        using var answer = new MemoryStream();
        context.Response.Body = answer;
        context.Request.Body = new MemoryStream(body);
        var result = await app.Function<EnrolmentHttp>().PostEnrolment(context.Request, CancellationToken.None);
        await result.ExecuteAsync(context);
        return (context.Response.StatusCode, answer.ToArray());
    }
}
