using Backup.Catalog.Runs;
using Backup.Policy.States;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Runs;

public sealed class RunStoreTests(PostgresFixture postgres)
{
    private static readonly OutcomeReason Reason = new("source-missing", "gone", "mount it");

    [Fact]
    public async Task Open_Twice_IsOneRun()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var first = await catalog.Runs.OpenAsync(TestCatalog.NewRun("r1"), CancellationToken.None);
        var second = await catalog.Runs.OpenAsync(TestCatalog.NewRun("r1"), CancellationToken.None);
        first.Opening.ShouldBe(RunOpening.Open);
        second.ShouldBe(first);
        (await catalog.CountAsync("audit")).ShouldBe(1);
    }

    [Fact]
    public async Task Open_AssetHasAnOpenRun_NamesItAndRecordsNothing()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.Runs.OpenAsync(TestCatalog.NewRun("r1"), CancellationToken.None);
        var second = await catalog.Runs.OpenAsync(TestCatalog.NewRun("r2"), CancellationToken.None);
        second.Opening.ShouldBe(RunOpening.AssetBusy);
        second.Run.Id.Value.ShouldBe("r1");
        (await catalog.CountAsync("run")).ShouldBe(1);
    }

    [Fact]
    public async Task Open_ManyAtOnceForOneAsset_OneWins()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var opened = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => catalog.Runs.OpenAsync(TestCatalog.NewRun($"r{i}"), CancellationToken.None)));
        opened.Count(o => o.Opening == RunOpening.Open).ShouldBe(1);
        opened.Select(o => o.Run.Id).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task Open_AfterItsEnd_SaysEnded()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Runs.CloseAsync(new("r1"), RunState.Failed, Reason, CancellationToken.None);
        (await catalog.Runs.OpenAsync(TestCatalog.NewRun("r1"), CancellationToken.None)).Opening.ShouldBe(RunOpening.Ended);
    }

    [Fact]
    public async Task Open_UnknownAsset_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var fault = await Should.ThrowAsync<CatalogException>(() => catalog.Runs.OpenAsync(TestCatalog.NewRun("r1", new("nobody")), CancellationToken.None));
        fault.Fault.ShouldBe(CatalogFault.Refused);
        fault.IsTransient.ShouldBeFalse();
    }

    [Fact]
    public async Task Close_Twice_KeepsTheFirstOutcome()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var first = await catalog.Runs.CloseAsync(new("r1"), RunState.Failed, Reason, CancellationToken.None);
        catalog.Clock.Advance(TimeSpan.FromMinutes(1));
        var second = await catalog.Runs.CloseAsync(new("r1"), RunState.Cancelled, new("other", "other", ""), CancellationToken.None);
        second.ShouldBe(first);
        first.Reason.ShouldBe(Reason);
    }

    [Theory]
    [InlineData(RunState.Succeeded)]
    [InlineData(RunState.Partial)]
    public async Task Close_AsGoodWithoutARecoveryPoint_IsRefused(RunState state)
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var fault = await Should.ThrowAsync<CatalogException>(() => catalog.Runs.CloseAsync(new("r1"), state, Reason, CancellationToken.None));
        fault.Fault.ShouldBe(CatalogFault.NotAllowed);
    }

    [Fact]
    public async Task Close_AsFailedWithARecoveryPoint_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        var fault = await Should.ThrowAsync<CatalogException>(() => catalog.Runs.CloseAsync(new("r1"), RunState.Failed, Reason, CancellationToken.None));
        fault.Fault.ShouldBe(CatalogFault.NotAllowed);
    }

    [Fact]
    public async Task List_InPages_ShowsEachRunOnceWhileNewOnesArrive()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await AddRunsAsync(catalog, 0, 25);
        var seen = new List<string>();
        string? next = null;
        do
        {
            var page = await catalog.Runs.ListAsync(new RunFilter(), next, 7, CancellationToken.None);
            seen.AddRange(page.Items.Select(r => r.Id.Value));
            next = page.Next;
            await AddRunsAsync(catalog, 100 + seen.Count, 1);
        }
        while (next is not null);

        seen.ShouldBe(Enumerable.Range(0, 25).Reverse().Select(i => $"r{i}"));
    }

    [Fact]
    public async Task List_Filtered_ShowsOnlyThose()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await AddRunsAsync(catalog, 0, 3);
        await catalog.RunningAsync("open", TestCatalog.Voids);
        (await catalog.Runs.ListAsync(new RunFilter(Asset: TestCatalog.Voids), null, 10, CancellationToken.None)).Items.Select(r => r.Id.Value).ShouldBe(["open"]);
        (await catalog.Runs.ListAsync(new RunFilter(State: RunState.Failed), null, 10, CancellationToken.None)).Items.Count.ShouldBe(3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("!!!")]
    [InlineData("MQ")]
    [InlineData("MQotMQpy")]
    public async Task List_ForeignToken_IsRefused(string token)
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        (await Should.ThrowAsync<CatalogException>(() => catalog.Runs.ListAsync(new RunFilter(), token, 10, CancellationToken.None))).Fault.ShouldBe(CatalogFault.BadCursor);
    }

    [Fact]
    public async Task Facts_OfEveryKindOfAsset_AreWhatSchedulingNeeds()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("good");
        catalog.Clock.Advance(TimeSpan.FromMinutes(5));
        await catalog.Points.PublishAsync(catalog.Receipt("good", "s1"), CancellationToken.None);
        await catalog.Runs.CloseAsync(new("good"), RunState.Succeeded, null, CancellationToken.None);
        var point = catalog.Clock.GetUtcNow();
        catalog.Clock.Advance(TimeSpan.FromMinutes(10));
        await AddRunsAsync(catalog, 0, 2);
        await catalog.Runs.OpenAsync(TestCatalog.NewRun("now"), CancellationToken.None);

        var facts = await catalog.Runs.FactsAsync([TestCatalog.Files, TestCatalog.Voids], CancellationToken.None);

        var files = facts.Single(f => f.Asset == TestCatalog.Files);
        files.LastRecoveryPoint.ShouldBe(point);
        files.Durations.ShouldBe([TimeSpan.FromMinutes(5)]);
        files.ConsecutiveFailures.ShouldBe(2);
        files.IsRunning.ShouldBeTrue();
        facts.Single(f => f.Asset == TestCatalog.Voids).ShouldBeEquivalentTo(Policy.Scheduling.AssetFacts.None(TestCatalog.Voids));
    }

    private static async Task AddRunsAsync(TestCatalog catalog, int from, int count)
    {
        for (var i = from; i < from + count; i++)
        {
            // Two runs may share an instant: the id breaks the tie.
            catalog.Clock.Advance(TimeSpan.FromSeconds(i % 3 == 0 ? 1 : 0) + TimeSpan.FromMilliseconds(1));
            await catalog.RunningAsync($"r{i}");
            await catalog.Runs.CloseAsync(new($"r{i}"), RunState.Failed, Reason, CancellationToken.None);
        }
    }
}
