using Backup.Catalog.Restores;
using Backup.Policy.States;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Catalog.Tests.Restores;

public sealed class RestoreStoreTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Restore_EveryCallTwice_IsOneRestore()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var point = await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        var order = new NewRestore(new("x1"), TestCatalog.Files, point.Id, TestCatalog.Agent, null, "/restore/x", ["*.fits"], true, "operator") { RecoverTo = "latest" };
        Restore? restore = null;
        for (var i = 0; i < 2; i++)
        {
            (await catalog.Restores.OpenAsync(order, CancellationToken.None)).Include.ShouldBe(["*.fits"]);
            await catalog.Restores.MarkOrderedAsync(new("x1"), CancellationToken.None);
            restore = await catalog.Restores.CloseAsync(new("x1"), RunState.Succeeded, null, new RestoredAmount(1, 2, 3, 4), CancellationToken.None);
        }

        restore!.Result.ShouldBe(new RestoredAmount(1, 2, 3, 4));
        (restore.RecoverTo, restore.IsDump).ShouldBe(("latest", false));
        (await catalog.Restores.ListAsync(onlyDrills: false, null, 10, CancellationToken.None)).Items.Select(r => r.Id.Value).ShouldBe(["x1"]);
        (await catalog.CountAsync("audit where action like 'restore.%'")).ShouldBe(3);
    }

    [Fact]
    public async Task Close_NeverOrderedAsSucceeded_IsRefused()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var point = await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        await catalog.Restores.OpenAsync(new(new("x1"), TestCatalog.Files, point.Id, TestCatalog.Agent, null, "/restore/x", [], false, "operator"), CancellationToken.None);
        (await Should.ThrowAsync<CatalogException>(() => catalog.Restores.CloseAsync(new("x1"), RunState.Succeeded, null, new(1, 2, 3, 4), CancellationToken.None)))
            .Fault.ShouldBe(CatalogFault.NotAllowed);
    }

    [Fact]
    public async Task Close_WithAProof_KeepsItAndCountsWhatIsNotProven()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var point = await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        var accepted = catalog.Clock.GetUtcNow();
        foreach (var (id, isProven) in new[] { ("x1", true), ("x2", false) })
        {
            await catalog.Restores.OpenAsync(new(new(id), TestCatalog.Files, point.Id, TestCatalog.Agent, null, "/restore/x", [], false, "operator") { IsDrill = isProven }, CancellationToken.None);
            await catalog.Restores.MarkOrderedAsync(new(id), CancellationToken.None);
            catalog.Clock.Advance(TimeSpan.FromMinutes(1));
            await catalog.Restores.CloseAsync(
                new(id), isProven ? RunState.Succeeded : RunState.Partial, isProven ? null : new("proof-failed", "a row is missing", ""), new(1, 2, 3, 4),
                new ProofRecord(accepted, isProven ? accepted.AddSeconds(2) : null, accepted.AddSeconds(3), isProven, """{"isProven": true}"""), CancellationToken.None);
        }

        var proven = (await catalog.Restores.FindAsync(new("x1"), CancellationToken.None))!;
        proven.IsDrill.ShouldBeTrue();
        proven.Proof.ShouldBe(new ProofRecord(accepted, accepted.AddSeconds(2), accepted.AddSeconds(3), true, """{"isProven": true}"""));
        (await catalog.Restores.FindAsync(new("x2"), CancellationToken.None))!.Proof!.ConsistentAt.ShouldBeNull();
        (await catalog.Restores.ListAsync(onlyDrills: true, null, 10, CancellationToken.None)).Items.Select(r => r.Id.Value).ShouldBe(["x1"]);
        (await catalog.Restores.ProofAsync(TestCatalog.Files, CancellationToken.None)).ShouldBe(new RestoreProof(proven.EndedAt, 1));
    }

    [Fact]
    public async Task Proof_SucceededThenFailed_CountsWhatFailedSince()
    {
        await using var catalog = await TestCatalog.CreateAsync(postgres);
        await catalog.RunningAsync("r1");
        var point = await catalog.Points.PublishAsync(catalog.Receipt("r1", "s1"), CancellationToken.None);
        (await catalog.Restores.ProofAsync(TestCatalog.Files, CancellationToken.None)).ShouldBe(new RestoreProof(null, 0));

        await RestoreAsync("x1", RunState.Failed);
        (await catalog.Restores.ProofAsync(TestCatalog.Files, CancellationToken.None)).ShouldBe(new RestoreProof(null, 1));
        await RestoreAsync("x2", RunState.Succeeded);
        var proven = catalog.Clock.GetUtcNow();
        await RestoreAsync("x3", RunState.Cancelled);
        await RestoreAsync("x4", RunState.Failed);
        (await catalog.Restores.ProofAsync(TestCatalog.Files, CancellationToken.None)).ShouldBe(new RestoreProof(proven, 1));
        (await catalog.Restores.ProofAsync(TestCatalog.Voids, CancellationToken.None)).ShouldBe(new RestoreProof(null, 0));

        async Task RestoreAsync(string id, RunState state)
        {
            catalog.Clock.Advance(TimeSpan.FromHours(1));
            await catalog.Restores.OpenAsync(new(new(id), TestCatalog.Files, point.Id, TestCatalog.Agent, null, "/restore/x", [], false, "operator"), CancellationToken.None);
            await catalog.Restores.MarkOrderedAsync(new(id), CancellationToken.None);
            await catalog.Restores.CloseAsync(
                new(id), state, state is RunState.Succeeded ? null : new("code", "text", "hint"), state is RunState.Succeeded ? new(1, 2, 3, 4) : null, CancellationToken.None);
        }
    }
}
