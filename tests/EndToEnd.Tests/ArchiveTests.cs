using System.Net;
using Backup.LocalStack.Comparison;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>A restore from an archive tier: the real Functions app, agent and Azurite, which is made slow, because it brings packs back at once.</summary>
public sealed class ArchiveTests(RunningSystem system) : IDisposable
{
    private readonly HttpApi _api = new(system);

    public void Dispose() => _api.Dispose();

    [Fact]
    public async Task Restore_FromAnArchive_AgentKilledWhileItRestores_BringsEverythingBack()
    {
        system.RewriteBigTree();
        var run = await system.EndOfAsync(await system.OrderAsync(RunningSystem.Archived));
        run.State.ShouldBe("succeeded", run.Reason?.Text);
        var target = Path.Combine(system.Stack.Folders.Restores, "archive-" + Guid.NewGuid().ToString("N"));
        var wish = new { asset = RunningSystem.Archived, target, from = "deep" };
        var refused = await _api.CallAsync(HttpMethod.Post, "api/restores", wish);
        (refused.Status, refused.Text("detail")).ShouldBe((HttpStatusCode.Conflict, "POST /api/archive-restores with the same body plans that."));

        var planned = await _api.CallAsync(HttpMethod.Post, "api/archive-restores", wish);
        planned.Status.ShouldBe(HttpStatusCode.Accepted, planned.Body.GetRawText());
        var path = planned.Text("location").TrimStart('/');
        var plan = (await UntilAsync(path, state => state is not "surveying")).Body.GetProperty("plan");
        plan.GetProperty("packsArchived").GetInt32().ShouldBe(plan.GetProperty("packs").GetInt32(), "nothing has been brought back yet");
        (await _api.CallAsync(HttpMethod.Post, $"{path}/start", new { priority = "high" })).Status.ShouldBe(HttpStatusCode.Accepted);

        await RunningSystem.UntilAsync(() => Task.FromResult(Directory.Exists(target) && Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Any()));
        await system.Stack.Agent.KillAsync();
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);

        var ended = await UntilAsync(path, state => state is not ("running" or "planned"));
        ended.Text("state").ShouldBe("succeeded", ended.Body.GetRawText());
        RestoreVerdict.OfTree(system.BigTree, target + system.BigTree, backupBegan: null).Differences.ShouldBeEmpty();
        (await _api.CallAsync(HttpMethod.Get, ended.Text("restore").TrimStart('/'))).Text("state").ShouldBe("succeeded");
    }

    private async Task<Reply> UntilAsync(string path, Func<string, bool> isReached)
    {
        Reply? shown = null;
        await RunningSystem.UntilAsync(async () => isReached((shown = await _api.CallAsync(HttpMethod.Get, path)).Text("state")));
        return shown!;
    }
}
