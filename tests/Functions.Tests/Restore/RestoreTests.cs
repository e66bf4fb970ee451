using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Http;
using Backup.Functions.Replication;
using Backup.Functions.Tests.Scripted;
using Backup.Policy.States;
using Backup.Services.Testing;
using Microsoft.AspNetCore.Http;
using Shouldly;

namespace Backup.Functions.Tests.Restores;

/// <summary>From the HTTP request to the closed restore.</summary>
public sealed class RestoreTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData("vault")]
    [InlineData("offsite-cold")]
    public async Task Restore_FromEitherCopy_OrdersTheNewestPointAndRecordsTheResult(string from)
    {
        await using var app = await TestApp.StartAsync(postgres);
        var point = (await app.BackUpAsync("fits-files")).RecoveryPoint!;
        var reply = await PostAsync(app, new { asset = "fits-files", target = "/restore/x", from, include = new[] { "*.fits" }, slot = "x" });

        reply.Status.ShouldBe(StatusCodes.Status202Accepted);
        reply.Location.ShouldBe($"/api/restores/{reply.Text("id")}");
        await app.OutcomeAsync<object>(reply.Text("id"));
        var restore = (await app.Restores.FindAsync(new(reply.Text("id")), CancellationToken.None)).ShouldNotBeNull();
        (restore.State, restore.RecoveryPoint.Value, restore.Tier?.Value ?? "vault", restore.Result!.Files).ShouldBe((RunState.Succeeded, point, from, 7L));

        var order = app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().First();
        (order.Target, order.From.Kind).ShouldBe(("/restore/x", from == "vault" ? RestoreOriginKind.Vault : RestoreOriginKind.Replica));
        order.Include.ShouldBe(["*.fits"]);
        if (from != "vault")
        {
            order.From.ContainerUri!.ToString().ShouldEndWith("/replica-cold");
            order.From.VaultId.ShouldBe(ScriptedAgent.VaultId);
            app.Offsite.Granted.ShouldContain(ReplicaRights.Read);
        }

        (await app.DumpAsync()).ShouldNotContain(ScriptedOffsite.SecretMark);
        var shown = await app.CallAsync(r => app.Function<RestoreHttp>().GetRestore(r, reply.Text("id"), app.Client, CancellationToken.None));
        (shown.Status, shown.Text("state"), shown.Body.GetProperty("filesRestored").GetInt64()).ShouldBe((200, "succeeded", 7L));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Prove_OfADatabase_OrdersThePolicysChecksAndShowsTheRecord(bool isSound)
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("voids-db");
        var accepted = TimeProvider.System.GetUtcNow();
        app.Agent.Work = (id, order) => ScriptedAgent.Succeed(id, order) with
        {
            State = isSound ? JobState.Succeeded : JobState.Partial,
            Failure = isSound ? null : new Failure { Code = FailureCode.ProofFailed, Message = "The proof found 1 faults." },
            Restore = ScriptedAgent.Succeed(id, order).Restore! with
            {
                Proof = new ProofResult
                {
                    AcceptedAt = accepted,
                    RestoredAt = accepted.AddSeconds(20),
                    ConsistentAt = accepted.AddSeconds(25),
                    CheckedAt = accepted.AddSeconds(60),
                    IsProven = isSound,
                    MajorVersion = 18,
                    TablesEqual = 5,
                    FindingsTotal = isSound ? 0 : 1,
                    Findings = isSound ? [] : [new ProofProblem { Step = "content", Text = "a row is missing" }],
                },
            },
        };

        var reply = await PostAsync(app, new { asset = "voids-db", target = "/restore/x", prove = true, slot = "x" });

        await app.OutcomeAsync<object>(reply.Text("id"));
        var proof = app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().First().Proof.ShouldNotBeNull();
        proof.TimeLimitSeconds.ShouldBe(1800);
        proof.Checks.ShouldHaveSingleItem().ShouldBe(new ProofQuestion { Name = "rows", Database = "voids", Sql = "SELECT count(*) > 0 FROM voids", TimeLimitSeconds = 60 });
        var shown = await app.CallAsync(r => app.Function<RestoreHttp>().GetRestore(r, reply.Text("id"), app.Client, CancellationToken.None));
        shown.Text("state").ShouldBe(isSound ? "succeeded" : "partial");
        shown.Body.GetProperty("isDrill").GetBoolean().ShouldBeFalse();
        var rto = shown.Body.GetProperty("rto");
        (rto.GetProperty("secondsToConsistent").GetDouble(), rto.GetProperty("secondsToChecked").GetDouble(), rto.GetProperty("limitSeconds").GetDouble()).ShouldBe((25, 60, 3600));
        (rto.GetProperty("isProven").GetBoolean(), rto.GetProperty("isWithinLimit").GetBoolean()).ShouldBe((isSound, isSound));
        shown.Body.GetProperty("proof").GetProperty("tablesEqual").GetInt32().ShouldBe(5);
        (await app.Restores.ProofAsync(new("voids-db"), CancellationToken.None)).FailedSince.ShouldBe(isSound ? 0 : 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Recover_ToAMoment_OrdersTheNewestPointBeforeItAndTheWayFromThere(bool doesAgentKnow)
    {
        await using var app = await TestApp.StartAsync(postgres);
        var point = (await app.BackUpAsync("voids-db")).RecoveryPoint!;
        var moment = TimeProvider.System.GetUtcNow();
        await app.BackUpAsync("voids-db", "later");
        app.Agent.Work = (id, order) => ScriptedAgent.Succeed(id, order) with
        {
            Restore = ScriptedAgent.Succeed(id, order).Restore! with { Recovery = doesAgentKnow ? new RecoveryResult { Timeline = 1, FromLsn = "0/3000028", ToLsn = "0/4000000" } : null },
        };

        var reply = await PostAsync(app, new { asset = "voids-db", target = "/restore/x", recoverTo = moment, slot = "x" });

        await app.OutcomeAsync<object>(reply.Text("id"));
        var order = app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().First();
        (order.Recovery.ShouldNotBeNull().Time, order.SourceKind).ShouldBe((moment, SourceKind.Postgres));
        var shown = await app.CallAsync(r => app.Function<RestoreHttp>().GetRestore(r, reply.Text("id"), app.Client, CancellationToken.None));
        (shown.Text("recoveryPoint"), DateTimeOffset.Parse(shown.Text("recoverTo"), System.Globalization.CultureInfo.InvariantCulture)).ShouldBe((point, moment));
        // An agent that passes over what it does not know has restored something else than was asked for.
        shown.Text("state").ShouldBe(doesAgentKnow ? "succeeded" : "failed");
        (await PostAsync(app, new { asset = "voids-db", target = "/restore/x", recoverTo = "latest", slot = "x" })).Text("id").ShouldNotBe(reply.Text("id"));
    }

    [Fact]
    public async Task Dump_OfAPointThatHasOne_OrdersItsFiles()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var dump = new string('d', 64);
        await app.BackUpAsync("voids-db");
        var none = await PostAsync(app, new { asset = "voids-db", target = "/restore/x", dump = true, slot = "x" });
        none.Status.ShouldBe(StatusCodes.Status409Conflict);
        none.Text("title").ShouldContain("has no dump");
        app.Agent.Work = (id, order) => order is BackupOrder ? ScriptedAgent.Succeed(id, order) with { Backup = ScriptedAgent.Succeed(id, order).Backup! with { DumpSnapshotId = dump } } : ScriptedAgent.Succeed(id, order);
        var point = (await app.BackUpAsync("voids-db", "later")).RecoveryPoint!;

        var reply = await PostAsync(app, new { asset = "voids-db", target = "/restore/x", dump = true, include = new[] { "voids.dump" }, slot = "x" });

        await app.OutcomeAsync<object>(reply.Text("id"));
        var order = app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().First();
        (order.SnapshotId, order.SourceKind).ShouldBe((dump, SourceKind.Files));
        order.Include.ShouldBe(["voids.dump"]);
        var shown = await app.CallAsync(r => app.Function<RestoreHttp>().GetRestore(r, reply.Text("id"), app.Client, CancellationToken.None));
        (shown.Text("state"), shown.Text("recoveryPoint"), shown.Body.GetProperty("isDump").GetBoolean()).ShouldBe(("succeeded", point, true));
    }

    [Fact]
    public async Task Drill_OfADatabase_IsProvenAndDiscardedAndListed()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("voids-db");
        await app.BackUpAsync("config");
        var body = new { asset = "voids-db", target = "/restore/drill", slot = "x" };
        var reply = await app.CallAsync(r => app.Function<RestoreHttp>().PostDrill(r, app.Client, CancellationToken.None), body);
        reply.Location.ShouldBe($"/api/drills/{reply.Text("id")}");
        await app.OutcomeAsync<object>(reply.Text("id"));
        var restore = await PostAsync(app, new { asset = "config", target = "/restore/drill", slot = "x" });
        await app.OutcomeAsync<object>(restore.Text("id"));

        var orders = app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().DistinctBy(o => o.RestoreId).ToArray();
        orders.Select(o => (o.Asset, o.Discard, o.Proof is not null)).ShouldBe([("voids-db", true, true), ("config", false, false)]);
        var drills = await app.CallAsync(r => app.Function<RestoreHttp>().GetDrills(r, CancellationToken.None));
        drills.Body.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()).ShouldBe([reply.Text("id")]);
        var all = await app.CallAsync(r => app.Function<RestoreHttp>().GetRestores(r, CancellationToken.None));
        all.Body.GetProperty("items").GetArrayLength().ShouldBe(2);
        (await app.CallAsync(r => app.Function<RestoreHttp>().PostDrill(r, app.Client, CancellationToken.None), new { asset = "voids-db", target = "/x", overwrite = true })).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Restore_AskedTwice_IsOne()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        var body = new { asset = "config", target = "/restore/x", slot = "x" };
        var first = await PostAsync(app, body);
        var second = await PostAsync(app, body);
        second.Text("id").ShouldBe(first.Text("id"));
        second.Body.GetProperty("isNew").GetBoolean().ShouldBeFalse();
        (await PostAsync(app, new { asset = "config", target = "/restore/y", slot = "x" })).Text("id").ShouldNotBe(first.Text("id"));
    }

    [Fact]
    public async Task Restore_AgentFails_IsRecorded()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        app.Agent.Work = (id, _) => ScriptedAgent.Fail(id, FailureCode.TargetUnusable);
        var reply = await PostAsync(app, new { asset = "config", target = "/restore/x" });
        await app.OutcomeAsync<object>(reply.Text("id"));
        var restore = (await app.Restores.FindAsync(new(reply.Text("id")), CancellationToken.None))!;
        (restore.State, restore.Reason!.Code).ShouldBe((RunState.Failed, "target-unusable"));
    }

    [Fact]
    public async Task Restore_NothingThere_IsAConflictThatSaysWhatToDo()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var reply = await PostAsync(app, new { asset = "config", target = "/restore/x" });
        (reply.Status, reply.ContentType).ShouldBe((409, "application/problem+json; charset=utf-8"));
        reply.Text("detail").ShouldContain("Back it up first");
    }

    [Fact]
    public async Task Restore_TierWithoutAReplica_IsAConflict()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        (await PostAsync(app, new { asset = "config", target = "/restore/x", from = "offsite-hot" })).Status.ShouldBe(409);
    }

    [Theory]
    [InlineData("""{"asset":"nobody","target":"/x"}""", 404)]
    [InlineData("""{"asset":"config","target":"/x","recoveryPoint":"rp-0"}""", 404)]
    [InlineData("""{"asset":"config","target":"/x","from":"moon"}""", 404)]
    [InlineData("""{"asset":"config","target":"/x","agent":"nobody"}""", 404)]
    [InlineData("""{"asset":"config","target":"/x","prove":true}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","recoverTo":"latest"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","dump":true}""", 400)]
    [InlineData("""{"asset":"voids-db","target":"/x","recoverTo":"tomorrow or so"}""", 400)]
    [InlineData("""{"asset":"voids-db","target":"/x","recoverTo":"latest","at":"2026-01-01T00:00:00Z"}""", 400)]
    [InlineData("""{"asset":"voids-db","target":"/x","recoverTo":"latest","dump":true}""", 400)]
    [InlineData("""{"asset":"voids-db","target":"/x","prove":true,"dump":true}""", 400)]
    [InlineData("""{"asset":"voids-db","target":"/x","recoverTo":"2020-01-01T00:00:00Z"}""", 409)]
    [InlineData("""{"asset":"config","target":"x"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x/../../etc"}""", 400)]
    [InlineData("""{"asset":"config"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","to":"/y"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","slot":"a b"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","recoveryPoint":"rp-0","at":"2026-01-01T00:00:00Z"}""", 400)]
    [InlineData("""{"asset":"config","target":"/x","at":"2020-01-01T00:00:00Z"}""", 409)]
    [InlineData("null", 400)]
    [InlineData("", 400)]
    [InlineData("[", 400)]
    public async Task Restore_BadRequest_IsAProblemWithoutTypeNames(string body, int status)
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        await app.BackUpAsync("voids-db");
        var reply = await PostAsync(app, body);
        reply.Status.ShouldBe(status, reply.Body.ToString());
        reply.Body.ToString().ShouldNotContain("Backup.");
        app.Agent.Received.ShouldNotContain(r => r.Order is RestoreOrder);
    }

    private static Task<HttpReply> PostAsync(TestApp app, object body) => app.CallAsync(r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), body);
}
