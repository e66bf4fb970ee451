using System.Diagnostics;
using Backup.AgentApi;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The agent as a real process: killed, stopped, started again, misconfigured.</summary>
public sealed class AgentProcessTests : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync() => _bench = await AgentBench.StartAsync();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task KilledAgainAndAgainWhileItBacksUp_LosesNothingAndCommitsOnce()
    {
        _bench.FillData(60, 1 << 20);
        using (var agent = AgentProcess.Start(_bench.ConfigFile))
        {
            await agent.WaitUntilOnlineAsync(_cancel);
            (await _bench.OrderAsync("backup-1", _bench.Backup())).Value.ShouldNotBeNull();
            await agent.KillAsync(); // The answer was journaled: the job must not be forgotten.
        }

        for (var kill = 0; kill < 3; kill++)
        {
            using var agent = AgentProcess.Start(_bench.ConfigFile);
            await agent.WaitUntilOnlineAsync(_cancel);
            // Somewhere in the work: each life copies on for as long as one question takes.
            (await _bench.AskAsync("backup-1", 0)).State.ShouldNotBe(JobState.Unknown);
            await agent.KillAsync();
        }

        using var last = AgentProcess.Start(_bench.ConfigFile);
        await last.WaitUntilOnlineAsync(_cancel);
        var report = await _bench.WaitForEndAsync("backup-1");
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        (await _bench.SnapshotsAsync()).ShouldHaveSingleItem().Id.ToString().ShouldBe(report.Backup!.SnapshotId);
        var restore = await _bench.RunAsync("restore-1", AgentBench.Restore(report.Backup.SnapshotId, _bench.Scratch["restore/a"]));
        restore.State.ShouldBe(JobState.Succeeded, restore.Failure?.Message);
        _bench.ShouldBeRestored(_bench.Scratch["restore/a"]);
    }

    [Fact]
    public async Task Terminated_WhileJobsWait_EndsCleanlyAndGoesOnAfterTheRestart()
    {
        _bench.Configure(extra: "concurrentJobs: 1");
        _bench.FillData(20, 1 << 20);
        using (var agent = AgentProcess.Start(_bench.ConfigFile))
        {
            await agent.WaitUntilOnlineAsync(_cancel);
            foreach (var id in (string[])["backup-1", "backup-2", "backup-3"])
            {
                (await _bench.OrderAsync(id, _bench.Backup() with { Asset = id })).Value.ShouldNotBeNull();
            }

            agent.Terminate();
            (await agent.WaitAsync(_cancel)).ShouldBe(0, agent.Output);
        }

        using var again = AgentProcess.Start(_bench.ConfigFile);
        await again.WaitUntilOnlineAsync(_cancel);
        foreach (var id in (string[])["backup-1", "backup-2", "backup-3"])
        {
            (await _bench.WaitForEndAsync(id)).State.ShouldBe(JobState.Succeeded);
        }

        (await _bench.SnapshotsAsync()).Select(s => s.Asset).Order().ShouldBe(["backup-1", "backup-2", "backup-3"]);
    }

    [Fact]
    public async Task Cancel_WaitingJob_NeverRuns()
    {
        _bench.Configure(extra: "concurrentJobs: 1");
        _bench.FillData(3, 1 << 10);
        // A pipe in the place of a snapshot object: the first job waits in its open until this test lets it go on.
        var (barrier, aside) = (Path.Combine(_bench.VaultFolder, "snapshots", "ab", "ab" + new string('0', 62)), _bench.Scratch["barrier"]);
        Directory.CreateDirectory(Path.GetDirectoryName(barrier)!);
        await Process.Start("mkfifo", [barrier]).WaitForExitAsync(_cancel);
        using var agent = AgentProcess.Start(_bench.ConfigFile);
        await agent.WaitUntilOnlineAsync(_cancel);
        foreach (var (id, asset) in new[] { ("backup-1", "first"), ("backup-2", "second"), ("backup-3", "third") })
        {
            (await _bench.OrderAsync(id, _bench.Backup() with { Asset = asset })).Value.ShouldNotBeNull();
        }

        await _bench.OrderAsync("cancel-2", new CancelOrder { OrderId = OrderId.Parse("backup-2") });
        (await _bench.WaitForEndAsync("backup-2")).State.ShouldBe(JobState.Cancelled);
        (await _bench.AskAsync("backup-3", 0)).State.ShouldBe(JobState.Queued, "the first job still has the only place");

        File.Move(barrier, aside);
        await using (File.OpenWrite(aside))
        {
            // Opened and closed: an empty object, which is no snapshot, so the first job fails and the place is free.
        }

        (await _bench.WaitForEndAsync("backup-1")).State.ShouldBe(JobState.Failed);
        (await _bench.WaitForEndAsync("backup-3")).State.ShouldBe(JobState.Succeeded);
        (await _bench.AskAsync("backup-2", 0)).State.ShouldBe(JobState.Cancelled);
        (await _bench.SnapshotsAsync()).ShouldHaveSingleItem().Asset.ShouldBe("third");
    }

    [Fact]
    public async Task Start_SecondAgentOnOneStateFolder_IsRefused()
    {
        using var first = AgentProcess.Start(_bench.ConfigFile);
        await first.WaitUntilOnlineAsync(_cancel);
        using var second = AgentProcess.Start(_bench.ConfigFile);

        (await second.WaitAsync(_cancel)).ShouldBe(1);
        second.Output.ShouldContain("held by another agent process");
    }

    [Fact]
    public async Task Start_DamagedJournal_IsRefusedAndSaysWhatToDo()
    {
        Directory.CreateDirectory(_bench.Scratch["state"]);
        await File.WriteAllTextAsync(_bench.Scratch["state/jobs.journal"], "this is not a journal at all", _cancel);
        using var agent = AgentProcess.Start(_bench.ConfigFile);

        (await agent.WaitAsync(_cancel)).ShouldBe(78);
        agent.Output.ShouldContain("is damaged at byte 0");
        agent.Output.ShouldContain("Hint: ");
    }

    [Theory]
    [InlineData(2, "Usage: Backup.Agent", "--frobnicate")]
    [InlineData(2, "Usage: Backup.Agent")]
    [InlineData(0, "0.1.0", "--version")]
    [InlineData(78, "cannot be read", "--config", "/does/not/exist.yaml")]
    public async Task Start_CommandLine_IsAnsweredWithoutRunning(int code, string says, params string[] arguments)
    {
        using var agent = AgentProcess.StartWith(arguments);

        (await agent.WaitAsync(_cancel)).ShouldBe(code);
        agent.Output.ShouldContain(says);
    }

    [Fact]
    public async Task ManagedIdentity_InPlaceOfAKey_ListensOnceTheMachineGivesATokenAndAnswersOrders()
    {
        await using var machine = await ManagedIdentityStub.StartAsync();
        machine.Faults = 1; // As right after a boot: no reason to give up.
        _bench.Configure(relayIdentity: "managed");
        using var agent = AgentProcess.StartIn(machine.Environment, _bench.ConfigFile);
        await agent.WaitUntilOnlineAsync(_cancel);

        (await _bench.OrderAsync("health", new HealthQuery())).Value.ShouldNotBeNull();
        machine.Asked.Distinct().ShouldHaveSingleItem().ShouldBe("https://relay.azure.net");
        agent.Terminate();
        (await agent.WaitAsync(_cancel)).ShouldBe(0, agent.Output);
        agent.Output.ShouldContain("No token for the relay could be made");
        agent.Output.ShouldNotContain("e30.");
        agent.Output.ShouldNotContain("machine-secret");
    }

    [Fact]
    public async Task Output_OfAWholeBackup_HoldsNoSecret()
    {
        _bench.FillData(1, 10);
        using var agent = AgentProcess.Start(_bench.ConfigFile);
        await agent.WaitUntilOnlineAsync(_cancel);
        await _bench.RunAsync("backup-1", _bench.Backup());
        agent.Terminate();
        (await agent.WaitAsync(_cancel)).ShouldBe(0);

        agent.Output.ShouldContain("Listening for orders as lab-agent-1");
        agent.Output.ShouldContain("backup-1");
        agent.Output.ShouldNotContain("listen-key");
        agent.Output.ShouldNotContain("SharedAccessSignature");
        foreach (var secret in (string[])["agent.identity", "backup.key", "restore.key"])
        {
            foreach (var line in (await File.ReadAllLinesAsync(_bench.Scratch[secret], _cancel)).Where(l => l.Length > 40 && !l.StartsWith('#')))
            {
                agent.Output.ShouldNotContain(line);
            }
        }
    }
}
