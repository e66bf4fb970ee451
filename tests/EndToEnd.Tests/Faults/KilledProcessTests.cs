using Shouldly;

namespace Backup.EndToEnd.Tests.Faults;

/// <summary>Processes that die in the middle: the run completes, its recovery point restores, the vault is sound.</summary>
public sealed class KilledProcessTests(RunningSystem system)
{
    [Fact]
    public async Task Agent_KilledMidBackupAndStartedAgain_CompletesTheRun()
    {
        var run = await OrderFreshAsync();
        await system.PauseAgentMidBackupAsync(run);
        await system.Stack.Agent.KillAsync();
        await system.Stack.Agent.StartAsync(RunningSystem.Cancel);
        await CompletesAsync(run);
    }

    [Fact]
    public async Task Functions_KilledMidBackupAndStartedAgain_CompletesTheRun()
    {
        var run = await OrderFreshAsync();
        await system.PauseAgentMidBackupAsync(run);
        await system.Stack.Functions.KillAsync();
        system.Stack.Agent.Child.Resume();
        await system.Stack.Functions.StartAsync(RunningSystem.Cancel);
        await CompletesAsync(run);
    }

    [Fact]
    public async Task Relay_RestartedMidBackup_CompletesTheRun()
    {
        var run = await OrderFreshAsync();
        await system.PauseAgentMidBackupAsync(run);
        await system.Stack.Relay.KillAsync();
        system.Stack.Agent.Child.Resume();
        await system.Stack.Relay.StartAsync(RunningSystem.Cancel);
        await CompletesAsync(run);
    }

    [Fact]
    public async Task Azurite_StoppedBeforeReplicationAndStartedAgain_CompletesTheRunWithItsReplica()
    {
        var run = await OrderFreshAsync();
        await system.PauseAgentMidBackupAsync(run);
        await system.Stack.Azurite.StopAsync();
        system.Stack.Agent.Child.Resume();
        await RunningSystem.UntilAsync(async () => (await system.Control.RecoveryPointsAsync(run.Asset, RunningSystem.Cancel)).Any(p => p.Run == run.Id));
        await system.Stack.Azurite.StartAgainAsync(RunningSystem.Cancel);
        await CompletesAsync(run);
        (await system.Control.RecoveryPointsAsync(run.Asset, RunningSystem.Cancel)).Single(p => p.Run == run.Id).Replicas.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Azurite_StoppedMidReplicationAndStartedAgain_CompletesTheRunWithItsReplica()
    {
        var started = system.Stack.Agent.Child.WaitForNewLineAsync(line => line.Contains("(Replicate) started", StringComparison.Ordinal), RunningSystem.WaitMax, RunningSystem.Cancel);
        var run = await OrderFreshAsync();
        await started;
        // Azurite writes also for itself: only what comes during the replication, and more than its own notes, is the replica's.
        var before = system.OffsiteBytes();
        await RunningSystem.UntilAsync(() => Task.FromResult(system.OffsiteBytes() > before + RunningSystem.BigFileBytes));
        system.Stack.Agent.Child.Pause();
        (await system.Control.RunAsync(run.Id, RunningSystem.Cancel)).HasEnded.ShouldBeFalse("the replication ended before it could be interrupted: the tree is too small");
        await system.Stack.Azurite.StopAsync();
        var failure = system.Stack.Agent.Child.WaitForNewLineAsync(line => line.Contains("(Replicate) failed with", StringComparison.Ordinal), TimeSpan.FromMinutes(3), RunningSystem.Cancel);
        system.Stack.Agent.Child.Resume();
        await failure;
        await system.Stack.Azurite.StartAgainAsync(RunningSystem.Cancel);
        await CompletesAsync(run);
        (await system.Control.RecoveryPointsAsync(run.Asset, RunningSystem.Cancel)).Single(p => p.Run == run.Id).Replicas.ShouldAllBe(r => r.State == "checked");
    }

    private Task<LocalStack.Run.RunInfo> OrderFreshAsync()
    {
        system.RewriteBigTree();
        return system.OrderAsync(RunningSystem.Big);
    }

    private async Task CompletesAsync(LocalStack.Run.RunInfo run)
    {
        var ended = await system.EndOfAsync(run);
        ended.State.ShouldBe("succeeded", ended.Reason?.Text);
        await system.RestoresAsync(ended);
        await system.VaultIsSoundAsync();
    }
}
