using System.Globalization;
using System.Net;
using Backup.LocalStack.Comparison;
using Backup.LocalStack.Run;
using Shouldly;

namespace Backup.EndToEnd.Tests;

/// <summary>A live database and a file tree as one recovery point: held together, restored together.</summary>
public sealed class GroupTests(RunningSystem system) : IDisposable
{
    private readonly HttpApi _api = new(system);

    public void Dispose() => _api.Dispose();

    [Fact]
    public async Task Group_BackedUpAsOne_IsHeldMeanwhileAndRestoresAsOne()
    {
        system.RewriteBigTree();
        var id = await _api.BackUpGroupAsync(RunningSystem.Group);
        var point = await _api.GroupPointAsync(id);
        point.Body.TryGetProperty("isHeld", out var held).ShouldBeTrue(point.Body.GetRawText());
        (held.GetBoolean(), point.Body.GetProperty("isInVaults").GetBoolean()).ShouldBe((true, true));

        var members = point.Body.GetProperty("members").EnumerateArray().Select(m => (Asset: m.GetProperty("asset").GetString()!, Point: m.GetProperty("recoveryPoint").GetString()!)).ToArray();
        members.Select(m => m.Asset).ShouldBe([ProtectedAssets.SampleDatabase, RunningSystem.Grouped]);
        var hooks = await HooksAsync();
        hooks.Select(h => h.Word).TakeLast(2).ShouldBe(["hold", "resume"]);
        foreach (var (asset, recoveryPoint) in members)
        {
            var made = (await system.Control.RecoveryPointsAsync(asset, RunningSystem.Cancel)).Single(p => p.Id == recoveryPoint);
            made.ReadingBeganAt.ShouldBeGreaterThan(hooks[^2].At, "nothing is read before everything is held");
            made.Instant.ShouldBeLessThan(hooks[^1].At, "everything is held until the last has been read");
        }

        var target = Path.Combine(system.Stack.Folders.Restores, "group-" + Guid.NewGuid().ToString("N"));
        var started = await _api.CallAsync(HttpMethod.Post, "api/group-restores", new { groupPoint = id, target });
        started.Status.ShouldBe(HttpStatusCode.Accepted, started.Body.GetRawText());
        Reply? restore = null;
        await RunningSystem.UntilAsync(async () => (restore = await _api.CallAsync(HttpMethod.Get, started.Text("location").TrimStart('/'))).Text("state") is not "running" and not "queued");
        restore!.Body.GetProperty("outcome").GetRawText().ShouldContain("\"succeeded\"");
        RestoreVerdict.OfTree(system.BigTree, $"{target}/{RunningSystem.Grouped}{system.BigTree}", backupBegan: null).Differences.ShouldBeEmpty();
        File.Exists($"{target}/{ProtectedAssets.SampleDatabase}/global/pg_control").ShouldBeTrue();
    }

    [Fact]
    public async Task Group_AgentKilledWhileItHolds_LetsGoAndMakesNoPoint_AndTheNextBackupDoes()
    {
        system.RewriteBigTree();
        var id = await _api.BackUpGroupAsync(RunningSystem.Group);
        var run = $"backup-{RunningSystem.Grouped}-{id.Split('-')[^1]}";
        await system.PauseAgentMidBackupAsync(
            new RunInfo(run, RunningSystem.Grouped, "running", DateTimeOffset.UtcNow, null, null, null),
            () => File.Exists(system.HookLog) && File.ReadLines(system.HookLog).LastOrDefault()?.StartsWith("hold", StringComparison.Ordinal) == true);
        (await HooksAsync())[^1].Word.ShouldBe("hold");
        await system.Stack.Agent.KillAsync();
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);
        (await HooksAsync())[^1].Word.ShouldBe("resume", "before anything else at its start");

        // The members' own backups complete, as any would; together they are nothing, and somebody hears of it.
        var outcome = (await _api.GroupPointAsync(id)).Body.GetProperty("outcome").GetRawText();
        outcome.ShouldContain("hold-lost");
        (await system.EndOfAsync(new RunInfo(run, RunningSystem.Grouped, "running", DateTimeOffset.UtcNow, null, null, null))).State.ShouldBe("succeeded");
        (await AlertsAsync()).ShouldContain(id);

        (await _api.GroupPointAsync(await _api.BackUpGroupAsync(RunningSystem.Group))).Body.TryGetProperty("members", out _).ShouldBeTrue();
        (await AlertsAsync()).ShouldNotContain(id);
    }

    private async Task<string> AlertsAsync() => (await _api.CallAsync(HttpMethod.Get, "api/alerts")).Body.GetRawText();

    private async Task<List<(string Word, DateTimeOffset At)>> HooksAsync() =>
    [
        .. (await File.ReadAllLinesAsync(system.HookLog, RunningSystem.Cancel)).Select(line => line.Split(' '))
            .Select(words => (words[0], DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(words[1], CultureInfo.InvariantCulture)))),
    ];
}
