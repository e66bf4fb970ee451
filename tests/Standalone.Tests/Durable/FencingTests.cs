using Backup.Services.Testing;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Npgsql;
using Shouldly;

namespace Backup.Standalone.Tests.Durable;

public sealed class FencingTests(PostgresFixture postgres)
{
    private static readonly DateTime Noon = new(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);

    [Fact]
    public async Task Commit_UnderAClaimThatAnotherHasTakenOver_IsRefusedAndLeavesNothing()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), r => r
            .AddOrchestratorFunc("Waits", context => context.WaitForExternalEvent<string>("go")));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await app.Client.WaitForInstanceStartAsync(id);
        var history = await app.Client.GetOrchestrationHistoryAsync(id);
        var instance = (await app.Hub.Queries.FindAsync(id, CancellationToken.None))!;
        var stale = new TurnClaim(id, instance.ExecutionId, Owner: 0, Fence: 1, Attempts: 1);

        var outcome = await app.Hub.Committer.CommitAsync(
            new TurnCommit(stale)
            {
                HistoryLength = 2,
                Appended = [new HistoryRecord(EventType.ExecutionCompleted, -1, -1, Noon)],
                Messages = [new InboxMessage(id, EventType.EventRaised) { Name = "go" }],
                Change = new InstanceChange(OrchestrationRuntimeStatus.Completed, null),
                Time = Noon,
            },
            CancellationToken.None);

        outcome.ShouldBe(CommitOutcome.Refused);
        (await app.Client.GetOrchestrationHistoryAsync(id)).Count.ShouldBe(history.Count);
        (await app.Client.GetInstanceAsync(id))!.RuntimeStatus.ShouldBe(OrchestrationRuntimeStatus.Running);
    }

    [Fact]
    public async Task ResultOfAnActivity_ThatAnotherHasTakenOver_IsRefused()
    {
        await using var app = await DurableApp.StartAsync(await postgres.CreateDatabaseAsync(), _ => { });
        var claim = new ActivityClaim(12345, 0, 1, new ActivityCall("gone", Guid.NewGuid(), 0, "A", string.Empty, null));

        var outcome = await app.Hub.Committer.CommitAsync(
            new ActivityCommit(claim, new InboxMessage("gone", EventType.TaskCompleted)), CancellationToken.None);

        outcome.ShouldBe(CommitOutcome.Refused);
    }

    [Fact]
    public async Task SessionsOfADeadWorker_AreEnded_SoThatItsLocksDoNotHoldUpWhoTakesOver()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var app = await DurableApp.StartAsync(
            database, r => r.AddOrchestratorFunc<object?, string>("Waits", (context, _) => context.WaitForExternalEvent<string>("go")), o => o.Lease = TimeSpan.FromSeconds(2));
        var id = await app.Client.ScheduleNewOrchestrationInstanceAsync("Waits");
        await app.Client.WaitForInstanceStartAsync(id);

        // A worker that was stopped inside a statement: its session is neither idle nor gone, and holds the instance's row.
        await using var stuck = NpgsqlDataSource.Create($"{database};Application Name={DurableDatabase.SessionPrefix}stopped;Search Path=hub_durablehub");
        await using var connection = await stuck.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var claim = stuck.CreateCommand($"""
            WITH w AS (INSERT INTO workers (host, lease_until, renewed_at) VALUES ('there/1/stopped', now() + interval '2 seconds', now()) RETURNING worker_id)
            UPDATE dispatch SET owner = w.worker_id FROM w WHERE instance_id = '{id}'
            """))
        {
            await claim.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        await using var hold = new NpgsqlCommand($"SELECT 1 FROM dispatch WHERE instance_id = '{id}' FOR UPDATE", connection, transaction);
        await hold.ExecuteScalarAsync(TestContext.Current.CancellationToken);

        await app.Client.RaiseEventAsync(id, "go", "went");

        (await app.CompleteAsync(id)).ReadOutputAs<string>().ShouldBe("went");
    }

    [Fact]
    public void InOrder_ClockJumpedBack_KeepsTheOrderOfSending_AndTimersTheirPlace()
    {
        var ordered = WorkReader.InOrder(
        [
            Message(1, EventType.TimerFired, 30),
            Message(2, EventType.EventRaised, 20),
            Message(3, EventType.EventRaised, 10),
            Message(4, EventType.EventRaised, 40),
        ]);

        ordered.Select(m => m.MessageId).ShouldBe([2L, 3, 1, 4]);
    }

    [Fact]
    public void TimeOfATurn_NeverGoesBack_WhateverTheClockDoes()
    {
        var claim = new TurnClaim("i", Guid.NewGuid(), 1, 1, 1);
        var instance = new InstanceRecord("i", claim.ExecutionId, "N", string.Empty);
        HistoryRecord[] history = [new(EventType.OrchestratorStarted, -1, -1, Noon)];

        var after = new TurnOutcome(new TurnWork(claim, instance, history, []), Noon.AddHours(-1)).NewEvents().First().At;
        var fired = new TurnOutcome(new TurnWork(claim, instance, history, [Message(1, EventType.TimerFired, 90)]), Noon.AddHours(-1)).NewEvents().First().At;

        after.ShouldBe(Noon);
        fired.ShouldBe(Noon.AddSeconds(90));
    }

    private static InboxMessage Message(long id, EventType kind, int second) => new("i", kind) { MessageId = id, VisibleAt = Noon.AddSeconds(second) };
}
