using Backup.AgentApi;
using Backup.Functions.Backups;
using Backup.Functions.Groups;
using Backup.Functions.Http;
using Backup.Functions.Retention;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Groups;

/// <summary>A database and its files: held together, backed up together, one point, restored and given up as one.</summary>
public sealed class GroupTests(PostgresFixture postgres)
{
    private const string Policy = """
        version: 1
        sites: [ { name: lab } ]
        tiers: [ { name: offsite-hot, container: replica-hot, accessTier: Hot } ]
        agents: [ { name: lab-agent-1, site: lab, concurrency: 3 } ]
        serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1 } }, { name: longer, rto: 1h, rpo: 1h, retention: { keepLast: 2 } } ]
        retention: { percentMax: 80 }
        assets:
          - { name: voids-db, kind: postgres, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, connection: voids, replicateTo: [offsite-hot], hooks: { before: [hold-app, flush-db], after: [resume-app] } }
          - { name: voids-images, kind: files, agent: lab-agent-1, vault: main, serviceClass: longer, dataClass: active, paths: [/images], replicateTo: [], hooks: { before: [hold-app], after: [sweep, resume-app] } }
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, paths: [/notes], replicateTo: [] }
        groups: [ { name: catalogue, assets: [voids-db, voids-images], holdLimit: 10min } ]
        """;

    [Fact]
    public async Task Backup_OfAGroup_HoldsAllBeforeTheFirstReadsAndLetsGoAfterTheLast_AndIsOnePoint()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        var outcome = await BackUpAsync(app, "s1");
        (outcome.GroupPoint, outcome.Reason).ShouldBe(("group-catalogue-s1", null));
        outcome.Runs.Select(r => (r.Asset, r.State)).ShouldBe([("voids-db", "succeeded"), ("voids-images", "succeeded")]);

        var jobs = Jobs(app);
        jobs.Select(j => j.Operation).ShouldBe([Operation.Hold, Operation.Backup, Operation.Backup, Operation.Release]);
        var hold = (HoldOrder)jobs[0];
        (hold.Group, hold.RunId, hold.SecondsMax).ShouldBe(("catalogue", "group-catalogue-s1", 600));
        hold.Hooks.Before.ShouldBe(["hold-app", "flush-db"]);
        hold.Hooks.After.ShouldBe(["sweep", "resume-app"], "in the opposite order, each once");
        jobs.OfType<BackupOrder>().ShouldAllBe(b => b.Hooks == null);
        ((ReleaseOrder)jobs[^1]).Hold.ShouldBe(app.Agent.Received.First(r => r.Order is HoldOrder).Id);

        var shown = await app.CallAsync(r => app.Function<GroupHttp>().GetGroupPoint(r, "group-catalogue-s1", app.Client, CancellationToken.None));
        shown.Body.GetProperty("members").EnumerateArray().Select(m => m.GetProperty("asset").GetString()).ShouldBe(["voids-db", "voids-images"]);
        (shown.Body.GetProperty("isHeld").GetBoolean(), shown.Body.GetProperty("isInVaults").GetBoolean()).ShouldBe((true, true));
        var listed = await app.CallAsync(r => app.Function<GroupHttp>().GetGroupPoints(r, CancellationToken.None), query: "?group=catalogue");
        listed.Body.GetProperty("items").EnumerateArray().ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(Operation.Backup, FailureCode.SourceFailed, "group-incomplete", 2)]
    [InlineData(Operation.Release, FailureCode.HoldLost, "hold-lost", 2)]
    [InlineData(Operation.Hold, FailureCode.HookFailed, "hook-failed", 0)]
    public async Task Backup_SomethingGoesWrong_IsNoPointAndAlertsAndStillLetsGo(Operation operation, FailureCode code, string reason, int backups)
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        app.Agent.Work = (id, order) => order.Operation == operation && order is not BackupOrder { Asset: "voids-db" } ? ScriptedAgent.Fail(id, code) : ScriptedAgent.Succeed(id, order);
        var outcome = await BackUpAsync(app, "s1");
        (outcome.GroupPoint, outcome.Reason!.Code).ShouldBe((null, reason));
        (await app.CountAsync("group_point")).ShouldBe(0);
        Jobs(app).OfType<BackupOrder>().Count().ShouldBe(backups);
        Jobs(app).OfType<ReleaseOrder>().Count().ShouldBe(operation is Operation.Hold ? 0 : 1, "what is held is let go");
        (await app.CountAsync("alert where kind = 'group' and subject = 'catalogue' and closed_at is null")).ShouldBe(1);

        app.Agent.Work = ScriptedAgent.SucceedAlways;
        (await BackUpAsync(app, "s2")).GroupPoint.ShouldNotBeNull();
        (await app.CountAsync("alert where closed_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task Timer_GroupIsDue_StartsItAsOneBesideTheOthers()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await ActivatorUtilities.CreateInstance<ScheduleTimer>(app.Services, clock).RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        var slot = InstanceIds.SlotOf(clock.GetUtcNow());
        var fleet = await app.OutcomeAsync<RunOutcome[]>(InstanceIds.Fleet(slot));
        fleet.Select(o => (o.Asset, o.State)).Order().ShouldBe([("notes", "succeeded"), ("voids-db", "succeeded"), ("voids-images", "succeeded")]);
        (await app.OutcomeAsync<GroupOutcome>(InstanceIds.Group("catalogue", slot))).GroupPoint.ShouldNotBeNull();
    }

    [Fact]
    public async Task Http_GroupIsBackedUpAndRestored_AsOne()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        Task<HttpReply> PostAsync(object body) => app.CallAsync(r => app.Function<BackupHttp>().PostBackup(r, app.Client, CancellationToken.None), body);
        (await PostAsync(new { group = "nobody", slot = "s1" })).Status.ShouldBe(404);
        (await PostAsync(new { asset = "notes", group = "catalogue" })).Status.ShouldBe(400);
        (await PostAsync(new { slot = "s1" })).Status.ShouldBe(400);
        var started = await PostAsync(new { group = "catalogue", slot = "s1" });
        (started.Status, started.Location).ShouldBe((202, "/api/group-points/group-catalogue-s1"));
        await app.OutcomeAsync<GroupOutcome>("group-catalogue-s1");
        (await PostAsync(new { group = "catalogue", slot = "s1" })).Body.GetProperty("isNew").GetBoolean().ShouldBeFalse();

        Task<HttpReply> RestoreAsync(object body) => app.CallAsync(r => app.Function<GroupHttp>().PostGroupRestore(r, app.Client, CancellationToken.None), body);
        (await RestoreAsync(new { groupPoint = "group-x", target = "/restore/all" })).Status.ShouldBe(404);
        // voids-images has no replica: nothing of the whole is begun.
        (await RestoreAsync(new { groupPoint = "group-catalogue-s1", target = "/restore/all", from = "offsite-hot" })).Status.ShouldBe(409);
        (await app.CountAsync("restore")).ShouldBe(0);

        var restore = await RestoreAsync(new { groupPoint = "group-catalogue-s1", target = "/restore/all/", slot = "s1" });
        restore.Status.ShouldBe(202, restore.Body.GetRawText());
        (await app.OutcomeAsync<GroupRestoreOutcome>(restore.Text("id"))).State.ShouldBe("succeeded");
        Jobs(app).OfType<RestoreOrder>().Select(o => (o.Asset, o.Target)).Order().ShouldBe([("voids-db", "/restore/all/voids-db"), ("voids-images", "/restore/all/voids-images")]);
        var shown = await app.CallAsync(r => app.Function<GroupHttp>().GetGroupRestore(r, restore.Text("id"), app.Client, CancellationToken.None));
        shown.Body.GetProperty("outcome").GetRawText().ShouldContain("succeeded");
    }

    [Fact]
    public async Task Http_GroupInAnArchive_IsRefusedBeforeAnythingBegins_SayingWhatToDo()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy.Replace("accessTier: Hot", "accessTier: Archive", StringComparison.Ordinal).Replace("replicateTo: []", "replicateTo: [offsite-hot]", StringComparison.Ordinal));
        await BackUpAsync(app, "s1");
        var refused = await app.CallAsync(
            r => app.Function<GroupHttp>().PostGroupRestore(r, app.Client, CancellationToken.None), new { groupPoint = "group-catalogue-s1", target = "/restore/all", from = "offsite-hot" });
        refused.Status.ShouldBe(409);
        var text = refused.Body.GetRawText();
        foreach (var member in (await app.Points.ListAsync(null, null, 10, CancellationToken.None)).Items)
        {
            text.ShouldContain(member.Asset.Value);
        }

        text.ShouldContain("POST /api/archive-restores");
        (await app.CountAsync("restore")).ShouldBe(0);
        (await app.CallAsync(r => app.Function<GroupHttp>().PostGroupRestore(r, app.Client, CancellationToken.None), new { groupPoint = "group-catalogue-s1", target = "/restore/all" })).Status.ShouldBe(202, "vaults need no archive");
    }

    [Fact]
    public async Task Backup_OfAGroup_EverySnapshotSaysOfWhichPointItIs()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await BackUpAsync(app, "s1");
        await app.BackUpAsync("notes");
        foreach (var order in Jobs(app).OfType<BackupOrder>())
        {
            var found = GroupTags.Find(order.Tags, "test");
            if (order.Asset == "notes")
            {
                found.ShouldBeNull();
            }
            else
            {
                (found!.Id.Value, found.Group.Value).ShouldBe(("group-catalogue-s1", "catalogue"));
                found.Runs.Select(r => r.Value).ShouldBe(["backup-voids-db-s1", "backup-voids-images-s1"]);
            }
        }
    }

    [Fact]
    public void Tags_OfManyMembers_FitIntoTagsAndComeBackInOrder()
    {
        string[] runs = [.. Enumerable.Range(0, 150).Select(i => InstanceIds.Backup(new string('a', 60) + i, "20260301T1200"))];
        var tags = GroupTags.Of("catalogue", "group-catalogue-s1", runs);
        tags.Values.ShouldAllBe(value => value.Length <= Vault.Snapshots.SnapshotDescription.TextBytesMax);
        GroupTags.Find(tags, "test")!.Runs.Select(r => r.Value).ShouldBe(runs);
    }

    [Fact]
    public async Task Retention_OneMemberIsWanted_KeepsTheOther_AndGivesTheWholeUpTogether()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        foreach (var slot in (string[])["s1", "s2", "s3"])
        {
            await BackUpAsync(app, slot);
        }

        // By its own rule the database would keep one point; its files keep two, and with them it does.
        var shown = await app.CallAsync(r => app.Function<RetentionHttp>().GetRetention(r, "voids-db", CancellationToken.None));
        (shown.Body.GetProperty("kept").GetInt32(), shown.Body.GetProperty("deleted").GetInt32()).ShouldBe((2, 1));
        await app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        (await app.CountAsync("recovery_point where expired_at is not null")).ShouldBe(2);
        (await app.CountAsync("group_point where expired_at is not null and id = 'group-catalogue-s1'")).ShouldBe(1);
        (await app.CountAsync("group_point where expired_at is null")).ShouldBe(2);
        (await app.CallAsync(r => app.Function<GroupHttp>().PostGroupRestore(r, app.Client, CancellationToken.None), new { groupPoint = "group-catalogue-s1", target = "/restore/all" })).Status.ShouldBe(409);
    }

    private static async Task<GroupOutcome> BackUpAsync(TestApp app, string slot)
    {
        var id = InstanceIds.Group("catalogue", slot);
        await app.Client.StartOnceAsync(nameof(GroupBackup), id, new GroupRequest { Group = "catalogue", Slot = slot, RequestedBy = "test" }, CancellationToken.None);
        return await app.OutcomeAsync<GroupOutcome>(id);
    }

    /// <summary>Jobs as the agent first heard of them; copies off-site left out.</summary>
    private static OrderPayload[] Jobs(TestApp app) => [.. app.Agent.Received.Where(r => r.Order is JobOrder and not ReplicateOrder).DistinctBy(r => r.Id).Select(r => r.Order)];
}
