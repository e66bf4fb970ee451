using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Runs;
using Backup.Policy.States;
using Backup.Services.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Catalog.Tests.RecoveryPoints;

public sealed class RecoveryPointStoreTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Publish_Twice_IsOnePointWithEveryFact()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var receipt = catalog.Receipt("r1", "s1", unreadable: 1);
        var first = await catalog.Points.PublishAsync(receipt, CancellationToken.None);
        var second = await catalog.Points.PublishAsync(receipt, CancellationToken.None);

        second.Id.ShouldBe(first.Id);
        (await catalog.CountAsync("recovery_point")).ShouldBe(1);
        var read = (await catalog.Points.FindAsync(first.Id, CancellationToken.None)).ShouldNotBeNull();
        read.Snapshot.ShouldBeEquivalentTo(receipt.Snapshot);
        read.Snapshot.IsPartial.ShouldBeTrue();
        (await catalog.Runs.FindAsync(new("r1"), CancellationToken.None))!.RecoveryPoint.ShouldBe(first.Id);
    }

    [Theory]
    [InlineData(RunState.Queued)]
    [InlineData(RunState.Failed)]
    [InlineData(RunState.Cancelled)]
    public async Task Publish_RunIsNotRunning_MakesNoPoint(RunState state)
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.Runs.OpenAsync(TestCatalog.NewRun("r1"), CancellationToken.None);
        if (state is not RunState.Queued)
        {
            await catalog.Runs.CloseAsync(new("r1"), state, new("x", "x", ""), CancellationToken.None);
        }

        var fault = await Should.ThrowAsync<CatalogException>(() => catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None));
        fault.Fault.ShouldBe(CatalogFault.NotAllowed);
        (await catalog.CountAsync("recovery_point")).ShouldBe(0);
    }

    [Fact]
    public async Task Publish_ReceiptOfAnotherAsset_MakesNoPoint()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await RefusedAsync(catalog, catalog.Receipt("r1", "s1", TestCatalog.Voids));
    }

    [Fact]
    public async Task Publish_SnapshotOfAnotherRun_MakesNoPoint()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        await catalog.Runs.CloseAsync(new("r1"), RunState.Succeeded, null, CancellationToken.None);
        await catalog.RunningAsync("r2");
        await RefusedAsync(catalog, catalog.Receipt("r2", "s1"));
    }

    [Fact]
    public async Task Publish_SecondSnapshotForOneRun_MakesNoPoint()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        await RefusedAsync(catalog, catalog.Receipt("r1", "s2"));
    }

    /// <summary>Whatever a fault in the code might do, the database holds the line.</summary>
    [Theory]
    [InlineData("update run set state = 'succeeded', ended_at = now() where id = 'r1'")]
    [InlineData("update run set recovery_point_id = 'rp-0' where id = 'r1'")]
    [InlineData("insert into recovery_point select 'rp-1', 'fits-files', 'nobody', 'a', 'v', 'v', 's', 'files', now(), now(), false, 0, 0, 0, 0, 0, '[]', null, now(), now()")]
    public async Task Database_FalsePoint_IsRefused(string sql)
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await using var command = catalog.Source.CreateCommand(sql);
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync())).SqlState[..2].ShouldBe("23");
    }

    [Fact]
    public async Task Adopt_EmptyCatalog_RebuildsPointsUnderTheSameIds()
    {
        await using var lost = await TestCatalog.CreateAsync(postgres);
        await lost.RunningAsync("r1");
        var original = await lost.Points.PublishAsync(lost.Receipt("r1", "s1"), CancellationToken.None);

        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var found = Found(catalog, "s1", "r1");
        (await catalog.Points.AdoptAsync(found, "admin", CancellationToken.None)).ShouldBe(Adoption.Adopted);
        (await catalog.Points.AdoptAsync(found, "admin", CancellationToken.None)).ShouldBe(Adoption.Known);

        var point = (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None)).ShouldNotBeNull();
        point.Id.ShouldBe(original.Id);
        var run = (await catalog.Runs.FindAsync(new("r1"), CancellationToken.None)).ShouldNotBeNull();
        (run.State, run.IsRebuilt).ShouldBe((RunState.Succeeded, true));
    }

    [Fact]
    public async Task Adopt_RunWasGivenUp_KeepsItsFailureAndTheSnapshot()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Runs.CloseAsync(new("r1"), RunState.Failed, new("agent-unreachable", "x", ""), CancellationToken.None);
        (await catalog.Points.AdoptAsync(Found(catalog, "s1", "r1"), "admin", CancellationToken.None)).ShouldBe(Adoption.Adopted);
        (await catalog.Runs.FindAsync(new("r1"), CancellationToken.None))!.State.ShouldBe(RunState.Failed);
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None))!.Run.Value.ShouldStartWith("rebuilt-");
    }

    [Fact]
    public async Task Adopt_RunIsOpen_LeavesItToTheRun()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        (await catalog.Points.AdoptAsync(Found(catalog, "s1", "r1"), "admin", CancellationToken.None)).ShouldBe(Adoption.LeftToItsRun);
        await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
    }

    [Fact]
    public async Task MarkMissing_PointNotListed_IsNoLongerTheNewest()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.Points.AdoptAsync(Found(catalog, "s1", null), "admin", CancellationToken.None);
        catalog.Clock.Advance(TimeSpan.FromHours(1));
        await catalog.Points.AdoptAsync(Found(catalog, "s2", null), "admin", CancellationToken.None);
        catalog.Clock.Advance(TimeSpan.FromHours(1));

        var listedSince = catalog.Clock.GetUtcNow();
        catalog.Clock.Advance(TimeSpan.FromSeconds(1));
        await catalog.Points.AdoptAsync(Found(catalog, "s1", null), "admin", CancellationToken.None);
        (await catalog.Points.MarkMissingAsync(TestCatalog.Agent, TestCatalog.Vault, listedSince, "admin", CancellationToken.None)).ShouldBe(1);
        (await catalog.Points.MarkMissingAsync(TestCatalog.Agent, TestCatalog.Vault, listedSince, "admin", CancellationToken.None)).ShouldBe(0);

        (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None))!.Snapshot.SnapshotId.ShouldBe("s1");
        (await catalog.Points.AdoptAsync(Found(catalog, "s2", null), "admin", CancellationToken.None)).ShouldBe(Adoption.Known);
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None))!.Snapshot.SnapshotId.ShouldBe("s2");
    }

    [Fact]
    public async Task FindNewest_NotAfter_IsThePointBefore()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var first = catalog.Clock.GetUtcNow();
        await catalog.Points.AdoptAsync(Found(catalog, "s1", null), "admin", CancellationToken.None);
        catalog.Clock.Advance(TimeSpan.FromHours(1));
        await catalog.Points.AdoptAsync(Found(catalog, "s2", null), "admin", CancellationToken.None);
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, first, CancellationToken.None))!.Snapshot.SnapshotId.ShouldBe("s1");
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, first.AddSeconds(-1), CancellationToken.None)).ShouldBeNull();
        (await catalog.Points.ListAsync(TestCatalog.Files, null, 1, CancellationToken.None)).Next.ShouldNotBeNull();
    }

    [Fact]
    public async Task FindNewestToReplayFrom_NewestIsPartial_IsTheWholeOneWhoseLogLeadsPastIt()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var whole = Found(catalog, "s1", null);
        await catalog.Points.AdoptAsync(whole, "admin", CancellationToken.None);
        catalog.Clock.Advance(TimeSpan.FromHours(1));
        var second = Found(catalog, "s2", null);
        await catalog.Points.AdoptAsync(second with { Snapshot = second.Snapshot with { FilesUnreadableTotal = 1 } }, "admin", CancellationToken.None);
        var between = second.Snapshot.Instant.AddMinutes(-1);
        (await FindAsync(null)).ShouldBe("s2", "nothing is known of log");

        await catalog.Points.AdoptAsync(whole with { Snapshot = whole.Snapshot with { LogUntil = between } }, "admin", CancellationToken.None);
        (await FindAsync(null)).ShouldBe("s2", "the log ends before it");
        await catalog.Points.AdoptAsync(whole with { Snapshot = whole.Snapshot with { LogUntil = second.Snapshot.Instant } }, "admin", CancellationToken.None);
        (await FindAsync(null)).ShouldBe("s1");
        (await FindAsync(between)).ShouldBe("s1");
        catalog.Clock.Advance(RecoveryPointStore.LogUntilCounts + TimeSpan.FromMinutes(1));
        (await FindAsync(null)).ShouldBe("s2", "what was heard of log is too old");
        (await catalog.Points.FindNewestAsync(TestCatalog.Files, null, CancellationToken.None))!.Snapshot.SnapshotId.ShouldBe("s2");

        async Task<string> FindAsync(DateTimeOffset? notAfter) =>
            (await catalog.Points.FindNewestToReplayFromAsync(TestCatalog.Files, notAfter, CancellationToken.None)).ShouldNotBeNull().Snapshot.SnapshotId;
    }

    private static FoundSnapshot Found(TestCatalog catalog, string snapshot, string? run) =>
        new(TestCatalog.Files, run is null ? null : new RunId(run), TestCatalog.Agent, TestCatalog.Vault, catalog.Snapshot(snapshot));

    private static async Task RefusedAsync(TestCatalog catalog, BackupReceipt receipt)
    {
        var before = await catalog.CountAsync("recovery_point");
        (await Should.ThrowAsync<CatalogException>(() => catalog.Points.PublishAsync(receipt, CancellationToken.None))).Fault.ShouldBe(CatalogFault.ReceiptRefused);
        (await catalog.CountAsync("recovery_point")).ShouldBe(before);
    }

    [Fact]
    public async Task Summaries_OfOneAsset_AreNewestFirst()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        foreach (var (run, asset) in new[] { ("r1", TestCatalog.Files), ("r2", TestCatalog.Files), ("r3", TestCatalog.Voids) })
        {
            await catalog.RunningAsync(run, asset);
            await catalog.Points.PublishAsync(catalog.Receipt(run, $"s-{run}", asset), CancellationToken.None);
            await catalog.Runs.CloseAsync(new(run), Policy.States.RunState.Succeeded, null, CancellationToken.None);
            catalog.Clock.Advance(TimeSpan.FromHours(1));
        }

        var summaries = await catalog.Points.SummariesAsync(TestCatalog.Files, CancellationToken.None);
        summaries.Select(s => s.Id).ShouldBe([RecoveryPointId.Of("vault-1", "s-r2"), RecoveryPointId.Of("vault-1", "s-r1")]);
        (summaries[0].BytesRead, summaries[0].BytesNew, summaries[0].BytesStored, summaries[0].FilesTotal).ShouldBe((100, 50, 40, 7));
    }
}
