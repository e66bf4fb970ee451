using Backup.AgentApi;
using Backup.Functions.Http;
using Backup.Functions.Rebuilding;
using Backup.Functions.Tests.Scripted;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Rebuilding;

public sealed class CatalogRebuildTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Rebuild_LostCatalog_KnowsEverySnapshotAgain()
    {
        await using var before = await TestApp.StartAsync(postgres);
        var points = new[] { await before.BackUpAsync("config"), await before.BackUpAsync("notes"), await before.BackUpAsync("config", "s2") };
        var snapshots = (await before.Points.ListAsync(null, null, 10, CancellationToken.None)).Items.Select(p => Summary(p.Snapshot.SnapshotId, p.Asset.Value, p.Run.Value)).ToArray();

        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Pages =
        [
            new SnapshotPage { Snapshots = snapshots[..2], Next = "1" },
            new SnapshotPage { Snapshots = [snapshots[2], Summary("by-hand", "retired-asset", null)] },
        ];
        var vault = (await RebuildAsync(app)).Single();

        (vault.Known, vault.Missing, vault.Failure).ShouldBe((4, 0, null)); // Each page was adopted, and then found known when its activity ran again.
        (await app.Points.ListAsync(null, null, 10, CancellationToken.None)).Items.Select(p => p.Id.Value).Order()
            .ShouldBe(points.Select(p => p.RecoveryPoint!).Append(Catalog.RecoveryPointId.Of(ScriptedAgent.VaultId, "by-hand").Value).Order());
        (await app.CountAsync("run where rebuilt")).ShouldBe(4);
    }

    [Fact]
    public async Task Rebuild_SnapshotIsGone_MarksItsPointAndRefusesToRestoreItFromTheVault()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var outcome = await app.BackUpAsync("voids-db");
        var vault = (await RebuildAsync(app)).Single();
        vault.Failure.ShouldBeNull();
        (await app.Points.FindAsync(new(outcome.RecoveryPoint!), CancellationToken.None))!.MissingSince.ShouldNotBeNull();

        async Task<HttpReply> RestoreAsync(string from) => await app.CallAsync(
            r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), new { asset = "voids-db", target = "/x", from, recoveryPoint = outcome.RecoveryPoint });
        (await RestoreAsync("vault")).Status.ShouldBe(409);
        (await RestoreAsync("offsite-hot")).Status.ShouldBe(202);
    }

    [Fact]
    public async Task Rebuild_AgentRefuses_MarksNothing()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var outcome = await app.BackUpAsync("config");
        app.Agent.Refusal = new Failure { Code = FailureCode.KeyRefused, Message = "No restore key here.", Hint = "Use another agent." };
        var vault = (await RebuildAsync(app)).Single();
        vault.Failure!.Code.ShouldBe("key-refused");
        (await app.Points.FindAsync(new(outcome.RecoveryPoint!), CancellationToken.None))!.MissingSince.ShouldBeNull();
    }

    private static async Task<VaultRebuilt[]> RebuildAsync(TestApp app)
    {
        var reply = await app.CallAsync(r => app.Function<CatalogHttp>().PostCatalogRebuild(r, app.Client, CancellationToken.None));
        reply.Status.ShouldBe(202);
        return await app.OutcomeAsync<VaultRebuilt[]>(reply.Text("id"));
    }

    private static SnapshotSummary Summary(string id, string asset, string? run) => new()
    {
        SnapshotId = id,
        Asset = asset,
        SourceKind = SourceKind.Files,
        VaultId = ScriptedAgent.VaultId,
        StartedAt = DateTimeOffset.UnixEpoch,
        EndedAt = DateTimeOffset.UnixEpoch.AddMinutes(1),
        RunId = run,
    };
}
