using Backup.AgentApi;
using Backup.Catalog.Alerts;
using Backup.Catalog.Retention;
using Backup.Functions.Capacity;
using Backup.Functions.Http;
using Backup.Functions.Replication;
using Backup.Functions.Retention;
using Backup.Functions.Tests.Scripted;
using Backup.Policy.Archive;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace Backup.Functions.Tests.Retention;

public sealed class RetentionFlowTests(PostgresFixture postgres)
{
    private const string Policy = """
        version: 1
        sites: [ { name: lab } ]
        tiers:
          - { name: offsite-hot, container: replica-hot, accessTier: Hot }
          - { name: offsite-cold, container: replica-cold, accessTier: Cold, prices: { currency: EUR, gigabyteMonth: 2, gigabyteRead: 1, tenThousandReads: 1 } }
        agents: [ { name: lab-agent-1, site: lab, concurrency: 2, caretaker: lab-caretaker }, { name: lab-caretaker, site: lab } ]
        serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1 } } ]
        retention: { approvalAbovePoints: 2, percentMax: 80 }
        assets:
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, paths: [/notes], replicateTo: [offsite-hot, offsite-cold] }
          - { name: held, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, paths: [/held], replicateTo: [], legalHold: true }
        """;

    [Fact]
    public async Task Plan_AboveTheThreshold_NeedsTwoOtherPersons_ThenReallyGoes()
    {
        await using var app = await StartAsync();
        var snapshots = await BackUpAsync(app, "notes", 4);
        var plan = await PostPlanAsync(app, "notes", administrator: "ada");
        (plan.Status, plan.Text("state")).ShouldBe((200, "awaiting-approval"));
        var id = plan.Text("id");
        (await ListAsync(app, "awaiting-approval")).ShouldBe([id]);
        (await ListAsync(app, "ready")).ShouldBeEmpty();

        // One function key, one person, or who asked: none of them gets anywhere.
        (await ExecuteAsync(app, id)).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("it is awaiting-approval"));
        (await ApproveAsync(app, id, null)).Status.ShouldBe(403);
        (await ApproveAsync(app, id, "eve")).Status.ShouldBe(403);
        (await ApproveAsync(app, id, "ada")).Status.ShouldBe(409);
        (await ApproveAsync(app, id, "bea")).Text("state").ShouldBe("awaiting-approval");
        (await ApproveAsync(app, id, "bea")).Text("state").ShouldBe("awaiting-approval");
        (await ExecuteAsync(app, id)).Status.ShouldBe(409);
        (await app.CountAsync("recovery_point where expired_at is not null")).ShouldBe(0);

        (await ApproveAsync(app, id, "cyd")).Text("state").ShouldBe("ready");
        await FinishAsync(app, id);
        (await ShowAsync(app, id)).ShouldSatisfyAllConditions(p => p.Text("state").ShouldBe("done"), p => p.Text("note").ShouldContain("Dropped 3 snapshots"));
        var prunes = app.Agent.Received.Select(r => r.Order).OfType<PruneOrder>().Where(o => !o.DryRun).ToArray();
        prunes.SelectMany(o => o.Drops).Distinct().ShouldBe(snapshots.Take(3));
        prunes.ShouldAllBe(o => !o.AllowsLast);
        (await app.CountAsync("recovery_point where expired_at is not null and removed_at is not null and expired_by is not null")).ShouldBe(3);
        (await app.CountAsync("replica where state = 'removed'")).ShouldBe(6);
        await app.Services.GetRequiredService<Backup.Catalog.Audit.AuditTrail>().VerifyAsync(CancellationToken.None);

        // What was given up is not restored any more, and not offered.
        var gone = (await ShowAsync(app, id)).Body.GetProperty("points")[0].GetProperty("id").GetString()!;
        (await app.CallAsync(r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), new { asset = "notes", target = "/restore", recoveryPoint = gone })).Status.ShouldBe(409);
    }

    [Fact]
    public async Task Timer_SmallPlan_IsExecutedByItself_AndAnAssetUnderLegalHoldKeepsEverything()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 3);
        await BackUpAsync(app, "held", 3);
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("recovery_point where asset = 'notes' and removed_at is not null")).ShouldBe(2);
        (await app.CountAsync("recovery_point where asset = 'held' and expired_at is not null")).ShouldBe(0);
        (await app.CountAsync("retention_plan where state = 'done'")).ShouldBe(1);
    }

    [Fact]
    public async Task Timer_PlanIsTooLargeAShare_IsRefusedAndAlerts_AndOnlyAForcedPlanGoes()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 6);
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("retention_plan where state = 'refused'")).ShouldBe(1);
        var alerts = await app.CallAsync(r => app.Function<AlertHttp>().GetAlerts(r, CancellationToken.None));
        alerts.Body.GetProperty("items").EnumerateArray().ShouldHaveSingleItem().GetProperty("text").GetString()!.ShouldContain("5 of 6 points");

        // Forcing is another request, also in the minute in which the plan was refused.
        (await PostPlanAsync(app, "notes")).Text("state").ShouldBe("refused");
        (await PostPlanAsync(app, "notes", administrator: null, forced: "shortened")).Status.ShouldBe(403);
        var forced = await PostPlanAsync(app, "notes", administrator: "ada", forced: "the rule was shortened");
        forced.Text("state").ShouldBe("awaiting-approval");
        await ApproveAsync(app, forced.Text("id"), "bea");
        await ApproveAsync(app, forced.Text("id"), "cyd");
        await FinishAsync(app, forced.Text("id"));
        (await app.CountAsync("recovery_point where removed_at is not null")).ShouldBe(5);
    }

    [Fact]
    public async Task Execution_CaretakerMayNotPrune_CostsNoPointAndAlerts()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 3);
        app.Agent.Work = (id, order) => order is PruneOrder ? ScriptedAgent.Fail(id, FailureCode.KeyRefused) : ScriptedAgent.Succeed(id, order);
        var id = (await PostPlanAsync(app, "notes")).Text("id");
        await ExecuteAsync(app, id);
        (await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"))).Failure!.Code.ShouldBe("key-refused");
        (await app.CountAsync("recovery_point where expired_at is not null")).ShouldBe(0);
        (await ShowAsync(app, id)).ShouldSatisfyAllConditions(p => p.Text("state").ShouldBe("ready"), p => p.Text("note").ShouldContain("key-refused"));
        (await app.CountAsync("alert where kind = 'retention' and subject = 'lab-agent-1/main' and closed_at is null")).ShouldBe(1);
    }

    [Fact]
    public async Task Execution_StopsAfterGivingUp_TheNextOneGoesOnAndClosesTheAlert()
    {
        await using var app = await StartAsync();
        var snapshots = await BackUpAsync(app, "notes", 3);
        var refuses = true;
        app.Agent.Work = (id, order) => order is PruneOrder { DryRun: false } && refuses ? ScriptedAgent.Fail(id, FailureCode.VaultDamaged) : ScriptedAgent.Succeed(id, order);
        var id = (await PostPlanAsync(app, "notes")).Text("id");
        await ExecuteAsync(app, id);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await ShowAsync(app, id)).Text("state").ShouldBe("running");
        (await app.CountAsync("recovery_point where expired_at is not null and removed_at is null")).ShouldBe(2);

        refuses = false;
        await FinishAsync(app, id);
        (await ShowAsync(app, id)).Text("state").ShouldBe("done");
        app.Agent.Received.Select(r => r.Order).OfType<PruneOrder>().Last(o => !o.DryRun).Drops.ShouldBe(snapshots.Take(2));
        (await app.CountAsync("alert where closed_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task Execution_StopsBetweenItsOrders_WhatIsDroppedIsNotedAndNotDroppedAgain()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 3);
        var log = new string('c', 64);
        var isPruned = false;
        app.Agent.Work = (id, order) =>
        {
            isPruned |= order is PruneOrder { DryRun: false };
            return order is not PruneOrder { DryRun: true } ? ScriptedAgent.Succeed(id, order)
                : isPruned ? ScriptedAgent.Fail(id, FailureCode.VaultDamaged)
                : ScriptedAgent.Succeed(id, order) with { Prune = Pruned([log]) };
        };
        var plan = (await PostPlanAsync(app, "notes")).Text("id");
        await ExecuteAsync(app, plan);
        (await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"))).Failure!.Code.ShouldBe("vault-damaged");
        (await app.CountAsync("recovery_point where removed_at is not null")).ShouldBe(2);
        (await ShowAsync(app, plan)).Text("state").ShouldBe("running");

        app.Agent.Work = ScriptedAgent.SucceedAlways;
        var before = app.Agent.Received.Count;
        await FinishAsync(app, plan);
        app.Agent.Received.Skip(before).Select(r => r.Order).OfType<PruneOrder>().ShouldAllBe(o => o.Drops.Count == 0);
    }

    [Fact]
    public async Task Execution_PacksOfAColdTier_WaitUntilDeletingThemIsFree()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 3);
        var (old, young) = ($"data/0a/0a{new string('0', 62)}", $"data/0b/0b{new string('0', 62)}");
        app.Agent.Deletions = [old, young];
        app.Offsite.Surplus = (replica, query) =>
        {
            query.Dropped.ShouldBe([old, young], ignoreOrder: true);
            query.Live.Count.ShouldBe(1);
            return new OffsiteSurplus([], [new TierObject(old, 1_000_000_000, DateTimeOffset.UtcNow.AddDays(-91)), new TierObject(young, 1_000_000_000, DateTimeOffset.UtcNow.AddDays(-60))]);
        };
        var id = (await PostPlanAsync(app, "notes")).Text("id");
        await FinishAsync(app, id);

        // Both in the hot tier, which bills no minimum; of the cold one the pack that is past its 90 days.
        app.Offsite.Removed.Distinct().ShouldBe([old, young], ignoreOrder: true);
        (await app.CountAsync($"replica_removal where tier = 'offsite-cold' and removed_at is null and object_name = '{young}'")).ShouldBe(1);
        (await app.CountAsync("replica_removal where removed_at is not null")).ShouldBe(3);
        (await ShowAsync(app, id)).Text("note").ShouldContain("1 packs wait");

        // The vault's notes lapse after two weeks; the catalog still knows.
        app.Agent.Deletions = [];
        app.Offsite.Surplus = (replica, query) => replica.Tier.Value == "offsite-cold" && query.Dropped.Contains(young)
            ? new OffsiteSurplus([], [new TierObject(young, 1_000_000_000, DateTimeOffset.UtcNow.AddDays(-91))])
            : new OffsiteSurplus([], []);
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("replica_removal where removed_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task Execution_LogThatACaretakerNames_IsDroppedUnlessTheCatalogKnowsIt()
    {
        await using var app = await StartAsync();
        var snapshots = await BackUpAsync(app, "notes", 3);
        var log = new string('c', 64);
        app.Agent.Work = (id, order) => order is PruneOrder { DryRun: true }
            ? ScriptedAgent.Succeed(id, order) with { Prune = Pruned([log, snapshots[2]]) }
            : ScriptedAgent.Succeed(id, order);
        await FinishAsync(app, (await PostPlanAsync(app, "notes")).Text("id"));
        var dropped = app.Agent.Received.Select(r => r.Order).OfType<PruneOrder>().Where(o => !o.DryRun).SelectMany(o => o.Drops).ToHashSet();
        dropped.ShouldContain(log);
        dropped.ShouldNotContain(snapshots[2]);
    }

    [Fact]
    public async Task Backup_LooksLikeRansomware_FreezesRetentionUntilAnAdministratorLifts()
    {
        await using var app = await StartAsync();
        app.Agent.Work = (id, order) => Changed(ScriptedAgent.Succeed(id, order), bytesNew: 1, bytesStored: 0);
        await BackUpAsync(app, "notes", 6);
        app.Agent.Work = (id, order) => Changed(ScriptedAgent.Succeed(id, order), bytesNew: 95, bytesStored: 95);
        await BackUpAsync(app, "notes", 1, from: 6);
        var shown = await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "notes", CancellationToken.None));
        shown.Body.GetProperty("freeze").GetProperty("run").GetString().ShouldBe("backup-notes-s6");
        shown.Body.GetProperty("signals").EnumerateArray().Select(s => s.GetProperty("kind").GetString()).ShouldContain("deduplication-collapse");

        app.Agent.Work = ScriptedAgent.SucceedAlways;
        (await app.CallAsync(r => app.Function<RetentionHttp>().GetRetention(r, "notes", CancellationToken.None))).Body.GetProperty("deleted").GetInt32().ShouldBe(0);
        (await PostPlanAsync(app, "notes")).Status.ShouldBe(409);
        (await UnfreezeAsync(app, null)).Status.ShouldBe(403);
        (await UnfreezeAsync(app, "bea")).Body.GetProperty("wasFrozen").GetBoolean().ShouldBeTrue();
        (await PostPlanAsync(app, "notes")).Status.ShouldBe(200);
        (await app.CountAsync("alert where kind = 'ransomware' and closed_by = 'bea'")).ShouldBe(1);
    }

    [Fact]
    public async Task Timer_HearsHowFarTheLogReaches_GivesNeedlessBasesUpAndTakesInWhatTheAgentMadeByItself()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: """
            version: 1
            sites: [ { name: lab } ]
            agents: [ { name: lab-agent-1, site: lab } ]
            serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1, continuousFor: 7d } } ]
            retention: { percentMax: 90 }
            assets: [ { name: voids-db, kind: postgres, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, connection: voids, replicateTo: [] } ]
            """);
        var snapshots = await BackUpAsync(app, "voids-db", 4);
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("retention_plan")).ShouldBe(0, "as long as nobody knows about the log, every base backup of the week stays");

        var now = DateTimeOffset.UtcNow;
        SnapshotSummary Summary(string id, string? run, DateTimeOffset at, params (string, string)[] tags) => new()
        {
            SnapshotId = id,
            Asset = "voids-db",
            SourceKind = SourceKind.Postgres,
            VaultId = ScriptedAgent.VaultId,
            StartedAt = at,
            EndedAt = at,
            RunId = run,
            LogUntil = now,
            Tags = tags.ToDictionary(t => t.Item1, t => t.Item2),
        };
        var (own, byHand) = (new string('e', 64), new string('d', 64));
        app.Agent.Pages =
        [
            new SnapshotPage { Snapshots = [Summary(own, null, now.AddDays(-1), ("reason", "log-needs-base-backup")), Summary(byHand, null, now), .. snapshots.Select((s, i) => Summary(s, $"backup-voids-db-s{i}", now.AddMinutes(-1)))] },
        ];
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));

        // The oldest leads through all of the time by its log, and the newest is the newest.
        (await app.CountAsync("recovery_point where expired_at is not null")).ShouldBe(3);
        (await app.CountAsync($"recovery_point where expired_at is null and id in ('{RecoveryPointIdOf(own)}', '{RecoveryPointIdOf(snapshots[3])}')")).ShouldBe(2);
        (await app.CountAsync($"recovery_point where id = '{RecoveryPointIdOf(byHand)}'")).ShouldBe(0, "what people made by hand is theirs");
    }

    [Fact]
    public async Task Agent_WhoseClockIsYearsBehind_ChangesNothingAboutWhatIsKept()
    {
        await using var app = await StartAsync();
        var clocks = new Queue<int>([0, -12, 0, -7]);
        app.Agent.Work = (id, order) => order is BackupOrder ? Dated(ScriptedAgent.Succeed(id, order), DateTimeOffset.UtcNow.AddYears(clocks.Dequeue())) : ScriptedAgent.Succeed(id, order);
        var snapshots = await BackUpAsync(app, "notes", 4);
        await TickAsync(app);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));

        // Whatever the agent's clock said, the point that came in last is there; and one more at most, which that clock calls the newest.
        var last = RecoveryPointIdOf(snapshots[^1]);
        (await app.CountAsync($"recovery_point where id = '{last}' and expired_at is null")).ShouldBe(1);
        (await app.CountAsync("recovery_point where asset = 'notes' and expired_at is null")).ShouldBeInRange(1, 2);
    }

    [Fact]
    public async Task Agent_WhoseClockIsYearsAhead_MakesNoPointThatOutlivesTheRest()
    {
        await using var app = await StartAsync();
        var snapshots = await BackUpAsync(app, "notes", 2);
        app.Agent.Work = (id, order) => order is BackupOrder ? Dated(ScriptedAgent.Succeed(id, order), DateTimeOffset.UtcNow.AddYears(5)) : ScriptedAgent.Succeed(id, order);
        var ahead = await app.BackUpAsync("notes", "ahead");
        (ahead.State, ahead.RecoveryPoint, ahead.Reason!.Code).ShouldBe(("failed", null, "receipt-refused"));
        (await app.CallAsync(r => app.Function<RetentionHttp>().GetRetention(r, "notes", CancellationToken.None))).Body.GetProperty("kept").GetInt32().ShouldBe(1);
        (await app.CountAsync($"recovery_point where id = '{RecoveryPointIdOf(snapshots[^1])}' and expired_at is null")).ShouldBe(1);
    }

    [Fact]
    public async Task Protection_IsKeptAsItChanges()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 2);
        app.Offsite.Looks["offsite-cold"] = new ReplicaLook(IsSound: false, 10, 4, 400, "one is missing");
        await BackUpAsync(app, "notes", 1, from: 2);
        var history = (await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtectionHistory(r, "notes", CancellationToken.None))).Body.GetProperty("items");
        history.EnumerateArray().Select(h => h.GetProperty("copies").GetInt32()).ShouldBe([3, 4]);
    }

    [Fact]
    public async Task Capacity_IsSampledForecastAndAlerted()
    {
        await using var app = await StartAsync();
        await BackUpAsync(app, "notes", 1);
        var now = DateTimeOffset.UtcNow;
        var store = app.Services.GetRequiredService<Backup.Catalog.Capacity.CapacityStore>();
        for (var day = 10; day > 0; day--)
        {
            await store.AddAsync(Backup.Catalog.Capacity.PlaceKind.Vault, "lab-agent-1/main", new(now.AddDays(-day), 700 - (day * 50)), 1000, CancellationToken.None);
        }

        await app.Function<CapacityTimer>().RunAsync(new TimerInfo(), CancellationToken.None);
        var shown = (await app.CallAsync(r => app.Function<CapacityHttp>().GetCapacity(r, CancellationToken.None))).Body;
        var vault = shown.GetProperty("places").EnumerateArray().Single(p => p.GetProperty("kind").GetString() == "vault");
        vault.GetProperty("bytesUsed").GetInt64().ShouldBe(750);
        vault.GetProperty("bytesPerDay").GetDouble().ShouldBe(50, 5);
        vault.GetProperty("alert").GetString().ShouldBe("critical");
        shown.GetProperty("places").EnumerateArray().Count(p => p.GetProperty("kind").GetString() == "tier" && p.GetProperty("bytesUsed").GetInt64() == 1000).ShouldBe(2);
        shown.GetProperty("assets").EnumerateArray().Single().GetProperty("deduplication").GetDouble().ShouldBe(2);
        (await app.Services.GetRequiredService<AlertStore>().ListAsync(true, null, 10, CancellationToken.None)).Items.ShouldHaveSingleItem().Subject.ShouldBe("vault lab-agent-1/main");
    }

    private static PruneResult Pruned(string[] log) => new() { SnapshotsDropped = 0, LogSnapshots = log, PacksMarked = 0, PacksRepacked = 0, PacksDeleted = 0, BytesFreed = 0, BytesFreedLater = 0 };

    private static JobReport Dated(JobReport report, DateTimeOffset at) => report with { Backup = report.Backup! with { StartedAt = at.AddSeconds(-1), EndedAt = at } };

    private static string RecoveryPointIdOf(string snapshot) => Backup.Catalog.RecoveryPointId.Of(ScriptedAgent.VaultId, snapshot).Value;

    private async Task<TestApp> StartAsync() => await TestApp.StartAsync(postgres, policy: Policy);

    private static JobReport Changed(JobReport report, long bytesNew, long bytesStored) =>
        report.Backup is { } backup ? report with { Backup = backup with { BytesNew = bytesNew, BytesStored = bytesStored } } : report;

    private static async Task<string[]> BackUpAsync(TestApp app, string asset, int count, int from = 0)
    {
        var snapshots = new List<string>();
        for (var i = from; i < from + count; i++)
        {
            var outcome = await app.BackUpAsync(asset, $"s{i}");
            snapshots.Add((await app.Points.FindAsync(new(outcome.RecoveryPoint!), CancellationToken.None))!.Snapshot.SnapshotId);
        }

        return [.. snapshots];
    }

    private static Task<HttpReply> PostPlanAsync(TestApp app, string asset, string? administrator = null, string? forced = null) =>
        app.CallAsync(r => app.Function<RetentionHttp>().PostRetentionPlan(r, CancellationToken.None), new { asset, forcedReason = forced, slot = "one" }, administrator: administrator);

    private static async Task<IEnumerable<string?>> ListAsync(TestApp app, string state) =>
        (await app.CallAsync(r => app.Function<RetentionHttp>().GetRetentionPlans(r, CancellationToken.None), query: $"?state={state}")).Body.GetProperty("items").EnumerateArray().Select(p => p.GetProperty("id").GetString());

    private static Task<HttpReply> ApproveAsync(TestApp app, string id, string? administrator) =>
        app.CallAsync(r => app.Function<RetentionHttp>().PostRetentionApproval(r, id, CancellationToken.None), administrator: administrator);

    private static Task<HttpReply> ShowAsync(TestApp app, string id) => app.CallAsync(r => app.Function<RetentionHttp>().GetRetentionPlan(r, id, CancellationToken.None));

    private static Task<HttpReply> ExecuteAsync(TestApp app, string id) => app.CallAsync(r => app.Function<RetentionHttp>().PostRetentionExecution(r, id, app.Client, CancellationToken.None));

    private static Task<HttpReply> UnfreezeAsync(TestApp app, string? administrator) =>
        app.CallAsync(r => app.Function<RetentionHttp>().PostUnfreeze(r, "notes", CancellationToken.None), new { reason = "a new camera" }, administrator: administrator);

    private static async Task FinishAsync(TestApp app, string id)
    {
        (await ExecuteAsync(app, id)).Status.ShouldBe(202);
        (await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"))).Failure.ShouldBeNull();
        (await app.Services.GetRequiredService<RetentionStore>().FindAsync(id, CancellationToken.None))!.State.ShouldBe(PlanState.Done);
    }

    private static Task TickAsync(TestApp app) => app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
}
