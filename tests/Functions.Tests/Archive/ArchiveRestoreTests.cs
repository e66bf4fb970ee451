using System.Globalization;
using Backup.AgentApi;
using Backup.Catalog.Archive;
using Backup.Functions.Archive;
using Backup.Functions.Backups;
using Backup.Functions.Groups;
using Backup.Functions.Http;
using Backup.Functions.Restores;
using Backup.Functions.Retention;
using Backup.Functions.Tests.Scripted;
using Backup.Policy.Archive;
using Backup.Policy.States;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace Backup.Functions.Tests.Archive;

public sealed class ArchiveRestoreTests(PostgresFixture postgres)
{
    private const long Gigabyte = 1_000_000_000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private const string Policy = """
        version: 1
        sites: [ { name: lab } ]
        tiers:
          - { name: deep, container: replica-deep, accessTier: Archive, prices: { currency: EUR, gigabyteMonth: 0.002, gigabyteRead: 1, gigabyteReadHigh: 10, tenThousandReads: 0 } }
          - { name: hot, container: replica-hot, accessTier: Hot }
        agents: [ { name: lab-agent-1, site: lab } ]
        archive: { approvalAboveCost: 20, keepCopies: 1h }
        assets:
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/notes], replicateTo: [deep, hot] }
          - { name: voids, kind: postgres, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, connection: voids, replicateTo: [deep] }
        """;

    [Fact]
    public async Task Plan_ShowsBytesHoursAndCostByPriority_AndPaysForNothing()
    {
        await using var app = await StartAsync(packs: 10, ready: 2);
        var id = await PlanAsync(app);

        var shown = await ShowAsync(app, id);
        shown.Text("state").ShouldBe("planned");
        var plan = shown.Body.GetProperty("plan");
        (plan.GetProperty("packs").GetInt32(), plan.GetProperty("packsArchived").GetInt32(), plan.GetProperty("packBytes").GetInt64(), plan.GetProperty("bytesArchived").GetInt64())
            .ShouldBe((10, 8, 10 * Gigabyte, 8 * Gigabyte));
        plan.GetProperty("offers").EnumerateArray()
            .Select(o => (o.GetProperty("priority").GetString(), o.GetProperty("hoursMax").GetDouble(), o.GetProperty("cost").GetDecimal(), o.GetProperty("approvalsNeeded").GetInt32()))
            .ShouldBe([("standard", 15, 8m, 0), ("high", 1, 80m, 2)]);
        app.Archive.Requests.ShouldBeEmpty();
        (await app.CountAsync("restore")).ShouldBe(0);

        // Asking again is asking once; the ordinary way is closed, with a word about this one.
        (await PostAsync(app)).Body.GetProperty("isNew").GetBoolean().ShouldBeFalse();
        var refused = await app.CallAsync(r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), Body());
        (refused.Status, refused.Text("detail")).ShouldBe((409, "POST /api/archive-restores with the same body plans that."));
        (await app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), new { asset = "notes", target = "/restore/x", from = "hot" })).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Start_PacksComeBackBitByBit_RestoresWhatIsReadyThenEverything()
    {
        await using var app = await StartAsync(packs: 10);
        var id = await PlanAsync(app);
        (await StartAsync(app, id, "standard")).Status.ShouldBe(202);
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 10);
        app.Archive.Requests.SelectMany(r => r.Packs).ShouldBe(Packs(10));

        foreach (var pack in Packs(5))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        await UntilAsync(() => Restores(app).Any(o => o.Archive == ArchiveReading.Ready));
        await UntilAsync(async () => (await ShowAsync(app, id)).Body is var shown && shown.GetProperty("filesRestored").GetInt64() == 7 && shown.GetProperty("packsReady").GetInt32() == 5);
        (await ShowAsync(app, id)).Text("state").ShouldBe("running");
        (await app.Restores.FindAsync(new(id), CancellationToken.None))!.State.ShouldBe(RunState.Running);

        foreach (var pack in Packs(10))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("succeeded");
        Restores(app).Last().Archive.ShouldBe(ArchiveReading.All);
        Restores(app).ShouldAllBe(o => o.From.Kind == RestoreOriginKind.Replica && o.Target == "/restore/x");
        var ended = await ShowAsync(app, id);
        (ended.Text("state"), ended.Text("note"), ended.Text("restore")).ShouldBe(("succeeded", "Everything was restored and verified.", $"/api/restores/{id}"));
        (await app.Restores.FindAsync(new(id), CancellationToken.None))!.Result!.Files.ShouldBe(7);
        app.Archive.Requests.Sum(r => r.Packs.Length).ShouldBe(10);
        (await app.DumpAsync()).ShouldNotContain(ScriptedOffsite.SecretMark);
    }

    [Fact]
    public async Task Start_AboveTheThreshold_NeedsTwoPersonsOtherThanWhoAsked()
    {
        await using var app = await StartAsync(packs: 5);
        var id = await PlanAsync(app, administrator: "ada");
        (await StartAsync(app, id, "high")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("costs 50.00 EUR and has 0 of 2 approvals"));
        (await ApproveAsync(app, id, null)).Status.ShouldBe(403);
        (await ApproveAsync(app, id, "ada")).Status.ShouldBe(409);
        (await ApproveAsync(app, id, "bea")).Status.ShouldBe(200);
        (await ApproveAsync(app, id, "bea")).Status.ShouldBe(200);
        (await StartAsync(app, id, "high")).Status.ShouldBe(409);
        app.Archive.Requests.ShouldBeEmpty();
        (await ApproveAsync(app, id, "cyd")).Status.ShouldBe(200);
        (await StartAsync(app, id, "high")).Status.ShouldBe(202);
        (await StartAsync(app, id, "high")).Body.GetProperty("isNew").GetBoolean().ShouldBeFalse();
        (await StartAsync(app, id, "standard")).Status.ShouldBe(409);
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        app.Archive.Requests.ShouldAllBe(r => r.Priority == RehydrationPriority.High);
        await FinishAsync(app, id, 5);
        await app.Services.GetRequiredService<Backup.Catalog.Audit.AuditTrail>().VerifyAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Start_ManyPacks_AreAskedForInBoundedBatchesWithoutAWait()
    {
        await using var app = await StartAsync(packs: 1200);
        var id = await PlanAsync(app, include: ["*.fits"]);
        foreach (var administrator in new[] { "ada", "bea" })
        {
            await ApproveAsync(app, id, administrator);
        }

        await StartAsync(app, id, "standard");
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 1200);
        app.Archive.Requests.Max(r => r.Packs.Length).ShouldBe(ArchiveRestorePlanner.BatchPacksMax);
        app.Archive.Requests.SelectMany(r => r.Packs).ShouldBe(Packs(1200));
        await FinishAsync(app, id, 1200);
        Restores(app).ShouldAllBe(o => o.Include.SequenceEqual(new[] { "*.fits" }));
    }

    [Fact]
    public async Task Database_WaitsForAllPacksAndIsRestoredOnce()
    {
        await using var app = await StartAsync(packs: 4, asset: "voids");
        var alongTheLog = new { asset = "voids", target = "/restore/x", from = "deep", recoverTo = "latest" };
        (await app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), alongTheLog)).Status.ShouldBe(400);
        var id = await PlanAsync(app, "voids");
        await StartAsync(app, id, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        foreach (var pack in Packs(3))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        // Several looks later there is still no order: a part of a cluster is of no use.
        var looks = app.Archive.Looks;
        await UntilAsync(() => app.Archive.Looks > looks + 10);
        Restores(app).ShouldBeEmpty();
        await FinishAsync(app, id, 4);
        Restores(app).Select(o => o.Archive).Distinct().ShouldBe([ArchiveReading.All]);
    }

    [Fact]
    public async Task Cancel_WhileWaiting_GivesUnfinishedCopiesUpAndKeepsTheOthers()
    {
        await using var app = await StartAsync(packs: 4, asset: "voids");
        var id = await PlanAsync(app, "voids");
        await StartAsync(app, id, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        app.Archive.Set(Packs(4)[0], ArchivePresence.Online);
        (await CancelAsync(app, id)).Status.ShouldBe(202);
        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("cancelled");
        app.Archive.Removed.Distinct().ShouldBe(Packs(4).Skip(1));
        (await ShowAsync(app, id)).ShouldSatisfyAllConditions(r => r.Text("state").ShouldBe("cancelled"), r => r.Text("note").ShouldContain("3 unfinished copies were given up"));
        (await CancelAsync(app, id)).Text("state").ShouldBe("cancelled");

        // Planned anew, what was kept is not paid for again.
        var again = await PlanAsync(app, "voids", slot: "again");
        (await ShowAsync(app, again)).Body.GetProperty("plan").GetProperty("packsArchived").GetInt32().ShouldBe(3);
        (await CancelAsync(app, again)).Text("state").ShouldBe("cancelled");
        (await StartAsync(app, again, "standard")).Status.ShouldBe(409);
    }

    [Fact]
    public async Task Cancel_WhileTheAgentRestores_StopsTheAgent()
    {
        await using var app = await StartAsync(packs: 2);
        var id = await PlanAsync(app);
        app.Agent.PollsBeforeTheEnd = int.MaxValue;
        await StartAsync(app, id, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        app.Archive.Set(Packs(2)[0], ArchivePresence.Online);
        await UntilAsync(() => Restores(app).Length > 0);
        await CancelAsync(app, id);
        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("cancelled");
        app.Agent.Received.ShouldContain(r => r.Order is CancelOrder);
    }

    [Fact]
    public async Task Cancel_OrchestrationWasNeverTold_EndsAllTheSame()
    {
        await using var app = await StartAsync(packs: 4, asset: "voids");
        var id = await PlanAsync(app, "voids");
        await StartAsync(app, id, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        await app.Services.GetRequiredService<ArchiveStore>().CancelAsync(new(id), "ada", CancellationToken.None);
        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("cancelled");
        (await ShowAsync(app, id)).Text("state").ShouldBe("cancelled");
    }

    [Fact]
    public async Task Storage_FailsForAWhileThenLosesACopy_IsAskedAgain()
    {
        await using var app = await StartAsync(packs: 2, asset: "voids");
        var id = await PlanAsync(app, "voids");
        app.Archive.Refusal = new ControlPlaneException(ControlPlaneFault.OffsiteUnavailable, "It sleeps.", "Wake it.");
        (await StartAsync(app, id, "standard")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(503), r => r.Text("title").ShouldBe("It sleeps."));
        app.Archive.Refusal = null;
        await StartAsync(app, id, "standard");
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 2);
        app.Archive.Refusal = new ControlPlaneException(ControlPlaneFault.OffsiteUnavailable, "It sleeps.", "Wake it.");
        var looks = app.Archive.Looks;
        await UntilAsync(() => app.Archive.Looks > looks + 5);
        app.Archive.Refusal = null;
        app.Archive.Set(Packs(2)[1], ArchivePresence.Archived);
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 3);
        app.Archive.Requests.Last().Packs.ShouldBe([Packs(2)[1]]);
        await FinishAsync(app, id, 2);
    }

    [Fact]
    public async Task Pack_IsNotThere_FailsWithoutPayingForTheRest()
    {
        await using var app = await StartAsync(packs: 3);
        app.Archive.Lose(Packs(3)[2]);
        var id = (await PostAsync(app)).Text("id");
        await UntilAsync(async () => (await ShowAsync(app, id)).Text("state") == "failed");
        (await ShowAsync(app, id)).Text("note").ShouldContain("lacks");

        app.Archive.Add(Packs(3)[2], Gigabyte);
        var second = await PlanAsync(app, slot: "second");
        app.Archive.Lose(Packs(3)[0]);
        (await StartAsync(app, second, "standard")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("lacks"));
        app.Archive.Requests.ShouldBeEmpty();

        app.Archive.Add(Packs(3)[0], Gigabyte);
        (await StartAsync(app, second, "standard")).Status.ShouldBe(202);
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        app.Archive.Lose(Packs(3)[0]);
        (await app.OutcomeAsync<RestoreOutcome>(second)).ShouldSatisfyAllConditions(o => o.State.ShouldBe("failed"), o => o.Reason!.Code.ShouldBe("replica-damaged"));
    }

    /// <summary>What nobody was shown is not paid for: the plan counted on copies that are gone by its start.</summary>
    [Fact]
    public async Task Start_CopiesThatThePlanCountedOnAreGone_IsPlannedAnewFirst_AndApprovedAnew()
    {
        await using var app = await StartAsync(packs: 30, ready: 5);
        var id = await PlanAsync(app);
        foreach (var administrator in new[] { "ada", "bea" })
        {
            (await ApproveAsync(app, id, administrator)).Status.ShouldBe(200);
        }

        foreach (var pack in Packs(2))
        {
            app.Archive.Set(pack, ArchivePresence.Archived);
        }

        (await StartAsync(app, id, "standard")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("27 packs have to be brought back now, not 25"));
        var shown = await ShowAsync(app, id);
        shown.Text("state").ShouldBe("planned");
        shown.Body.GetProperty("approvals").GetArrayLength().ShouldBe(0);
        var plan = shown.Body.GetProperty("plan");
        (plan.GetProperty("packsArchived").GetInt32(), plan.GetProperty("offers")[0].GetProperty("cost").GetDecimal()).ShouldBe((27, 27m));
        (await StartAsync(app, id, "standard")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("costs 27.00 EUR and has 0 of 2 approvals"));
        app.Archive.Requests.ShouldBeEmpty();

        foreach (var administrator in new[] { "ada", "bea" })
        {
            (await ApproveAsync(app, id, administrator)).Status.ShouldBe(200);
        }

        (await StartAsync(app, id, "standard")).Status.ShouldBe(202);
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 27);
        await FinishAsync(app, id, 30);
    }

    /// <summary>Database and files in one vault: packs that both read are planned and paid for once, and who is complete first is restored first.</summary>
    [Fact]
    public async Task Group_IsOnePlanOneApprovalOneRehydration_AndItsMembersComeBackInTheirOrder()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy + "\ngroups: [ { name: catalogue, assets: [voids, notes] } ]");
        var backup = await app.CallAsync(r => app.Function<BackupHttp>().PostBackup(r, app.Client, CancellationToken.None), new { group = "catalogue", slot = "s1" });
        backup.Status.ShouldBe(202, backup.Body.GetRawText());
        await app.OutcomeAsync<GroupOutcome>(backup.Text("id"));
        foreach (var pack in Packs(25))
        {
            app.Archive.Add(pack, Gigabyte);
        }

        // The database reads 15, the files 20, of which 10 are the database's too.
        var database = (await app.Points.ListAsync(new("voids"), null, 1, CancellationToken.None)).Items[0].Snapshot.SnapshotId;
        app.Agent.SurveyedOf = snapshot => snapshot == database ? Packs(15) : Packs(25)[5..];
        var body = new { groupPoint = backup.Text("id"), target = "/restore/all", from = "deep", slot = "x" };
        (await app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), new { body.groupPoint, asset = "notes", body.target, body.from })).Status.ShouldBe(400);
        (await app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), new { body.groupPoint, body.target, body.from, overwrite = true })).Status.ShouldBe(400);
        var posted = await app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), body);
        posted.Status.ShouldBe(202, posted.Body.GetRawText());
        var id = posted.Text("id");
        await UntilAsync(async () => (await ShowAsync(app, id)).Text("state") != "surveying");
        var shown = await ShowAsync(app, id);
        shown.Text("state").ShouldBe("planned", shown.Body.GetRawText());
        shown.Text("groupPoint").ShouldBe(backup.Text("id"));
        shown.Body.GetProperty("members").EnumerateArray().Select(m => m.GetProperty("asset").GetString()).ShouldBe(["voids", "notes"]);
        var plan = shown.Body.GetProperty("plan");
        (plan.GetProperty("packs").GetInt32(), plan.GetProperty("bytesArchived").GetInt64(), plan.GetProperty("offers")[0].GetProperty("cost").GetDecimal()).ShouldBe((25, 25 * Gigabyte, 25m));

        (await StartAsync(app, id, "standard")).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(409), r => r.Text("title").ShouldContain("costs 25.00 EUR and has 0 of 2 approvals"));
        foreach (var administrator in new[] { "ada", "bea" })
        {
            (await ApproveAsync(app, id, administrator)).Status.ShouldBe(200);
        }

        (await StartAsync(app, id, "standard")).Status.ShouldBe(202);
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 25);
        app.Archive.Requests.SelectMany(r => r.Packs).ShouldBe(Packs(25));
        foreach (var pack in Packs(15))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        await UntilAsync(() => Restores(app).Any(o => o.Asset == "voids"));
        Restores(app).ShouldAllBe(o => o.Asset == "voids" || o.Archive == ArchiveReading.Ready);
        // Its restores count as going on while the whole does, whatever their own orchestrations are.
        await app.ExecuteAsync("update restore set opened_at = now() - interval '1 hour'");
        await app.Services.GetRequiredService<RunReconciliation>().RunAsync(app.Client, CancellationToken.None);
        (await app.CountAsync("restore where state = 'running'")).ShouldBe(2);

        await FinishAsync(app, id, 25);
        Restores(app).Where(o => o.Archive == ArchiveReading.All).Select(o => (o.Asset, o.Target)).Distinct().ShouldBe([("voids", "/restore/all/voids"), ("notes", "/restore/all/notes")]);
        var ended = await ShowAsync(app, id);
        (ended.Text("state"), ended.Text("note"), ended.Body.GetProperty("filesRestored").GetInt64()).ShouldBe(("succeeded", "Everything was restored and verified.", 14));
        (await app.CountAsync("restore where state = 'succeeded'")).ShouldBe(2);
        await app.ExecuteAsync("update archive_restore set copies_kept_until = now() - interval '1 second'");
        await TickAsync(app);
        app.Archive.Removed.ShouldBe(Packs(25), ignoreOrder: true);
    }

    [Fact]
    public async Task Group_CancelledAfterItsFirstMember_KeepsThatOneAndSaysSo()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy + "\ngroups: [ { name: catalogue, assets: [voids, notes] } ]");
        var backup = await app.CallAsync(r => app.Function<BackupHttp>().PostBackup(r, app.Client, CancellationToken.None), new { group = "catalogue", slot = "s1" });
        await app.OutcomeAsync<GroupOutcome>(backup.Text("id"));
        foreach (var pack in Packs(4))
        {
            app.Archive.Add(pack, Gigabyte);
        }

        var database = (await app.Points.ListAsync(new("voids"), null, 1, CancellationToken.None)).Items[0].Snapshot.SnapshotId;
        app.Agent.SurveyedOf = snapshot => snapshot == database ? Packs(2) : Packs(4)[2..];
        var posted = await app.CallAsync(
            r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), new { groupPoint = backup.Text("id"), target = "/restore/all", from = "deep" });
        var id = posted.Text("id");
        await UntilAsync(async () => (await ShowAsync(app, id)).Text("state") == "planned");
        (await StartAsync(app, id, "standard")).Status.ShouldBe(202);
        await UntilAsync(() => app.Archive.Requests.Sum(r => r.Packs.Length) >= 4);
        foreach (var pack in Packs(2))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        await UntilAsync(() => Restores(app).Any(o => o.Asset == "voids"));
        var looks = app.Archive.Looks;
        await UntilAsync(() => app.Archive.Looks > looks + 2);
        (await CancelAsync(app, id)).Status.ShouldBe(202);
        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("cancelled");
        (await ShowAsync(app, id)).Text("note").ShouldStartWith("notes: cancelled: ");
        (await app.CountAsync("restore where state = 'succeeded' and asset = 'voids'")).ShouldBe(1);
        (await app.CountAsync("restore where state = 'cancelled' and asset = 'notes'")).ShouldBe(1);
        app.Archive.Removed.ShouldBe(Packs(4)[2..]);
    }

    [Fact]
    public async Task Survey_AgentCannot_SaysWhy()
    {
        await using var app = await StartAsync(packs: 1);
        app.Agent.Work = (id, order) => order is SurveyOrder ? ScriptedAgent.Fail(id, FailureCode.KeyRefused) : ScriptedAgent.Succeed(id, order);
        var id = (await PostAsync(app)).Text("id");
        await UntilAsync(async () => (await ShowAsync(app, id)).Text("state") == "failed");
        (await ShowAsync(app, id)).Text("note").ShouldContain("key-refused");
        (await StartAsync(app, id, "standard")).Status.ShouldBe(409);
        (await app.CallAsync(r => app.Function<ArchiveHttp>().GetArchiveRestore(r, "nothing", CancellationToken.None))).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Timer_CopiesWereKeptLongEnough_GoUnlessAnotherRestoreNeedsThem()
    {
        await using var app = await StartAsync(packs: 3);
        var first = await PlanAsync(app);
        await StartAsync(app, first, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        await FinishAsync(app, first, 3);
        await TickAsync(app);
        app.Archive.Removed.ShouldBeEmpty();

        app.Agent.Surveyed = [Packs(3)[1]];
        var second = await PlanAsync(app, slot: "second");
        app.Archive.Set(Packs(3)[1], ArchivePresence.Rehydrating);
        await StartAsync(app, second, "standard");
        await app.ExecuteAsync("update archive_restore set copies_kept_until = now() - interval '1 second' where ended_at is not null");
        await TickAsync(app);
        app.Archive.Removed.ShouldBe([Packs(3)[0], Packs(3)[2]], ignoreOrder: true);
        await TickAsync(app);
        app.Archive.Removed.Count.ShouldBe(2);
        await FinishAsync(app, second, 1, Packs(3)[1]);
    }

    [Fact]
    public async Task Timer_OneStorageRefuses_CopiesOfTheOthersGoAllTheSame()
    {
        await using var app = await StartAsync(packs: 2);
        foreach (var pack in Packs(2))
        {
            app.Agent.Surveyed = [pack];
            var id = await PlanAsync(app, slot: pack[^1..]);
            await StartAsync(app, id, "standard");
            await FinishAsync(app, id, 1, pack);
        }

        await app.ExecuteAsync("update archive_restore set copies_kept_until = now() - interval '1 second'");
        app.Archive.RemovalFails = packs => packs.Contains(Packs(2)[0]) ? new ControlPlaneException(ControlPlaneFault.Settings, "The tier has no storage.", "Set it.") : null;
        await TickAsync(app);
        app.Archive.Removed.ShouldBe([Packs(2)[1]]);
        app.Archive.RemovalFails = _ => null;
        await TickAsync(app);
        app.Archive.Removed.ShouldBe([Packs(2)[1], Packs(2)[0]]);
    }

    [Fact]
    public async Task Timer_OrchestrationIsGone_TheRestoreIsEnded()
    {
        await using var app = await StartAsync(packs: 1, asset: "voids");
        var id = await PlanAsync(app, "voids");
        await StartAsync(app, id, "standard");
        await UntilAsync(() => !app.Archive.Requests.IsEmpty);
        await app.Client.TerminateInstanceAsync(id, cancellation: CancellationToken.None);
        using var limit = new CancellationTokenSource(Limit);
        await app.Client.WaitForInstanceCompletionAsync(id, limit.Token);
        // It was planned long ago and started just now: its orchestration may not be there yet.
        await app.ExecuteAsync("update archive_restore set planned_at = now() - interval '3 days'");
        await TickAsync(app);
        (await ShowAsync(app, id)).Text("state").ShouldBe("running");
        await app.ExecuteAsync("update archive_restore set changed_at = now() - interval '1 hour'");
        await TickAsync(app);
        (await ShowAsync(app, id)).Text("state").ShouldBe("failed");
    }

    [Fact]
    public async Task Retention_PointIsBeingRestored_IsSpared()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy.Replace("research, dataClass: active, paths", "brief, dataClass: active, paths", StringComparison.Ordinal)
            + "\nserviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1 } } ]");
        await app.BackUpAsync("notes");
        app.Archive.Add(Packs(1)[0], Gigabyte);
        app.Agent.Surveyed = Packs(1);
        var id = await PlanAsync(app);
        await StartAsync(app, id, "standard");
        await app.BackUpAsync("notes", "s2");
        await app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("retention_plan_point where spared = 'It is being restored from an archive.'")).ShouldBe(1);
        (await app.CountAsync("recovery_point where expired_at is not null")).ShouldBe(0);
        await FinishAsync(app, id, 1);
    }

    private static string[] Packs(int count) => [.. Enumerable.Range(0, count).Select(i => $"data/{i:x2}/{i.ToString("x64", CultureInfo.InvariantCulture)}")];

    private async Task<TestApp> StartAsync(int packs, int ready = 0, string asset = "notes")
    {
        var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync(asset);
        foreach (var (i, pack) in Packs(packs).Index())
        {
            app.Archive.Add(pack, Gigabyte, i < ready ? ArchivePresence.Online : ArchivePresence.Archived);
        }

        app.Agent.Surveyed = Packs(packs);
        return app;
    }

    private static object Body(string asset = "notes", string slot = "x", string[]? include = null) => new { asset, target = "/restore/x", from = "deep", slot, include };

    private static Task<HttpReply> PostAsync(TestApp app, string asset = "notes", string slot = "x", string[]? include = null, string? administrator = null) =>
        app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveRestore(r, app.Client, CancellationToken.None), Body(asset, slot, include), administrator: administrator);

    private static async Task<string> PlanAsync(TestApp app, string asset = "notes", string slot = "x", string[]? include = null, string? administrator = null)
    {
        var posted = await PostAsync(app, asset, slot, include, administrator);
        posted.Status.ShouldBe(202, posted.Body.ToString());
        var id = posted.Text("id");
        posted.Location.ShouldBe($"/api/archive-restores/{id}");
        await UntilAsync(async () => (await ShowAsync(app, id)).Text("state") != "surveying");
        (await ShowAsync(app, id)).ShouldSatisfyAllConditions(r => r.Text("state").ShouldBe("planned", r.Body.ToString()));
        return id;
    }

    private static Task<HttpReply> ShowAsync(TestApp app, string id) => app.CallAsync(r => app.Function<ArchiveHttp>().GetArchiveRestore(r, id, CancellationToken.None));

    private static Task<HttpReply> StartAsync(TestApp app, string id, string priority) =>
        app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveStart(r, id, app.Client, CancellationToken.None), new { priority });

    private static Task<HttpReply> ApproveAsync(TestApp app, string id, string? administrator) =>
        app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveApproval(r, id, CancellationToken.None), administrator: administrator);

    private static Task<HttpReply> CancelAsync(TestApp app, string id) => app.CallAsync(r => app.Function<ArchiveHttp>().PostArchiveCancellation(r, id, app.Client, CancellationToken.None));

    private static Task TickAsync(TestApp app) => app.Function<ArchiveTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);

    private static RestoreOrder[] Restores(TestApp app) => [.. app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>()];

    private static async Task FinishAsync(TestApp app, string id, int packs, params string[] only)
    {
        await UntilAsync(() => (only.Length > 0 ? only : Packs(packs)).All(p => app.Archive.PresenceOf(p) != ArchivePresence.Archived));
        foreach (var pack in only.Length > 0 ? only : Packs(packs))
        {
            app.Archive.Set(pack, ArchivePresence.Online);
        }

        (await app.OutcomeAsync<RestoreOutcome>(id)).State.ShouldBe("succeeded");
    }

    private static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (!await condition())
        {
            await Task.Delay(10, limit.Token);
        }
    }
}
