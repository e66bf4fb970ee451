using Backup.Functions.Http;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Http;

public sealed class ControlPlaneHttpTests(PostgresFixture postgres)
{
    [Fact]
    public async Task PostBackup_Twice_IsOneRunThatCanBeFollowed()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var first = await PostAsync(app, new { asset = "config", slot = "x" });
        var second = await PostAsync(app, new { asset = "config", slot = "x" });
        (first.Status, second.Status).ShouldBe((202, 202));
        second.Text("id").ShouldBe(first.Text("id"));

        // Known at once, in the catalog or not.
        (await GetRunAsync(app, first.Text("id"))).Status.ShouldBe(200);
        await app.OutcomeAsync<object>(first.Text("id"));
        (await GetRunAsync(app, first.Text("id"))).Text("state").ShouldBe("succeeded");
        (await PostAsync(app, new { asset = "config", slot = "x" })).Body.GetProperty("isNew").GetBoolean().ShouldBeFalse();
        (await app.CountAsync("run")).ShouldBe(1);
    }

    [Fact]
    public async Task PostBackup_AtTheSameMomentFromMany_IsOneRun()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(app, new { asset = "config", slot = "x" })));
        replies.ShouldAllBe(r => r.Status == 202);
        replies.Select(r => r.Text("id")).Distinct().Count().ShouldBe(1);
        await app.OutcomeAsync<object>(replies[0].Text("id"));
        (await app.CountAsync("run")).ShouldBe(1);
    }

    [Fact]
    public async Task PostBackup_RunIsOpen_AnswersThatRun()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.Runs.OpenAsync(new(new("other"), new("config"), new("lab-agent-1"), new("main"), "test"), CancellationToken.None);
        (await PostAsync(app, new { asset = "config", slot = "x" })).Text("id").ShouldBe("other");
    }

    [Fact]
    public async Task PostBackup_EveryAsset_IsAFleet()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var reply = await PostAsync(app, new { asset = "*", slot = "x" });
        await app.OutcomeAsync<object>(reply.Text("id"));
        var shown = await GetRunAsync(app, reply.Text("id"));
        (shown.Text("state"), shown.Body.GetProperty("outcome").GetArrayLength()).ShouldBe(("ended", 4));
        (await app.CountAsync("run where state = 'succeeded'")).ShouldBe(4);
    }

    [Theory]
    [InlineData("""{"asset":"nobody"}""", 404)]
    [InlineData("""{}""", 400)]
    [InlineData("""{"asset":null}""", 400)]
    [InlineData("""{"asset":"config","asset2":"x"}""", 400)]
    [InlineData("""{"asset":"config","slot":"../x"}""", 400)]
    [InlineData("""{"asset":7}""", 400)]
    public async Task PostBackup_BadRequest_IsAProblem(string body, int status)
    {
        await using var app = await TestApp.StartAsync(postgres);
        var reply = await PostAsync(app, body);
        (reply.Status, reply.ContentType).ShouldBe((status, "application/problem+json; charset=utf-8"));
        (reply.Text("title").Length, reply.Text("detail").Length).ShouldSatisfyAllConditions(t => t.Item1.ShouldBeGreaterThan(10), t => t.Item2.ShouldBeGreaterThan(10));
        reply.Body.ToString().ShouldNotContain("Backup.");
        (await app.CountAsync("run")).ShouldBe(0);
    }

    [Fact]
    public async Task PostBackup_HugeBody_IsRefused()
    {
        await using var app = await TestApp.StartAsync(postgres);
        (await PostAsync(app, new string(' ', 300 * 1024))).Status.ShouldBe(413);
    }

    [Fact]
    public async Task GetRuns_InPages_ShowsAll()
    {
        await using var app = await TestApp.StartAsync(postgres);
        for (var i = 0; i < 5; i++)
        {
            await app.BackUpAsync("config", $"s{i}");
        }

        var seen = new List<string>();
        string? continuation = null;
        do
        {
            var page = await app.CallAsync(r => app.Function<BackupHttp>().GetRuns(r, CancellationToken.None), query: $"?limit=2&asset=config{(continuation is null ? "" : $"&continuation={continuation}")}");
            page.Status.ShouldBe(200);
            seen.AddRange(page.Body.GetProperty("items").EnumerateArray().Select(r => r.GetProperty("id").GetString()!));
            continuation = page.Body.TryGetProperty("continuation", out var next) ? next.GetString() : null;
        }
        while (continuation is not null);

        seen.ShouldBe(Enumerable.Range(0, 5).Reverse().Select(i => $"backup-config-s{i}"));
    }

    [Theory]
    [InlineData("?limit=0")]
    [InlineData("?limit=201")]
    [InlineData("?limit=x")]
    [InlineData("?continuation=nonsense")]
    [InlineData("?state=happy")]
    public async Task GetRuns_BadQuery_IsAProblem(string query)
    {
        await using var app = await TestApp.StartAsync(postgres);
        (await app.CallAsync(r => app.Function<BackupHttp>().GetRuns(r, CancellationToken.None), query: query)).Status.ShouldBe(400);
    }

    [Theory]
    [InlineData("backup-config-nope")]
    [InlineData("nope")]
    public async Task GetRun_Unknown_IsNotFound(string id)
    {
        await using var app = await TestApp.StartAsync(postgres);
        (await GetRunAsync(app, id)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task GetAssets_BeforeAndAfterABackup_ShowsTheProtection()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        var page = await app.CallAsync(r => app.Function<CatalogHttp>().GetAssets(r, CancellationToken.None), query: "?limit=2");
        page.Body.GetProperty("items").EnumerateArray().Select(a => (a.GetProperty("name").GetString(), a.GetProperty("protection").GetString())).ShouldBe(
            [("config", "protected"), ("fits-files", "unprotected")]);
        page.Text("continuation").ShouldBe("fits-files");
    }

    [Fact]
    public async Task GetRecoveryPoints_ShowsThePointWithItsReplicas()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("fits-files");
        var page = await app.CallAsync(r => app.Function<CatalogHttp>().GetRecoveryPoints(r, CancellationToken.None), query: "?asset=fits-files");
        var point = page.Body.GetProperty("items").EnumerateArray().Single();
        point.GetProperty("bytesRead").GetInt64().ShouldBe(100);
        point.GetProperty("replicas").EnumerateArray().Select(r => (r.GetProperty("tier").GetString(), r.GetProperty("state").GetString())).ShouldBe(
            [("offsite-cold", "checked"), ("offsite-hot", "checked")]);
    }

    [Fact]
    public async Task GetProtection_BeforeAndAfterABackup_SaysWhatTheRuleLacks()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var before = await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "fits-files", CancellationToken.None));
        (before.Status, before.Body.GetProperty("copies").GetInt32(), before.Body.GetProperty("isKept").GetBoolean()).ShouldBe((200, 1, false));

        await app.BackUpAsync("fits-files");
        var after = (await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "fits-files", CancellationToken.None))).Body;
        new[] { "copies", "media", "offsite", "immutable" }.Select(k => after.GetProperty(k).GetInt32()).ShouldBe([4, 3, 2, 0]);
        after.GetProperty("missing").EnumerateArray().Select(m => m.GetString()).ShouldBe(["no immutable copy", "no restore was ever proven"]);
        after.TryGetProperty("errors", out _).ShouldBeFalse();

        (await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "nobody", CancellationToken.None))).Status.ShouldBe(404);
    }

    [Fact]
    public async Task GetRetentionPlan_PublishedData_KeepsEveryPoint()
    {
        await using var app = await TestApp.StartAsync(postgres);
        for (var i = 0; i < 6; i++)
        {
            await app.BackUpAsync("fits-files", $"s{i}");
            await app.BackUpAsync("config", $"s{i}");
        }

        // Six points of one hour: the rule of class research wants the last four, that of published data everything for ten years.
        var published = (await app.CallAsync(r => app.Function<RetentionHttp>().GetRetention(r, "fits-files", CancellationToken.None))).Body;
        (published.GetProperty("kept").GetInt32(), published.GetProperty("deleted").GetInt32()).ShouldBe((6, 0));
        var active = (await app.CallAsync(r => app.Function<RetentionHttp>().GetRetention(r, "config", CancellationToken.None))).Body;
        (active.GetProperty("kept").GetInt32() + active.GetProperty("deleted").GetInt32()).ShouldBe(6);
        active.GetProperty("kept").GetInt32().ShouldBeGreaterThanOrEqualTo(4);
        active.GetProperty("deletions").GetArrayLength().ShouldBe(active.GetProperty("deleted").GetInt32());
        (active.GetProperty("refusal").GetString(), active.GetProperty("isFrozen").GetBoolean()).ShouldBe(("none", false));
        (await app.CountAsync("recovery_point where missing_since is null")).ShouldBe(12);
    }

    [Fact]
    public async Task GetHealth_CatalogAnswers_IsOk()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var reply = await app.CallAsync(r => app.Function<CatalogHttp>().GetHealth(r, CancellationToken.None));
        (reply.Status, reply.Body.ToString()).ShouldBe((200, """{"status":"ok"}"""));
    }

    private static Task<HttpReply> PostAsync(TestApp app, object body) => app.CallAsync(r => app.Function<BackupHttp>().PostBackup(r, app.Client, CancellationToken.None), body);

    private static Task<HttpReply> GetRunAsync(TestApp app, string id) => app.CallAsync(r => app.Function<BackupHttp>().GetRun(r, id, app.Client, CancellationToken.None));
}
