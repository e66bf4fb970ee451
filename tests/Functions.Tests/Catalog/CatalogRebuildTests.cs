using Backup.AgentApi;
using Backup.Functions.Groups;
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

    [Fact]
    public async Task Rebuild_LostCatalog_KnowsGroupPointsAgain_ButNotThatTheyWereHeld()
    {
        string[] runs = ["backup-voids-db-s1", "backup-notes-s1"];
        var tags = GroupTags.Of("catalogue", "group-catalogue-s1", runs);
        await using var app = await TestApp.StartAsync(postgres);
        var first = Summary("first", "voids-db", runs[0]) with { Tags = tags, EndedAt = DateTimeOffset.UnixEpoch.AddMinutes(3) };
        var half = Summary("half", "config", "backup-config-s2") with { Tags = GroupTags.Of("catalogue", "group-catalogue-s2", ["backup-config-s2", "backup-notes-s2"]) };
        app.Agent.Pages = [new SnapshotPage { Snapshots = [first, half], Next = "1" }, new SnapshotPage { Snapshots = [Summary("second", "notes", runs[1]) with { Tags = tags }] }];
        (await RebuildAsync(app)).Single().Failure.ShouldBeNull();
        (await app.CountAsync("group_point")).ShouldBe(1, "of the other a member is lacking");
        var shown = await app.CallAsync(r => app.Function<GroupHttp>().GetGroupPoint(r, "group-catalogue-s1", app.Client, CancellationToken.None));
        shown.Body.GetProperty("members").EnumerateArray().Select(m => m.GetProperty("asset").GetString()).ShouldBe(["voids-db", "notes"]);
        (shown.Body.GetProperty("isHeld").GetBoolean(), shown.Body.GetProperty("isInVaults").GetBoolean()).ShouldBe((false, true));
        (await app.CallAsync(r => app.Function<GroupHttp>().PostGroupRestore(r, app.Client, CancellationToken.None), new { groupPoint = "group-catalogue-s1", target = "/restore/all" })).Status.ShouldBe(202);
    }

    /// <summary>Also a point that was adopted before agents told of dumps.</summary>
    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task Rebuild_PointsOfDatabases_KnowTheirDumps(bool isKnownWithout)
    {
        await using var app = await TestApp.StartAsync(postgres);
        var point = Summary("base", "voids-db", "backup-voids-db-s1") with
        {
            SourceKind = SourceKind.Postgres,
            ConsistencyPoint = new ConsistencyPoint { Timeline = 1, StartLsn = "0/3000028", StopLsn = "0/3000100", RestorePoint = "rp" },
        };
        if (isKnownWithout)
        {
            app.Agent.Pages = [new SnapshotPage { Snapshots = [point] }];
            (await AdoptAsync()).Adopted.ShouldBe(1);
            (await RestoreDumpAsync("early")).Status.ShouldBe(409);
        }

        app.Agent.Pages = [new SnapshotPage { Snapshots = [point with { DumpSnapshotId = "its-dump" }] }];
        (await AdoptAsync()).Failure.ShouldBeNull();
        var known = (await app.Points.ListAsync(null, null, 10, CancellationToken.None)).Items.Single().Snapshot.ConsistencyPoint!;
        (known.DumpSnapshotId, known.StopLsn, known.RestorePoint).ShouldBe(("its-dump", "0/3000100", "rp"));
        (await RestoreDumpAsync("late")).Status.ShouldBe(202);

        // An agent that does not tell takes nothing away.
        app.Agent.Pages = [new SnapshotPage { Snapshots = [point] }];
        (await AdoptAsync()).Known.ShouldBe(1);
        (await app.Points.ListAsync(null, null, 10, CancellationToken.None)).Items.Single().Snapshot.ConsistencyPoint!.DumpSnapshotId.ShouldBe("its-dump");

        Task<AdoptedPage> AdoptAsync() => app.Function<AdoptSnapshots>().RunAsync(new AdoptRequest(new VaultPlace("lab-agent-1", "main"), null, "test"), CancellationToken.None);

        Task<HttpReply> RestoreDumpAsync(string slot) => app.CallAsync(
            r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), new { asset = "voids-db", target = "/restore/x", dump = true, slot });
    }

    [Fact]
    public async Task Rebuild_CatalogThatKnowsItsRuns_MakesNoGroupPointThatItRefused()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var points = new[] { await app.BackUpAsync("config"), await app.BackUpAsync("notes") };
        var known = (await app.Points.ListAsync(null, null, 10, CancellationToken.None)).Items;
        var tags = GroupTags.Of("catalogue", "group-catalogue-s1", known.Select(p => p.Run.Value));
        app.Agent.Pages = [new SnapshotPage { Snapshots = [.. known.Select(p => Summary(p.Snapshot.SnapshotId, p.Asset.Value, p.Run.Value) with { Tags = tags })] }];
        var vault = (await RebuildAsync(app)).Single();
        (vault.Known, vault.GroupPoints).ShouldBe((points.Length, 0));
        (await app.CountAsync("group_point")).ShouldBe(0);
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
