using Backup.Catalog.Retention;
using Backup.Policy;
using Backup.Policy.Retention;
using Backup.Policy.Signals;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Catalog.Tests.Retention;

public sealed class RetentionStoreTests(PostgresFixture postgres)
{
    private static readonly RetentionGuards Lenient = new() { ApprovalAbovePoints = 100, ShareMax = 1 };

    [Fact]
    public async Task Plan_BelowTheThreshold_IsReadyAndGivesItsPointsUpOnce()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 4);
        var plan = await ProposeAsync(catalog, "p1", Lenient);
        (plan.State, plan.PointsDeleted, plan.PointsKept, plan.ApprovalsNeeded).ShouldBe((PlanState.Ready, 3, 1, 0));

        var first = await catalog.Retention.BeginAsync("p1", ids, "schedule", CancellationToken.None);
        var again = await catalog.Retention.BeginAsync("p1", [], "schedule", CancellationToken.None);
        first.Select(p => p.SnapshotId).ShouldBe(["s0", "s1", "s2"]);
        again.ShouldBe(first);
        first.ShouldAllBe(p => p.ExpiredAt == catalog.Clock.GetUtcNow());

        // Given up: nobody is promised a restore of them from here on.
        (await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None)).Select(p => p.Id.Value).ShouldBe([ids[3]]);
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None))!.Id.Value.ShouldBe(ids[3]);
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, first[1].Instant, CancellationToken.None)).ShouldBeNull();

        await Should.ThrowAsync<CatalogException>(() => catalog.Retention.CloseAsync("p1", "done", "schedule", CancellationToken.None));
        // In parts, as they are dropped; a snapshot that the plan did not give up is none of its business.
        (await catalog.Retention.MarkRemovedAsync("p1", ["s0", "s3"], "schedule", CancellationToken.None)).ShouldBe(1);
        await Should.ThrowAsync<CatalogException>(() => catalog.Retention.CloseAsync("p1", "done", "schedule", CancellationToken.None));
        (await catalog.Retention.MarkRemovedAsync("p1", ["s0", "s1", "s2"], "schedule", CancellationToken.None)).ShouldBe(2);
        (await catalog.Retention.MarkRemovedAsync("p1", ["s0", "s1", "s2"], "schedule", CancellationToken.None)).ShouldBe(0);
        (await catalog.Retention.CloseAsync("p1", "done", "schedule", CancellationToken.None)).State.ShouldBe(PlanState.Done);
        (await catalog.Retention.CloseAsync("p1", "other", "schedule", CancellationToken.None)).Note.ShouldBe("done");
        await catalog.Audit.VerifyAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Begin_RuleWantsMoreByNow_SparesThose()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 4);
        await ProposeAsync(catalog, "p1", Lenient);
        var given = await catalog.Retention.BeginAsync("p1", [ids[1]], "schedule", CancellationToken.None);
        given.Select(p => p.Id.Value).ShouldBe([ids[1]]);
        (await catalog.Retention.PointsAsync("p1", 10, CancellationToken.None)).Count(p => p.Spared is not null).ShouldBe(2);
        (await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None)).Count.ShouldBe(3);
    }

    [Fact]
    public async Task Approve_ByWhoAskedOrByOneTwice_IsNotEnough()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 4);
        var plan = await ProposeAsync(catalog, "p1", Lenient with { ApprovalAbovePoints = 2 }, requestedBy: "ada");
        (plan.State, plan.ApprovalsNeeded).ShouldBe((PlanState.AwaitingApproval, 2));
        await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "ada", CancellationToken.None));
        await RefusedAsync(() => catalog.Retention.ApproveAsync("p1", "ada", CancellationToken.None));
        await catalog.Retention.ApproveAsync("p1", "bea", CancellationToken.None);
        (await catalog.Retention.ApproveAsync("p1", "bea", CancellationToken.None)).State.ShouldBe(PlanState.AwaitingApproval);
        await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "ada", CancellationToken.None));
        (await catalog.Retention.ApproveAsync("p1", "cyd", CancellationToken.None)).ShouldSatisfyAllConditions(
            p => p.State.ShouldBe(PlanState.Ready), p => p.Approvals.ShouldBe(["bea", "cyd"]));
        (await catalog.Retention.BeginAsync("p1", ids, "ada", CancellationToken.None)).Count.ShouldBe(3);
    }

    [Fact]
    public async Task Plan_ThatDeletesTooMuch_IsRefusedUnlessForcedAndApproved()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 4);
        var strict = Lenient with { ShareMax = 0.5 };
        (await ProposeAsync(catalog, "p1", strict)).ShouldSatisfyAllConditions(p => p.State.ShouldBe(PlanState.Refused), p => p.Refusal.ShouldBe(PlanRefusal.DeletesTooMuch));
        await RefusedAsync(() => catalog.Retention.ApproveAsync("p1", "bea", CancellationToken.None));
        await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "schedule", CancellationToken.None));

        // Below the threshold of points, but forced: two persons all the same.
        var forced = await ProposeAsync(catalog, "p2", strict, requestedBy: "ada", forced: "the rule was shortened on purpose");
        (forced.State, forced.ApprovalsNeeded).ShouldBe((PlanState.AwaitingApproval, 2));
        (await catalog.Retention.FindAsync("p1", CancellationToken.None))!.State.ShouldBe(PlanState.Superseded);

        // The night's decision does not take a forced plan's place.
        (await ProposeAsync(catalog, "p3", strict)).Id.ShouldBe("p2");
        await catalog.Retention.ApproveAsync("p2", "bea", CancellationToken.None);
        await catalog.Retention.ApproveAsync("p2", "cyd", CancellationToken.None);
        (await catalog.Retention.BeginAsync("p2", ids, "ada", CancellationToken.None)).Count.ShouldBe(3);
    }

    [Fact]
    public async Task Propose_SamePointsAgain_KeepsThePlanAndItsApprovals_AndOtherPointsTakeItsPlace()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await PointsAsync(catalog, 4);
        var guards = Lenient with { ApprovalAbovePoints = 0 };
        await ProposeAsync(catalog, "p1", guards);
        await catalog.Retention.ApproveAsync("p1", "bea", CancellationToken.None);
        (await ProposeAsync(catalog, "p2", guards)).ShouldSatisfyAllConditions(p => p.Id.ShouldBe("p1"), p => p.Approvals.ShouldBe(["bea"]));
        await PointsAsync(catalog, 1, from: 4);
        (await ProposeAsync(catalog, "p3", guards)).ShouldSatisfyAllConditions(p => p.Id.ShouldBe("p3"), p => p.Approvals.ShouldBeEmpty());
        (await catalog.Retention.FindAsync("p1", CancellationToken.None))!.State.ShouldBe(PlanState.Superseded);
    }

    [Fact]
    public async Task Begin_AssetIsFrozenOrPlanIsOld_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 4);
        await ProposeAsync(catalog, "p1", Lenient);
        await catalog.Signals.RecordAsync(new("r3"), TestCatalog.Files, new SignalVerdict([new Signal(SignalKind.Entropy, 1, 0.4)], Freezes: true), "test", CancellationToken.None);
        (await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "schedule", CancellationToken.None))).Message.ShouldContain("frozen");
        await catalog.Signals.LiftAsync(TestCatalog.Files, "a new camera", "bea", CancellationToken.None);
        catalog.Clock.Advance(PlanMargins.Life + TimeSpan.FromMinutes(1));
        await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "schedule", CancellationToken.None));
        (await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None)).Count.ShouldBe(4);
    }

    [Fact]
    public async Task Begin_WouldTakeTheLastPoint_IsRefusedByTheCatalogItself()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var ids = await PointsAsync(catalog, 2);
        var plan = new RetentionPlan(TestCatalog.Files, catalog.Clock.GetUtcNow(), [.. ids.Select(id => new RetentionVerdict(new RetentionPoint(id, default, default), KeepReason.None))], PlanRefusal.None, false);
        await catalog.Retention.ProposeAsync(new NewRetentionPlan("p1", plan, "schedule", null), CancellationToken.None);
        await RefusedAsync(() => catalog.Retention.BeginAsync("p1", ids, "schedule", CancellationToken.None));
        (await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Database_RefusesAnUnapprovedForcedPlan_WhateverCodeDoes()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await PointsAsync(catalog, 4);
        await ProposeAsync(catalog, "p1", Lenient with { ShareMax = 0.1 });
        await using var command = catalog.Source.CreateCommand("update retention_plan set state = 'ready'");
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync())).ConstraintName.ShouldBe("retention_plan_force");
    }

    [Fact]
    public void PlanStates_Allow_NothingOutOfAnEnd()
    {
        foreach (var to in Enum.GetValues<PlanState>())
        {
            foreach (var end in new[] { PlanState.Done, PlanState.Rejected, PlanState.Superseded })
            {
                PlanStates.Allows(end, to).ShouldBeFalse();
            }

            PlanStates.Allows(PlanState.Refused, to).ShouldBe(to is PlanState.Rejected or PlanState.Superseded);
            PlanStates.Allows(PlanState.Running, to).ShouldBe(to is PlanState.Done);
        }
    }

    private static async Task<string[]> PointsAsync(TestCatalog catalog, int count, int from = 0)
    {
        var ids = new List<string>();
        for (var i = from; i < from + count; i++)
        {
            await catalog.RunningAsync($"r{i}");
            ids.Add((await catalog.Points.PublishAsync(catalog.Receipt($"r{i}", $"s{i}"), CancellationToken.None)).Id.Value);
            await catalog.Runs.CloseAsync(new($"r{i}"), Policy.States.RunState.Succeeded, null, CancellationToken.None);
            catalog.Clock.Advance(TimeSpan.FromHours(1));
        }

        return [.. ids];
    }

    private static async Task<StoredPlan> ProposeAsync(TestCatalog catalog, string id, RetentionGuards guards, string requestedBy = "schedule", string? forced = null)
    {
        var points = await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None);
        var plan = RetentionDecider.Decide(
            TestCatalog.Files, new RetentionRule { KeepLast = 1 }, TimeZoneInfo.Utc, catalog.Clock.GetUtcNow(), [.. points.Select(p => new RetentionPoint(p.Id.Value, p.Instant, p.PublishedAt))], guards: guards);
        return (await catalog.Retention.ProposeAsync(new NewRetentionPlan(id, plan, requestedBy, forced), CancellationToken.None))!;
    }

    private static async Task<CatalogException> RefusedAsync(Func<Task> call)
    {
        var refusal = await Should.ThrowAsync<CatalogException>(call);
        refusal.Fault.ShouldBe(CatalogFault.NotAllowed);
        return refusal;
    }
}
