using System.Globalization;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;
using Shouldly;

namespace Backup.EndToEnd.Tests.Faults;

/// <summary>Kills the agent and the Functions app at random moments of many runs. Started by soak.sh, not with the other tests.</summary>
public sealed class RandomKillSoak(RunningSystem system)
{
    private const int RoundsDefault = 10;

    /// <summary>Longer than a backup with its replication takes here, so that kills also hit waiting, publishing and replicating.</summary>
    private static readonly TimeSpan KillWindow = TimeSpan.FromSeconds(8);

    [Fact(Explicit = true)]
    public async Task Run_KilledAtRandomMoments_IsNeverLostAndEveryPointRestores()
    {
        var rounds = int.Parse(Environment.GetEnvironmentVariable("SOAK_ROUNDS") ?? RoundsDefault.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var seed = int.Parse(Environment.GetEnvironmentVariable("SOAK_SEED") ?? Random.Shared.Next().ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var random = new Random(seed);
        Report($"seed {seed}, {rounds} rounds");
        for (var round = 1; round <= rounds; round++)
        {
            system.RewriteBigTree();
            var run = await system.OrderAsync(RunningSystem.Big);
            List<string> kills = [];
            for (var kill = 0; kill < 1 + random.Next(2); kill++)
            {
                // The moment of the kill is the random input of this test, not a wait for anything.
                await Task.Delay(KillWindow * random.NextDouble(), RunningSystem.Cancel);
                var victim = random.Next(2) == 0 ? system.Stack.Agent : system.Stack.Functions;
                var state = await StateNowAsync(run);
                await victim.KillAsync();
                await victim.StartAsync(RunningSystem.Cancel);
                kills.Add($"{victim.Spec.Name} while {state}");
            }

            var ended = await system.EndOfAsync(run);
            Report($"round {round}: killed {string.Join(", then ", kills)}; run {ended.State} {ended.Reason?.Code}");
            ended.State.ShouldBe("succeeded", $"seed {seed}, round {round}: {ended.Reason?.Text}");
            await system.RestoresAsync(ended);
        }

        await system.VaultIsSoundAsync();
        await NoFalsePointsAsync();
    }

    /// <summary>Every recovery point of the catalog is a snapshot of the vault, and every run has ended.</summary>
    private async Task NoFalsePointsAsync()
    {
        var listing = await ProgramRun.OfOurOwnAsync("Cli",
            ["snapshots", "--vault", system.Stack.Folders.Vault, "--key-file", system.Stack.Secrets.RestoreKey, "--json"], RunningSystem.Cancel);
        foreach (var point in await system.Control.RecoveryPointsAsync(null, RunningSystem.Cancel))
        {
            listing.Output.ShouldContain($"\"{point.Run}\"");
        }

        (await system.Control.RunsAsync(null, RunningSystem.Cancel)).ShouldAllBe(r => r.HasEnded);
    }

    private async Task<string> StateNowAsync(RunInfo run)
    {
        var now = await system.Control.RunAsync(run.Id, RunningSystem.Cancel);
        return now.RecoveryPoint is null ? now.State : now.HasEnded ? "ended" : "replicating";
    }

    private static void Report(string line)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        TestContext.Current.SendDiagnosticMessage(line);
    }
}
