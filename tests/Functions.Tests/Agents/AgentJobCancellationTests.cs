using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Agents;

public sealed class AgentJobCancellationTests(PostgresFixture postgres)
{
    private const int Jobs = 16;

    /// <summary>A job of days continues as new; a cancellation that comes just then was once consumed by the generation that ended.</summary>
    [Fact]
    public async Task Cancel_AroundTheEndOfAGeneration_IsNeverLost()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = int.MaxValue;
        var instances = Enumerable.Range(0, Jobs).ToDictionary(n => OrderId.Derive($"key-{n}", "1"), n => $"job-{n}");
        app.Agent.Polled = (order, polls) =>
        {
            if (polls == AgentJob.QuestionsPerGeneration)
            {
                _ = CancelAsync(instances[order]);
            }
        };
        foreach (var n in Enumerable.Range(0, Jobs))
        {
            var request = new AgentJobRequest
            {
                Agent = "lab-agent-1",
                OrderKey = $"key-{n}",
                Task = new AgentTask { Backup = new BackupTask { Run = $"run-{n}", Asset = "config", Kind = "files", Vault = "main", Paths = ["/etc"] } },
                Patience = new JobPatience { PollMilliseconds = 20 },
            };
            await app.Client.StartOnceAsync(nameof(AgentJob), $"job-{n}", request, CancellationToken.None);
        }

        var outcomes = await Task.WhenAll(instances.Values.Select(app.OutcomeAsync<JobOutcome>));

        outcomes.ShouldAllBe(outcome => outcome.Failure!.Code == "cancelled");

        // At the last question, each a little later than the one before: some before its answer, some in the wait behind it, some in the next generation.
        async Task CancelAsync(string instance)
        {
            await Task.Delay(int.Parse(instance["job-".Length..], System.Globalization.CultureInfo.InvariantCulture) * 3);
            await app.Client.RaiseEventAsync(instance, AgentJob.CancelEvent, "test", CancellationToken.None);
        }
    }
}
