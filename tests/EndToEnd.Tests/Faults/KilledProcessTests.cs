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
