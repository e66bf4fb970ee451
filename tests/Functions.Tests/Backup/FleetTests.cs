using Backup.AgentApi;
using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Tests.Scripted;
using Backup.Policy.States;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Backups;

public sealed class FleetTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Fleet_OneAssetFails_TheOthersGoOn()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Work = (id, order) => order is BackupOrder { Asset: "notes" } ? ScriptedAgent.Fail(id, FailureCode.SourceMissing) : ScriptedAgent.Succeed(id, order);
        var outcomes = await RunFleetAsync(app, "notes", "config", "voids-db");
        outcomes.OrderBy(o => o.Asset, StringComparer.Ordinal).Select(o => (o.Asset, o.State)).ShouldBe([("config", "succeeded"), ("notes", "failed"), ("voids-db", "succeeded")]);
    }

    [Fact]
    public async Task Fleet_AgentWithTwoLanes_NeverRunsThree()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = 3;
        (await RunFleetAsync(app, "notes", "config", "voids-db", "fits-files")).ShouldAllBe(o => o.State == "succeeded");
        app.Agent.BackupsAtOnceMax.ShouldBeInRange(1, 2);
    }

    [Fact]
    public async Task Timer_FiredTwiceInAMinute_StartsOneFleetOfEveryDueAsset()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var app = await TestApp.StartAsync(postgres);
        await FireAsync(app, clock);
        await FireAsync(app, clock);

        var fleet = await app.OutcomeAsync<RunOutcome[]>(InstanceIds.Fleet(InstanceIds.SlotOf(clock.GetUtcNow())));
        fleet.Select(o => o.Asset).Order().ShouldBe(["config", "fits-files", "notes", "voids-db"]); // Two lanes, and two that wait behind them.
        app.Agent.BackupsAtOnceMax.ShouldBeInRange(1, 2);

        clock.Advance(TimeSpan.FromMinutes(1));
        await FireAsync(app, clock);
        (await app.Client.GetInstanceAsync(InstanceIds.Fleet(InstanceIds.SlotOf(clock.GetUtcNow())), CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task Timer_CatalogIsAway_SkipsTheMinute()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await using var nowhere = Npgsql.NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=x;Timeout=2");
        var database = new Catalog.Database.CatalogDatabase(nowhere);
        var runs = new RunStore(database, new Catalog.Audit.AuditTrail(database, TimeProvider.System), TimeProvider.System);
        var timer = ActivatorUtilities.CreateInstance<ScheduleTimer>(app.Services, runs);
        await timer.RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        app.Agent.JobCount.ShouldBe(0);
    }

    [Theory]
    [InlineData(false, RunState.Failed)]
    [InlineData(true, RunState.Partial)]
    public async Task Timer_OrchestrationWasTerminated_ItsRunIsClosed(bool published, RunState expected)
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = int.MaxValue;
        var id = InstanceIds.Backup("config", "s1");
        await app.Client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = "config", RequestedBy = "test" }, CancellationToken.None);
        while ((await app.Runs.FindAsync(new(id), CancellationToken.None))?.State is not RunState.Running)
        {
            await Task.Delay(10);
        }

        if (published)
        {
            var result = ScriptedAgent.Succeed(OrderId.NewRandom(), new BackupOrder { RunId = id, Asset = "config", SourceKind = SourceKind.Files, Vault = "main" }).Backup!;
            await app.Points.PublishAsync(
                new(new(id), new("config"), new(result.VaultId, result.SnapshotId, Policy.SourceKind.Files, result.EndedAt, result.StartedAt, 1, 1, 1, 1, 0, [], null)), CancellationToken.None);
        }

        await app.Client.TerminateInstanceAsync(id, new TerminateInstanceOptions(Recursive: true), CancellationToken.None);
        await app.Client.WaitForInstanceCompletionAsync(id, CancellationToken.None);
        clock.Advance(RunReconciliation.AgeMin * 5);
        await FireAsync(app, clock);

        var run = (await app.Runs.FindAsync(new(id), CancellationToken.None))!;
        (run.State, run.Reason!.Code).ShouldBe((expected, ReasonCodes.Abandoned));
    }

    [Fact]
    public async Task Purge_OldOrchestrations_AreForgottenAndTheCatalogIsNot()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var outcome = await app.BackUpAsync("config");
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await new HistoryPurge(clock).RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        (await app.Client.GetInstanceAsync(outcome.Run, CancellationToken.None)).ShouldNotBeNull();

        clock.Advance(HistoryPurge.AgeMax + TimeSpan.FromMinutes(5));
        await new HistoryPurge(clock).RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        (await app.Client.GetInstanceAsync(outcome.Run, CancellationToken.None)).ShouldBeNull();

        // Asked for again, long afterwards: the run is known to have ended, and nothing is backed up twice.
        (await app.BackUpAsync("config")).RecoveryPoint.ShouldBe(outcome.RecoveryPoint);
        app.Agent.JobCount.ShouldBe(1);
    }

    [Fact]
    public async Task Fleet_ItsTimeIsOver_EachLaneStartsOneAndLeavesTheRestToTheNextFleet()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var request = new FleetRequest
        {
            Slot = "s1",
            RequestedBy = "test",
            Members = [.. new[] { "config", "voids-db", "fits-files" }.Select(a => new FleetMember(a, "lab-agent-1", 1))],
            StartUntil = TimeProvider.System.GetUtcNow().AddMinutes(-1),
        };
        await app.Client.StartOnceAsync(nameof(FleetBackup), InstanceIds.Fleet("s1"), request, CancellationToken.None);
        (await app.OutcomeAsync<RunOutcome[]>(InstanceIds.Fleet("s1"))).Single().Asset.ShouldBe("config");
        app.Agent.JobCount.ShouldBe(1);
    }

    /// <summary>Only the timer lives in another time: the engine's own waits stay real.</summary>
    private static Task FireAsync(TestApp app, TimeProvider clock)
    {
        var reconciliation = ActivatorUtilities.CreateInstance<RunReconciliation>(app.Services, clock);
        return ActivatorUtilities.CreateInstance<ScheduleTimer>(app.Services, reconciliation, clock).RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
    }

    private static async Task<RunOutcome[]> RunFleetAsync(TestApp app, params string[] assets)
    {
        var request = new FleetRequest { Slot = "s1", RequestedBy = "test", Members = [.. assets.Select(a => new FleetMember(a, "lab-agent-1", 2))] };
        await app.Client.StartOnceAsync(nameof(FleetBackup), InstanceIds.Fleet("s1"), request, CancellationToken.None);
        return await app.OutcomeAsync<RunOutcome[]>(InstanceIds.Fleet("s1"));
    }
}
