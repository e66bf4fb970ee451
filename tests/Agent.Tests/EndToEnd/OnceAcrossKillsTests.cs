using Backup.AgentApi;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>One order id, however often it is sent and whatever dies meanwhile, is one job. Relay and agent are processes; they are killed for real.</summary>
public sealed class OnceAcrossKillsTests
{
    private const int Orders = 10;
    private const int SendingsEach = 6;
    private const int Kills = 8;

    [Fact]
    public async Task OrdersSentAgainAndAgain_WhileRelayAndAgentAreKilled_AreDoneOnceAndAnsweredFromTheJournal()
    {
        var cancel = TestContext.Current.CancellationToken;
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        await using var bench = await AgentBench.StartAsync(isRelayAProcess: true);
        bench.FillData(20, 100_000);
        var agent = AgentProcess.Start(bench.ConfigFile);
        try
        {
            await agent.WaitUntilOnlineAsync(cancel);
            using var answered = new SemaphoreSlim(0);
            // Each id is sent by several senders one after another: most sendings are repetitions, many of them into a restart.
            var senders = Enumerable.Range(0, SendingsEach).Select(async _ =>
            {
                var tickets = new List<JobTicket>();
                for (var order = 0; order < Orders; order++)
                {
                    tickets.Add((await bench.OrderAsync($"backup-{order}", bench.Backup() with { RunId = $"run-{order}" })).Value.ShouldNotBeNull());
                    answered.Release();
                }

                return tickets;
            }).ToArray();
            var random = new Random(seed);
            for (var kill = 0; kill < Kills; kill++)
            {
                // After some answers, at no particular point of what the others are doing.
                for (var few = random.Next(1, 5); few > 0; few--)
                {
                    await answered.WaitAsync(cancel);
                }

                if (kill % 4 == 3)
                {
                    await agent.KillAsync();
                    agent.Dispose();
                    agent = AgentProcess.Start(bench.ConfigFile);
                }
                else
                {
                    await bench.RestartRelayAsync();
                }
            }

            await Task.WhenAll(senders);

            var reports = new List<JobReport>();
            for (var order = 0; order < Orders; order++)
            {
                reports.Add(await bench.WaitForEndAsync($"backup-{order}"));
            }

            reports.ShouldAllBe(report => report.State == JobState.Succeeded);
            // What was committed: one snapshot for each id and nothing else.
            var made = (await bench.SnapshotsAsync()).ToDictionary(snapshot => snapshot.Tags["order"], snapshot => snapshot.Id.ToString());
            made.Count.ShouldBe(Orders);
            reports.Select(report => (report.OrderId.Value, report.Backup!.SnapshotId)).ShouldBe(made.Select(m => (m.Key, m.Value)), ignoreOrder: true);

            // After all that: the same order is answered as before, and nothing is done again.
            await bench.RestartRelayAsync();
            var again = (await bench.OrderAsync("backup-0", bench.Backup() with { RunId = "run-0" })).Value.ShouldNotBeNull();
            again.State.ShouldBe(JobState.Succeeded);
            (await bench.AskAsync("backup-0", 0)).Backup!.SnapshotId.ShouldBe(made["backup-0"]);
            (await bench.OrderAsync("backup-0", bench.Backup() with { RunId = "another" })).Refusal!.Code.ShouldBe(FailureCode.OrderIdReused);
            (await bench.SnapshotsAsync()).Count.ShouldBe(Orders);
        }
        finally
        {
            agent.Dispose();
        }
    }
}
