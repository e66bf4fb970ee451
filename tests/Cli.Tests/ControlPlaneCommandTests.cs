using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary><c>agent</c> and <c>control-plane</c> against a control plane that answers by a script; EndToEnd.Tests runs them against the real one.</summary>
public sealed class ControlPlaneCommandTests : IDisposable
{
    private const string Key = "0123456789abcdef0123456789abcdef";
    private const string Agent = $$"""
        {"name":"lab-agent-1","site":"lab","isAnswering":true,"health":{"version":"1.2.3","startedAt":"2026-01-01T00:00:00Z","now":"2026-01-02T00:00:00Z","jobsRunning":1,"jobsQueued":2},
         "inventory":{"keyIds":["{{Key}}"],"trustedKeyIds":["fedcba9876543210fedcba9876543210"]},
         "keys":[{"id":"{{Key}}","state":"current","pinnedAt":"2026-01-01T00:00:00Z"},{"id":"11111111111111111111111111111111","state":"revoked","pinnedAt":"2025-01-01T00:00:00Z"}]}
        """;

    private readonly CliBench _bench = new();
    private readonly ScriptedApi _api = new();

    public ControlPlaneCommandTests()
    {
        _bench.Set("BACKUP_CONTROL_PLANE", _api.Address);
        _bench.Set("BACKUP_API_KEY_FILE", _bench.Write("admin.key", "the-admin-key\n"));
    }

    [Fact]
    public async Task Invite_PrintsTheCodeAloneAndSaysElsewhereWhatToDoWithIt()
    {
        _api.Answer("POST /api/agents/lab-agent-1/enrolment", 200, """{"agent":"lab-agent-1","code":"bkenrol1.abc","expiresAt":"2026-01-02T03:04:05Z"}""");

        var invited = (await _bench.RunAsync("agent", "invite", "lab-agent-1", "--minutes", "5")).ShouldEnd(ExitCode.Success);

        invited.Out.ShouldBe("bkenrol1.abc\n");
        invited.Error.ShouldContain("until 2026-01-02 03:04:05Z");
        invited.Error.ShouldContain($"Backup.Agent enroll --config FILE --control-plane {_api.Address}");
        _api.Requests.ShouldHaveSingleItem().ShouldBe("""POST /api/agents/lab-agent-1/enrolment the-admin-key {"minutes":5}""");
        var asJson = (await _bench.RunAsync("agent", "invite", "lab-agent-1", "--json")).ShouldEnd(ExitCode.Success);
        JsonDocument.Parse(asJson.Out).RootElement.GetProperty("code").GetString().ShouldBe("bkenrol1.abc");
        asJson.Error.ShouldBeEmpty();
    }

    [Fact]
    public async Task ListAndShow_TellFingerprints()
    {
        _api.Answer("GET /api/agents", 200, $$"""{"items":[{{Agent}},{"name":"new","site":"lab","isAnswering":false,"problem":{"text":"Agent new is not enrolled.","hint":"Invite it."},"keys":[]}]}""");
        _api.Answer("GET /api/agents/lab-agent-1", 200, Agent);

        (await _bench.RunAsync("agent", "list")).ShouldEnd(ExitCode.Success).Out.ShouldBe($"""
            AGENT        SITE  STATE    VERSION  KEY                               PINNED
            lab-agent-1  lab   answers  1.2.3    {Key}  2026-01-01 00:00:00Z
            new          lab   no key   -        -                                 -

            """);
        (await _bench.RunAsync("agent", "show", "lab-agent-1")).ShouldEnd(ExitCode.Success).Out.ShouldBe($"""
            lab-agent-1, site lab: answers
            version 1.2.3, running since 2026-01-01 00:00:00Z, its clock 2026-01-02 00:00:00Z; 1 job running, 2 waiting
            KNOWN BY KEY                      STATE    PINNED                COUNTS UNTIL
            {Key}  current  2026-01-01 00:00:00Z  -
            11111111111111111111111111111111  revoked  2025-01-01 00:00:00Z  -
            the agent itself holds: {Key}
            it trusts of the control plane: fedcba9876543210fedcba9876543210

            """);
        (await _bench.RunAsync("agent", "list", "--json")).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(2);
    }

    [Fact]
    public async Task RotateAndRevoke_SayWhatCountsFromNowOn()
    {
        _api.Answer("POST /api/agents/lab-agent-1/keys/rotate", 200, $$"""{"agent":"lab-agent-1","done":true,"keyId":"{{Key}}"}""");
        _api.Answer("GET /api/agents/lab-agent-1", 200, Agent);
        _api.Answer($"POST /api/agents/lab-agent-1/keys/{Key}/revoke", 200, $$"""{"agent":"lab-agent-1","keyId":"{{Key}}","isNew":true}""");

        (await _bench.RunAsync("agent", "rotate-key", "lab-agent-1", "--overlap-hours", "0.5")).ShouldEnd(ExitCode.Success).Out
            .ShouldBe($"Agent lab-agent-1 has the key {Key} now; the one before counts for 30 min 0 s more.\n");
        _api.Requests.ShouldContain("""POST /api/agents/lab-agent-1/keys/rotate the-admin-key {"overlapSeconds":1800}""");
        var revoked = (await _bench.RunAsync("agent", "revoke-key", "lab-agent-1", Key)).ShouldEnd(ExitCode.Success);
        revoked.Out.ShouldBe($"Key {Key} of agent lab-agent-1 is revoked.\n");
        revoked.Error.ShouldContain("The agent has no key left");
    }

    [Fact]
    public async Task ControlPlaneKeys_NotEveryAgentConfirmed_IsPartialSoThatAScriptRepeats()
    {
        _api.Answer("GET /api/control-plane/keys", 200, $$"""{"name":"control-plane","keys":[{"id":"{{Key}}","state":"current"},{"id":"2","state":"next","confirmedBy":["a","b"]}]}""");
        _api.Answer("POST /api/control-plane/keys/announce", 200, """{"keyId":"2","allDone":false,"agents":[{"agent":"a","done":true},{"agent":"c","done":false,"text":"It is away.","hint":"Start it."}]}""");
        _api.Answer($"POST /api/control-plane/keys/{Key}/revoke", 200, $$"""{"keyId":"{{Key}}","allDone":true,"agents":[{"agent":"a","done":true}]}""");

        (await _bench.RunAsync("control-plane", "keys")).ShouldEnd(ExitCode.Success).Out.ShouldContain("2                                 next     a, b\n");
        (await _bench.RunAsync("control-plane", "announce-key")).ShouldEnd(ExitCode.Partial).Out.ShouldBe("a trusts 2.\nc did not confirm: It is away. Start it.\n");
        (await _bench.RunAsync("control-plane", "revoke-key", Key)).ShouldEnd(ExitCode.Success).Out.ShouldBe($"a distrusts {Key}.\n");
    }

    [Fact]
    public async Task ArchiveRestore_OfAGroupPoint_IsOnePlanOfAllItsMembers()
    {
        _api.Answer("POST /api/archive-restores", 202, """{"id":"group-restore-1","location":"/api/archive-restores/group-restore-1","isNew":true}""");
        _api.Answer("GET /api/archive-restores/group-restore-1", 200, """
            {"id":"group-restore-1","groupPoint":"group-catalogue-1","members":[{"asset":"voids","recoveryPoint":"rp1"},{"asset":"images","recoveryPoint":"rp2"}],"from":"deep","state":"surveying",
             "requestedBy":"ada","createdAt":"2026-01-01T00:00:00Z","approvals":[],"packsReady":0,"packsRequested":0,"filesRestored":0}
            """);
        (await _bench.RunAsync("archive-restore", "plan", "group-catalogue-1", "/restore/all", "--from", "deep", "--group")).ShouldEnd(ExitCode.Success).Out.ShouldBe("group-restore-1\n");
        (await _bench.RunAsync("archive-restore", "show", "group-restore-1")).ShouldEnd(ExitCode.Success).Out.ShouldBe("""
            group-restore-1: surveying
            group point group-catalogue-1, from deep, asked for by ada at 2026-01-01 00:00:00Z
              recovery point rp1 of voids
              recovery point rp2 of images

            """);
        _api.Requests.ShouldContain(request => request.EndsWith("""{"groupPoint":"group-catalogue-1","target":"/restore/all","from":"deep","overwrite":false}""", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ArchiveRestore_IsPlannedShownApprovedStartedAndCancelled()
    {
        const string Planned = """
            {"id":"restore-paper-1","asset":"paper","recoveryPoint":"rp1","from":"deep","state":"planned","requestedBy":"ada","createdAt":"2026-01-01T00:00:00Z","plannedAt":"2026-01-01T00:01:00Z","startBefore":"2026-01-08T00:01:00Z",
             "plan":{"files":1200,"fileBytes":1048576,"packs":3,"packBytes":50000000,"packsArchived":2,"bytesArchived":33554432,"currency":"EUR",
              "offers":[{"priority":"standard","hoursMax":15,"cost":12.5,"approvalsNeeded":0},{"priority":"high","hoursMax":1,"cost":120,"approvalsNeeded":2}]},
             "approvals":[],"packsReady":1,"packsRequested":0,"filesRestored":0}
            """;
        _api.Answer("POST /api/archive-restores", 202, """{"id":"restore-paper-1","location":"/api/archive-restores/restore-paper-1","isNew":true}""");
        _api.Answer("GET /api/archive-restores/restore-paper-1", 200, Planned);
        _api.Answer("GET /api/archive-restores?limit=200", 200, $$"""{"items":[{{Planned}}],"continuation":"more/"}""");
        _api.Answer("GET /api/archive-restores?limit=200&continuation=more%2F", 200, $$"""{"items":[{{Planned.Replace("restore-paper-1", "restore-paper-0", StringComparison.Ordinal)}}]}""");
        _api.Answer("POST /api/archive-restores/restore-paper-1/approve", 200, Planned.Replace("\"approvals\":[]", "\"approvals\":[\"bea\"]", StringComparison.Ordinal));
        _api.Answer("POST /api/archive-restores/restore-paper-1/start", 202, """{"id":"restore-paper-1","location":"/api/archive-restores/restore-paper-1","isNew":true}""");
        _api.Answer("POST /api/archive-restores/restore-paper-1/cancel", 202, Planned.Replace("\"planned\"", "\"cancelled\"", StringComparison.Ordinal).Replace("\"filesRestored\":0", "\"filesRestored\":0,\"copiesKeptUntil\":\"2026-02-01T00:00:00Z\"", StringComparison.Ordinal));
        _bench.Set("BACKUP_ADMINISTRATOR_KEY_FILE", _bench.Write("bea.key", "beas-own-key\n"));

        var made = (await _bench.RunAsync("archive-restore", "plan", "paper", "/restore/paper", "--from", "deep", "-i", "*.fits")).ShouldEnd(ExitCode.Success);
        made.Out.ShouldBe("restore-paper-1\n");
        made.Error.ShouldContain("archive-restore show restore-paper-1");
        (await _bench.RunAsync("archive-restore", "show", "restore-paper-1")).ShouldEnd(ExitCode.Success).Out.ShouldBe("""
            restore-paper-1: planned
            recovery point rp1 of paper, from deep, asked for by ada at 2026-01-01 00:00:00Z
            1,200 files of 1.0 MiB in 3 packs; to be brought back: 2 packs of 32.0 MiB
            PRIORITY  HOURS AT MOST        COST  APPROVALS NEEDED
            standard             15   12.50 EUR                 0
            high                  1  120.00 EUR                 2
            approved by: nobody; to be started before 2026-01-08 00:01:00Z

            """);
        (await _bench.RunAsync("archive-restore", "list")).ShouldEnd(ExitCode.Success).Out.ShouldBe("""
            ID               ASSET  FROM  STATE    PACKS READY  REQUESTED
            restore-paper-1  paper  deep  planned          1/3  2026-01-01 00:00:00Z
            restore-paper-0  paper  deep  planned          1/3  2026-01-01 00:00:00Z

            """);
        (await _bench.RunAsync("archive-restore", "approve", "restore-paper-1")).ShouldEnd(ExitCode.Success).Out.ShouldContain("approved by: bea;");
        (await _bench.RunAsync("archive-restore", "start", "restore-paper-1", "--priority", "high")).ShouldEnd(ExitCode.Success).Out.ShouldBe("restore-paper-1 runs.\n");
        (await _bench.RunAsync("archive-restore", "cancel", "restore-paper-1")).ShouldEnd(ExitCode.Success).Out.ShouldContain("kept until 2026-02-01 00:00:00Z");
        (await _bench.RunAsync("archive-restore", "start", "restore-paper-1", "--priority", "dear")).ShouldEnd(ExitCode.Usage);
        _api.Requests.ShouldBe([
            """POST /api/archive-restores the-admin-key/beas-own-key {"asset":"paper","target":"/restore/paper","from":"deep","include":["*.fits"],"overwrite":false}""",
            "GET /api/archive-restores/restore-paper-1 the-admin-key",
            "GET /api/archive-restores?limit=200 the-admin-key",
            "GET /api/archive-restores?limit=200&continuation=more%2F the-admin-key",
            "POST /api/archive-restores/restore-paper-1/approve the-admin-key/beas-own-key {}",
            """POST /api/archive-restores/restore-paper-1/start the-admin-key/beas-own-key {"priority":"high"}""",
            "POST /api/archive-restores/restore-paper-1/cancel the-admin-key/beas-own-key {}",
        ]);
    }

    [Fact]
    public async Task Locks_AreAFindingUntilEverythingIsCovered()
    {
        const string Replica = """{"tier":"locked","container":"http://127.0.0.1/c","vaultId":"00112233","kind":"emulated","isEmulated":true,"at":"2026-01-02T00:00:00Z","objects":1200,"covered":1200,"underLegalHold":7,"earliestEnd":"2026-02-01T00:00:00Z","isComplete":true,"note":""}""";
        _api.Answer("GET /api/immutability", 200, $$"""{"tiers":[{"name":"locked","isImmutable":true,"lockDays":30,"mode":"locked"}],"replicas":[{{Replica}}]}""");
        (await _bench.RunAsync("locks")).ShouldEnd(ExitCode.Success).Out.ShouldBe("""
            TIER    VAULT     KEPT BY   OBJECTS  COVERED  LEGAL HOLD  FIRST ENDS            LOOKED AT
            locked  00112233  emulated    1,200    1,200           7  2026-02-01 00:00:00Z  2026-01-02 00:00:00Z

            """);
        _api.Answer("GET /api/immutability", 200, $$"""{"tiers":[],"replicas":[{{Replica.Replace("\"isComplete\":true,\"note\":\"\"", "\"isComplete\":false,\"note\":\"Locks are being set.\"", StringComparison.Ordinal)}}]}""");
        (await _bench.RunAsync("locks")).ShouldEnd(ExitCode.Findings).Out.ShouldEndWith("locked: Locks are being set.\n");
        (await _bench.RunAsync("locks", "--json")).ShouldEnd(ExitCode.Findings).Out.ShouldContain("\"underLegalHold\":7");
    }

    [Theory]
    [InlineData(400, ExitCode.Usage), InlineData(403, ExitCode.AccessDenied), InlineData(404, ExitCode.NotFound), InlineData(409, ExitCode.Conflict), InlineData(502, ExitCode.Unavailable), InlineData(504, ExitCode.Unavailable)]
    internal async Task Problem_OfTheControlPlane_IsToldWithItsHintAndACodeOfItsKind(int status, ExitCode code)
    {
        _api.Answer("POST /api/agents/a/keys/rotate", status, """{"title":"What was wrong.","status":0,"detail":"What to do."}""");

        (await _bench.RunAsync("agent", "rotate-key", "a")).ShouldEnd(code).Error.ShouldBe("backupctl: What was wrong.\nHint: What to do.\n");
    }

    [Fact]
    public async Task Refused_WithoutAProblemDocument_SaysWhichKeyIsNeededAndNeverShowsIt()
    {
        _api.Answer("GET /api/agents", 401, "");

        var refused = (await _bench.RunAsync("agent", "list")).ShouldEnd(ExitCode.AccessDenied);

        refused.Error.ShouldContain("refuses the key");
        refused.Error.ShouldContain("admin key");
        refused.Error.ShouldNotContain("the-admin-key");
    }

    [Theory]
    [InlineData(200, "<html>"), InlineData(500, "<html>"), InlineData(200, "null")]
    public async Task SomethingElse_AtTheAddress_IsNoControlPlane(int status, string body)
    {
        _api.Answer("GET /api/agents", status, body);

        (await _bench.RunAsync("agent", "list")).ShouldEnd(ExitCode.Unavailable).Error.ShouldContain("no control plane of this release");
    }

    [Fact]
    public async Task Nobody_AtTheAddress_IsUnavailable()
    {
        _api.Dispose();

        (await _bench.RunAsync("agent", "list")).ShouldEnd(ExitCode.Unavailable).Error.ShouldContain("does not answer");
    }

    [Theory]
    [InlineData("http://backup.example.org"), InlineData("https://backup.example.org/?code=topsecret"), InlineData("https://user:topsecret@backup.example.org"), InlineData("backup.example.org")]
    public async Task Address_ThatCouldGiveAKeyAway_IsRefusedUnrepeated(string address)
    {
        var refused = (await _bench.RunAsync("agent", "list", "--control-plane", address)).ShouldEnd(ExitCode.Usage);

        refused.Error.ShouldContain("must be https");
        refused.Error.ShouldNotContain("topsecret");
    }

    [Fact]
    public async Task Overlap_BeyondTheLimit_IsRefusedBeforeAnythingIsSent()
    {
        (await _bench.RunAsync("agent", "rotate-key", "a", "--overlap-hours", "721")).ShouldEnd(ExitCode.Usage).Error.ShouldContain("from 0 to 720");
        (await _bench.RunAsync("control-plane", "announce-key", "--overlap-hours", "-1")).ShouldEnd(ExitCode.Usage);
        _api.Requests.ShouldBeEmpty();
    }

    public void Dispose()
    {
        _api.Dispose();
        _bench.Dispose();
    }

    /// <summary>Answers each request line with what was set for it, and remembers what came.</summary>
    private sealed class ScriptedApi : IDisposable
    {
        private readonly ConcurrentDictionary<string, (int Status, string Body)> _answers = new();
        private readonly HttpListener _listener = Listen();

        public ScriptedApi() => _ = ServeAsync();

        public string Address => _listener.Prefixes.Single().TrimEnd('/');

        public ConcurrentQueue<string> Requests { get; } = [];

        public void Answer(string request, int status, string body) => _answers[request] = (status, body);

        public void Dispose() => _listener.Close();

        private static HttpListener Listen()
        {
            var listener = new HttpListener();
            listener.Prefixes.Add($"http://127.0.0.1:{FreePort.Next()}/");
            listener.Start();
            return listener;
        }

        private async Task ServeAsync()
        {
            while (_listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                var request = $"{context.Request.HttpMethod} {context.Request.RawUrl}";
                using var body = new StreamReader(context.Request.InputStream);
                var own = context.Request.Headers["x-administrator-key"] is { } person ? $"/{person}" : "";
                Requests.Enqueue($"{request} {context.Request.Headers["x-functions-key"]}{own} {await body.ReadToEndAsync()}".TrimEnd());
                var (status, text) = _answers.GetValueOrDefault(request, (404, ""));
                context.Response.StatusCode = status;
                context.Response.ContentType = "application/json";
                context.Response.Close(Encoding.UTF8.GetBytes(text), willBlock: false);
            }
        }
    }
}
