using Backup.Services.Testing;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;
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
