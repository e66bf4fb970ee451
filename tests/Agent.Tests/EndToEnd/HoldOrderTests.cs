using Backup.AgentApi;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>Applications held still for a group's backup, and let go whatever happens.</summary>
public sealed class HoldOrderTests : IAsyncLifetime
{
    private AgentBench _bench = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bench = await AgentBench.StartAsync();
        _bench.FillData(3, 1000);
        _bench.Scratch.Write("hook.sh", $"echo \"$1 $BACKUP_ASSET $BACKUP_RUN\" >> {Log}; [ \"$1\" != fails ]");
        _bench.Configure(extra: $$"""
            hooks:
              hold: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, hold ] }
              resume: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, resume ] }
              fails: { command: [ /bin/sh, {{_bench.Scratch["hook.sh"]}}, fails ] }
            """);
    }

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Hold_UntilReleased_HoldsAcrossBackupsAndIsKeptInMind()
    {
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("hold-1", Hold())).State.ShouldBe(JobState.Succeeded);
        Lines().ShouldBe(["hold catalogue group-7"]);
        (await _bench.RunAsync("backup-1", _bench.Backup())).State.ShouldBe(JobState.Succeeded);
        Lines().Length.ShouldBe(1, "still held");
        (await _bench.RunAsync("hold-1", Hold())).State.ShouldBe(JobState.Succeeded, "asked again, it is the same hold");
        Lines().Length.ShouldBe(1);

        (await _bench.RunAsync("release-1", Release("hold-1"))).State.ShouldBe(JobState.Succeeded);
        Lines().ShouldBe(["hold catalogue group-7", "resume catalogue group-7"]);
        Notes().ShouldBeEmpty();
        (await _bench.RunAsync("release-1", Release("hold-1"))).State.ShouldBe(JobState.Succeeded, "the stored answer");
        (await _bench.RunAsync("release-2", Release("hold-1"))).Failure!.Code.ShouldBe(FailureCode.HoldLost);
        Lines().Length.ShouldBe(2);
    }

    [Fact]
    public async Task Hold_AHookFails_LetsGoAtOnce_AndAnUnknownOneRunsNothing()
    {
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("hold-1", Hold("hold", "fails"))).Failure!.Code.ShouldBe(FailureCode.HookFailed);
        Lines().ShouldBe(["hold catalogue group-7", "fails catalogue group-7", "resume catalogue group-7"]);
        (await _bench.RunAsync("release-1", Release("hold-1"))).Failure!.Code.ShouldBe(FailureCode.HoldLost);
        (await _bench.RunAsync("hold-2", Hold("/bin/rm"))).Failure!.Code.ShouldBe(FailureCode.UnknownHook);
        Lines().Length.ShouldBe(3);
    }

    [Fact]
    public async Task Hold_NobodyReleases_EndsWhenItsTimeIsOver()
    {
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("hold-1", Hold() with { SecondsMax = 1 })).State.ShouldBe(JobState.Succeeded);
        await UntilAsync(() => Lines().Contains("resume catalogue group-7") && Notes().Length == 0);
        (await _bench.RunAsync("release-1", Release("hold-1"))).Failure!.Code.ShouldBe(FailureCode.HoldLost);
        Lines().Length.ShouldBe(2);
    }

    [Fact]
    public async Task Agent_StoppedWhileItHolds_LetsGo()
    {
        await _bench.StartAgentAsync();
        await _bench.RunAsync("hold-1", Hold());
        await _bench.StopAgentAsync();
        Lines().ShouldBe(["hold catalogue group-7", "resume catalogue group-7"]);
        await _bench.StartAgentAsync();
        (await _bench.RunAsync("release-1", Release("hold-1"))).Failure!.Code.ShouldBe(FailureCode.HoldLost);
        Lines().Length.ShouldBe(2);
    }

    [Fact]
    public async Task Agent_KilledWhileItHolds_LetsGoAtItsNextStart()
    {
        using (var agent = AgentProcess.Start(_bench.ConfigFile))
        {
            await agent.WaitUntilOnlineAsync(Cancel);
            (await _bench.RunAsync("hold-1", Hold())).State.ShouldBe(JobState.Succeeded);
            await agent.KillAsync();
        }

        Lines().ShouldBe(["hold catalogue group-7"]);
        await _bench.StartAgentAsync();
        Lines().ShouldBe(["hold catalogue group-7", "resume catalogue group-7"]);
        (await _bench.RunAsync("release-1", Release("hold-1"))).Failure!.Code.ShouldBe(FailureCode.HoldLost);
        Notes().ShouldBeEmpty();
    }

    private string Log => _bench.Scratch["hooks.log"];

    private static HoldOrder Hold(params string[] before) => new()
    {
        RunId = "group-7",
        Group = "catalogue",
        Hooks = new BackupHooks { Before = before.Length == 0 ? ["hold"] : before, After = ["resume"] },
        SecondsMax = 600,
    };

    private static ReleaseOrder Release(string hold) => new() { Hold = OrderId.Parse(hold) };

    private string[] Lines() => File.Exists(Log) ? File.ReadAllLines(Log) : [];

    private string[] Notes() => Directory.Exists(_bench.Scratch["state/hooks"]) ? Directory.GetFiles(_bench.Scratch["state/hooks"]) : [];

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (!holds())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
