using Backup.Catalog.Groups;
using Backup.Policy;
using Backup.Policy.Retention;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Groups;

public sealed class GroupPointStoreTests(PostgresFixture postgres)
{
    private static readonly GroupName Group = new("catalogue");

    [Fact]
    public async Task Record_EveryMemberHasAWholePoint_IsOnePointOnce()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var older = await PublishAsync(catalog, "r-db", TestCatalog.Voids);
        catalog.Clock.Advance(TimeSpan.FromMinutes(3));
        var newer = await PublishAsync(catalog, "r-files", TestCatalog.Files);

        var point = await RecordAsync(catalog, "g1", "r-db", "r-files");
        (point.Newest - point.Oldest).ShouldBe(TimeSpan.FromMinutes(3));
        point.Members.ShouldBe([new(TestCatalog.Voids, older), new(TestCatalog.Files, newer)]);
        (point.IsHeld, point.ExpiredAt).ShouldBe((true, null));
        (await RecordAsync(catalog, "g1", "r-db")).Members.Count.ShouldBe(2, "a repetition changes nothing");
        (await catalog.CountAsync("group_point")).ShouldBe(1);
        (await catalog.Groups.ListAsync(Group, null, 10, CancellationToken.None)).Items.ShouldHaveSingleItem().Id.ShouldBe(point.Id);
        (await catalog.Groups.ListAsync(new("other"), null, 10, CancellationToken.None)).Items.ShouldBeEmpty();
        (await catalog.Groups.LivingOfAsync([TestCatalog.Files], CancellationToken.None)).ShouldHaveSingleItem().Members.Count.ShouldBe(2);
        await catalog.Audit.VerifyAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Record_AMemberLacksItsPointOrPartOfIt_IsNone()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await PublishAsync(catalog, "r-db", TestCatalog.Voids);
        await catalog.RunningAsync("r-none");
        (await RefusedAsync(catalog, "r-db", "r-none")).ShouldContain("run r-none made no recovery point");
        (await RefusedAsync(catalog, "r-db", "r-unheard-of")).ShouldContain("run r-unheard-of made no recovery point");
        (await RefusedAsync(catalog, "r-db")).ShouldContain("fewer than two members");
        await catalog.Points.PublishAsync(catalog.Receipt("r-none", "s-partial", unreadable: 2), CancellationToken.None);
        (await RefusedAsync(catalog, "r-db", "r-none")).ShouldContain("could not read everything");
        (await catalog.CountAsync("group_point_member")).ShouldBe(0);
    }

    [Fact]
    public async Task Begin_TakesOneMember_GivesTheWholeUp()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await PublishAsync(catalog, "r-db", TestCatalog.Voids);
        var files = await PublishAsync(catalog, "r-files", TestCatalog.Files);
        await RecordAsync(catalog, "g1", "r-db", "r-files");
        catalog.Clock.Advance(TimeSpan.FromDays(1));
        await catalog.Runs.CloseAsync(new("r-files"), Policy.States.RunState.Succeeded, null, CancellationToken.None);
        await PublishAsync(catalog, "r-later", TestCatalog.Files);

        var list = await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None);
        var plan = RetentionDecider.Decide(
            TestCatalog.Files, new RetentionRule { KeepLast = 1 }, TimeZoneInfo.Utc, catalog.Clock.GetUtcNow(), [.. list.Select(p => new RetentionPoint(p.Id.Value, p.Instant, p.PublishedAt))]);
        await catalog.Retention.ProposeAsync(new("p1", plan, "schedule", null), CancellationToken.None);
        await catalog.Retention.BeginAsync("p1", [files.Value], "schedule", CancellationToken.None);

        (await catalog.Groups.FindAsync(new("g1"), CancellationToken.None))!.ExpiredAt.ShouldBe(catalog.Clock.GetUtcNow());
        (await catalog.Groups.LivingOfAsync([TestCatalog.Voids], CancellationToken.None)).ShouldBeEmpty();
    }

    private static Task<GroupPoint> RecordAsync(TestCatalog catalog, string id, params string[] runs) =>
        catalog.Groups.RecordAsync(new NewGroupPoint(new(id), Group, "schedule", IsHeld: true, [.. runs.Select(r => new RunId(r))]), CancellationToken.None);

    private static async Task<string> RefusedAsync(TestCatalog catalog, params string[] runs)
    {
        var refusal = await Should.ThrowAsync<CatalogException>(() => RecordAsync(catalog, "g-refused", runs));
        refusal.Fault.ShouldBe(CatalogFault.NotAllowed);
        return refusal.Message;
    }

    private static async Task<RecoveryPointId> PublishAsync(TestCatalog catalog, string run, AssetName asset)
    {
        await catalog.RunningAsync(run, asset);
        return (await catalog.Points.PublishAsync(catalog.Receipt(run, $"s-{run}", asset), CancellationToken.None)).Id;
    }
}
