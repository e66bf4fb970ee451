using Backup.Catalog.Alerts;
using Backup.Catalog.Verifications;
using Backup.Policy;
using Backup.Policy.Protection;
using Backup.Policy.Signals;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Signals;

public sealed class SignalStoreTests(PostgresFixture postgres)
{
    private static readonly SignalVerdict Strange = new([new Signal(SignalKind.Entropy, 0.99, 0.4), new Signal(SignalKind.DeletionRate, 0.5, 0)], Freezes: true);

    [Fact]
    public async Task Record_StrangeRunTwice_FreezesOnceAndRaisesOneAlert()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        (await catalog.Signals.RecordAsync(new("r1"), TestCatalog.Files, Strange, "test", CancellationToken.None)).ShouldBeTrue();
        (await catalog.Signals.RecordAsync(new("r1"), TestCatalog.Files, Strange, "test", CancellationToken.None)).ShouldBeFalse();
        (await catalog.Signals.FindFreezeAsync(TestCatalog.Files, CancellationToken.None))!.Run.Value.ShouldBe("r1");
        var alert = (await catalog.Alerts.ListAsync(onlyOpen: true, null, 10, CancellationToken.None)).Items.ShouldHaveSingleItem();
        (alert.Kind, alert.Subject).ShouldBe((AlertKind.Ransomware, TestCatalog.Files.Value));
        (await catalog.CountAsync("run_signal")).ShouldBe(2);

        (await catalog.Signals.LiftAsync(TestCatalog.Files, "a new camera", "bea", CancellationToken.None)).ShouldBeTrue();
        (await catalog.Signals.LiftAsync(TestCatalog.Files, "again", "bea", CancellationToken.None)).ShouldBeFalse();
        (await catalog.Signals.FindFreezeAsync(TestCatalog.Files, CancellationToken.None)).ShouldBeNull();
        (await catalog.Alerts.ListAsync(onlyOpen: true, null, 10, CancellationToken.None)).Items.ShouldBeEmpty();
        (await catalog.Alerts.ListAsync(onlyOpen: false, null, 10, CancellationToken.None)).Items.ShouldHaveSingleItem().ClosedReason.ShouldBe("a new camera");
    }

    [Fact]
    public async Task Record_BusyWeek_IsKeptAndFreezesNothing()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        await catalog.Signals.RecordAsync(new("r1"), TestCatalog.Files, new SignalVerdict([new Signal(SignalKind.ChangeRate, 0.4, 0.01)], Freezes: false), "test", CancellationToken.None);
        (await catalog.Signals.ListAsync(TestCatalog.Files, 10, CancellationToken.None)).ShouldHaveSingleItem().Signal.ShouldBe(new Signal(SignalKind.ChangeRate, 0.4, 0.01));
        (await catalog.Signals.FindFreezeAsync(TestCatalog.Files, CancellationToken.None)).ShouldBeNull();
        (await catalog.CountAsync("alert")).ShouldBe(0);
    }

    [Fact]
    public async Task History_LeavesOutRunsThatFroze()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        RecoveryPointId last = default;
        for (var i = 0; i < 4; i++)
        {
            await catalog.RunningAsync($"r{i}");
            last = (await catalog.Points.PublishAsync(catalog.Receipt($"r{i}", $"s{i}"), CancellationToken.None)).Id;
            await catalog.Runs.CloseAsync(new($"r{i}"), Policy.States.RunState.Succeeded, null, CancellationToken.None);
            catalog.Clock.Advance(TimeSpan.FromHours(1));
        }

        await catalog.Signals.RecordAsync(new("r1"), TestCatalog.Files, Strange, "test", CancellationToken.None);
        var found = await catalog.Signals.HistoryAsync(last, CancellationToken.None);
        found!.Value.Run.ShouldBe(new RunStatistics(100, 50, 40, 7));
        found.Value.History.Count.ShouldBe(2);
        (await catalog.Signals.HistoryAsync(new("rp-unknown"), CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task Protection_RecordsChangesOnly()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var state = CopyRule.Assess(catalog.Clock.GetUtcNow(), [new PointCopy("main", "disk", false, false, true)], null, 0);
        (await RecordAsync(state)).ShouldBeTrue();
        (await RecordAsync(state with { Missing = [.. state.Missing] })).ShouldBeFalse();
        catalog.Clock.Advance(TimeSpan.FromHours(1));
        (await RecordAsync(state with { Copies = 3 })).ShouldBeTrue();
        var rows = await catalog.Protection.ListAsync(TestCatalog.Files, 10, CancellationToken.None);
        rows.Select(r => r.State.Copies).ShouldBe([3, 2]);
        rows[1].State.Missing.ShouldBe(state.Missing);

        async Task<bool> RecordAsync(CopyRuleState now) => (await catalog.Protection.RecordAsync(TestCatalog.Files, _ => Task.FromResult((now, (RecoveryPointId?)null)), CancellationToken.None)).IsNew;
    }

    [Fact]
    public async Task VaultLooks_AreRecordedOnceAndFoundByVault()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var store = new VaultVerificationStore(catalog.Database, catalog.Audit);
        var look = new VaultLook("v/1", new("lab-agent-1"), new("main"), "00", catalog.Clock.GetUtcNow(), "data", IsSound: false, 10, 2, 200, null, 3, 2, 2, "3 were damaged");
        (await store.RecordAsync(look, "test", CancellationToken.None)).ShouldBeTrue();
        (await store.RecordAsync(look with { IsSound = true }, "test", CancellationToken.None)).ShouldBeFalse("the slot is recorded once");
        var newer = look with { Id = "v/2", At = look.At.AddDays(1), IsSound = true, OldestVerification = look.At, Finding = "all is well" };
        await store.RecordAsync(newer, "test", CancellationToken.None);
        await store.RecordAsync(look with { Id = "w/1", Vault = new("other") }, "test", CancellationToken.None);
        (await store.FindNewestAsync(new("lab-agent-1"), new("main"), CancellationToken.None)).ShouldBe(newer);
        (await store.FindNewestAsync(new("lab-agent-2"), new("main"), CancellationToken.None)).ShouldBeNull();
        (await store.ListNewestAsync(CancellationToken.None)).Select(l => l.Id).ShouldBe(["v/2", "w/1"], ignoreOrder: true);
        var page = await store.ListAsync(null, 2, CancellationToken.None);
        page.Items.Select(l => l.Id).ShouldBe(["v/2", "w/1"]);
        (await store.ListAsync(page.Next, 2, CancellationToken.None)).Items.ShouldHaveSingleItem().ShouldBe(look);
    }

    [Fact]
    public async Task Capacity_SamplesByPlaceAndVolumesByAsset()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        var now = catalog.Clock.GetUtcNow();
        for (var day = 0; day < 3; day++)
        {
            await catalog.Capacity.AddAsync(Backup.Catalog.Capacity.PlaceKind.Vault, "lab-agent-1/main", new(now.AddDays(day), 100 + day), 1000, CancellationToken.None);
        }

        (await catalog.Capacity.AddAsync(Backup.Catalog.Capacity.PlaceKind.Vault, "lab-agent-1/main", new(now, 5), 1000, CancellationToken.None)).ShouldBeFalse();
        var place = (await catalog.Capacity.ListAsync(now, CancellationToken.None)).ShouldHaveSingleItem();
        (place.BytesLimit, place.Samples.Select(s => s.BytesUsed).Sum()).ShouldBe((1000L, 303L));
        await catalog.RunningAsync("r1");
        await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        var volume = (await catalog.Capacity.VolumesAsync(CancellationToken.None)).ShouldHaveSingleItem();
        (volume.Points, volume.Deduplication, volume.Compression).ShouldBe((1L, 2d, 1.25));
    }
}
