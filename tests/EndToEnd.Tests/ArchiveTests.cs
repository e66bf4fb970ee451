using System.Net;
using Backup.LocalStack.Comparison;
using Backup.LocalStack.Run;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>A restore from an archive tier: the real Functions app, agent and Azurite, which is made slow, because it brings packs back at once.</summary>
public sealed class ArchiveTests(RunningSystem system) : IDisposable
{
    private readonly HttpApi _api = new(system);

    public void Dispose() => _api.Dispose();

    [Fact]
    public async Task Restore_OfAGroupFromAnArchive_AgentKilledWhileItRestores_BringsEverythingBack()
    {
        system.RewriteBigTree();
        var point = await _api.BackUpGroupAsync(RunningSystem.ArchivedGroup);
        (await _api.GroupPointAsync(point)).Body.TryGetProperty("members", out var members).ShouldBeTrue();
        foreach (var asset in members.EnumerateArray().Select(member => member.GetProperty("asset").GetString()!))
        {
            // The point is there as soon as the vault has everything; the copies come with the runs' ends.
            var run = await system.EndOfAsync(new RunInfo($"backup-{asset}-{point.Split('-')[^1]}", asset, "running", DateTimeOffset.UtcNow, null, null, null));
            run.State.ShouldBe("succeeded", run.Reason?.Text);
        }

        var target = Path.Combine(system.Stack.Folders.Restores, "archive-" + Guid.NewGuid().ToString("N"));
        var refused = await _api.CallAsync(HttpMethod.Post, "api/restores", new { asset = RunningSystem.Archived, target, from = "deep" });
        (refused.Status, refused.Text("detail")).ShouldBe((HttpStatusCode.Conflict, "POST /api/archive-restores with the same body plans that."));

        var single = await PlannedAsync(new { asset = RunningSystem.Archived, target, from = "deep" });
        var both = await PlannedAsync(new { groupPoint = point, target, from = "deep" });
        both.Packs.ShouldBeGreaterThan(single.Packs, "the other member has its own");
        (await _api.CallAsync(HttpMethod.Post, $"{single.Path}/cancel")).Status.ShouldBe(HttpStatusCode.Accepted);
        (await _api.CallAsync(HttpMethod.Post, $"{both.Path}/start", new { priority = "high" })).Status.ShouldBe(HttpStatusCode.Accepted);

        await RunningSystem.UntilAsync(() => Task.FromResult(Directory.Exists(target) && Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Any()));
        await system.Stack.Agent.KillAsync();
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);

        var ended = await UntilAsync(both.Path, state => state is not ("running" or "planned"));
        ended.Text("state").ShouldBe("succeeded", ended.Body.GetRawText());
        foreach (var (asset, tree) in ((string, string)[])[(RunningSystem.ArchivedBefore, system.CopiedTree), (RunningSystem.Archived, system.BigTree)])
        {
            RestoreVerdict.OfTree(tree, $"{target}/{asset}{tree}", backupBegan: null).Differences.ShouldBeEmpty(asset);
        }

        (await UntilAsync(single.Path, state => state is not "cancelling")).Text("state").ShouldBe("cancelled");
    }

    private async Task<(string Path, int Packs)> PlannedAsync(object wish)
    {
        var planned = await _api.CallAsync(HttpMethod.Post, "api/archive-restores", wish);
        planned.Status.ShouldBe(HttpStatusCode.Accepted, planned.Body.GetRawText());
        var path = planned.Text("location").TrimStart('/');
        var plan = (await UntilAsync(path, state => state is not "surveying")).Body.GetProperty("plan");
        plan.GetProperty("packsArchived").GetInt32().ShouldBe(plan.GetProperty("packs").GetInt32(), "nothing has been brought back yet");
        return (path, plan.GetProperty("packs").GetInt32());
    }

    private async Task<Reply> UntilAsync(string path, Func<string, bool> isReached)
    {
        Reply? shown = null;
        await RunningSystem.UntilAsync(async () => isReached((shown = await _api.CallAsync(HttpMethod.Get, path)).Text("state")));
        return shown!;
    }
}
