using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Capacity;
using Backup.Functions.Http;
using Backup.Functions.Replication;
using Backup.Functions.Restores;
using Backup.Functions.Tests.Scripted;
using Backup.Functions.Verifications;
using Backup.Services.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Shouldly;

namespace Backup.Functions.Tests.Replication;

/// <summary>Copies on other nodes and in another region, and vaults verified by their caretakers: the app's own orchestrations, scripted agents and storage.</summary>
public sealed class TierTests(PostgresFixture postgres)
{
    private const string Policy = """
        version: 1
        sites: [ { name: lab }, { name: annex } ]
        tiers:
          - { name: offsite-hot, container: replica-hot, accessTier: Hot }
          - { name: second-region, container: replica-geo, accessTier: Cool, copyFrom: offsite-hot, region: northeurope }
          - { name: second-node, kind: vault, place: second, bandwidth: [ { limit: 50MB/s } ] }
          - { name: annex-node, kind: vault, place: copies, agent: annex-agent, source: "{agent}-{vault}" }
        agents: [ { name: lab-agent-1, site: lab, caretaker: lab-keeper }, { name: lab-keeper, site: lab }, { name: annex-agent, site: annex } ]
        verifyWithinDays: 4
        assets:
          - { name: fits-files, kind: files, agent: lab-agent-1, vault: main, serviceClass: research, dataClass: active, paths: [/data/fits], replicateTo: [offsite-hot, second-region, second-node, annex-node] }
        """;

    private static readonly Uri Node = new("vault://lab-agent-1/second");

    [Fact]
    public async Task Backup_ToEveryKindOfTier_CopiesLooksAndCounts()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        (await app.BackUpAsync("fits-files")).State.ShouldBe("succeeded");
        (await app.CountAsync("replica where state = 'checked'")).ShouldBe(4);

        var copies = app.Agent.Received.Select(r => r.Order).OfType<ReplicateOrder>().Where(o => o.Copy is not null).DistinctBy(o => o.Copy).ToDictionary(o => o.Copy!);
        copies["second"].ShouldSatisfyAllConditions(o => o.Vault.ShouldBe("main"), o => o.Replica.ShouldBeNull(), o => o.Bandwidth.ShouldHaveSingleItem().BytesPerSecond.ShouldBe(50_000_000));
        copies["copies"].ShouldSatisfyAllConditions(o => o.Vault.ShouldBe("lab-agent-1-main"), o => o.Bandwidth.ShouldBeEmpty());
        app.Agent.Received.Select(r => r.Order).OfType<VerifyOrder>().Select(o => o.Copy!.Place).Distinct().ShouldBe(["second", "copies"], ignoreOrder: true);
        app.Offsite.Copied["replica-geo"].Count.ShouldBe(10);

        var shown = await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "fits-files", CancellationToken.None));
        shown.Body.GetProperty("copies").GetInt32().ShouldBe(6, "the original, the vault and four tiers");
        shown.Body.GetProperty("offsite").GetInt32().ShouldBe(3, "two regions, and the node at another site");
        shown.Body.GetProperty("media").GetInt32().ShouldBe(5, "the original, the vault's disk, two nodes' disks, blob storage");
        (await app.DumpAsync()).ShouldNotContain(ScriptedOffsite.SecretMark);
    }

    [Fact]
    public async Task Backup_NodeIsAway_IsPartialAndTheOtherTiersAreMade()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        app.Agent.Work = (id, order) => order is ReplicateOrder { Copy: "second" } ? ScriptedAgent.Fail(id, FailureCode.ReplicaUnavailable) : ScriptedAgent.Succeed(id, order);
        var outcome = await app.BackUpAsync("fits-files");
        (outcome.State, outcome.Reason!.Text).ShouldBe(("partial", "Tier second-node: It was ReplicaUnavailable."));
        (await app.CountAsync("replica where state = 'checked'")).ShouldBe(3);
        (await app.CountAsync("replica where state = 'failed' and tier = 'second-node'")).ShouldBe(1);
    }

    [Fact]
    public async Task Backup_FirstRegionFailed_SecondIsNotCopiedAndSaysWhy()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        app.Agent.Work = (id, order) => order is ReplicateOrder { Replica: not null } ? ScriptedAgent.Fail(id, FailureCode.VaultDamaged) : ScriptedAgent.Succeed(id, order);
        (await app.BackUpAsync("fits-files")).Reason!.Text.ShouldContain("Tier second-region: There is no sound copy in tier offsite-hot to copy from");
        app.Offsite.Batches.ShouldBe(0);
    }

    [Fact]
    public async Task RegionCopy_StorageAsksForPatience_GoesOnWithFewerBatchesAndFinishes()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);

        // Activities run twice here, so it is the second of the pair that counts.
        app.Offsite.CopyFails = batch => batch <= 2 ? new ControlPlaneException(ControlPlaneFault.OffsiteUnavailable, "503 ServerBusy", "Wait.") : null;
        (await app.BackUpAsync("fits-files")).State.ShouldBe("succeeded");
        app.Offsite.Copied["replica-geo"].Count.ShouldBe(10);
    }

    [Fact]
    public async Task RegionCopy_StorageRefuses_FailsAtOnce()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        app.Offsite.CopyFails = _ => new ControlPlaneException(ControlPlaneFault.OffsiteRefused, "403 AuthorizationFailure", "Check the rights.");
        (await app.BackUpAsync("fits-files")).Reason!.Text.ShouldContain("403 AuthorizationFailure");
        (await app.CountAsync("replica where tier = 'second-region' and state = 'failed'")).ShouldBe(1);
    }

    [Theory]
    [InlineData(4, 0, "-", 4, 0)]
    [InlineData(4, 0, "X-", 2, 1)]
    [InlineData(1, 3, "X", 1, 4)]
    [InlineData(2, 3, "X-", 1, 1)]
    [InlineData(1, 3, "--", 2, 0)]
    public void RegionCopy_AfterARound_LanesFollowTheStoragesAnswers(int lanes, int idle, string batches, int nextLanes, int nextIdle)
    {
        var copy = new RegionCopyRequest
        {
            VaultId = "v",
            SnapshotId = "s",
            From = "a",
            StartedAt = DateTime.UnixEpoch,
            Place = new ReplicaPlace { Tier = "t", Container = "c", AccessTier = "Hot" },
            Lanes = lanes,
            IdleRounds = idle,
        };
        var next = RegionCopy.Next(copy, [.. batches.Select(b => new RegionBatchOutcome(b == 'X' ? new JobFailure("c", "t", "h") : null, b == 'X'))]);
        (next.Lanes, next.IdleRounds).ShouldBe((nextLanes, nextIdle));
    }

    [Fact]
    public async Task Verification_OfANode_IsAskedOfItsAgentAndRepairedByACopy()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        var isDamaged = true;
        app.Agent.Work = (id, order) =>
        {
            if (order is VerifyOrder { Copy: { Place: "second", Parts: not null } copy } verify && isDamaged)
            {
                isDamaged = false;
                copy.Quarantine.ShouldBeTrue();
                return ScriptedAgent.Succeed(id, order) with { Verify = ScriptedAgent.Verified(verify, problems: 1) };
            }

            return ScriptedAgent.Succeed(id, order);
        };
        await TickAsync(app);
        var ending = await app.OutcomeAsync<VerificationEnding>(InstanceIds.Verification(Node, ScriptedAgent.VaultId));
        (ending.IsSound, ending.WasRepaired).ShouldBe((true, true), ending.Note);
        (await app.CountAsync("alert where kind = 'verification' and closed_at is null")).ShouldBe(1);
        (await app.CountAsync("verification where tier = 'second-node' and not is_sound")).ShouldBe(1);
    }

    [Fact]
    public async Task Vault_IsVerifiedDailyByItsCaretakerWhichMendsFromWhatItCanReach()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        await TickAsync(app);
        var ending = await VaultEndAsync(app);
        ending.Result!.IsSound.ShouldBeTrue();
        var order = app.Agent.Received.Select(r => r.Order).OfType<VerifyOrder>().First(o => o.Copy is null);
        order.SamplePercent.ShouldBe(100.0 / 3, 0.001, "four days, of which a quarter may be missed");

        // The caretaker is another agent than those that copy to nodes, so only containers help it.
        order.RepairFrom.Select(f => f.Kind).Distinct().ShouldBe([RestoreOriginKind.Replica]);
        order.RepairFrom.Count.ShouldBe(2);
        var shown = await app.CallAsync(r => app.Function<VerificationHttp>().GetVaultVerifications(r, CancellationToken.None));
        var look = shown.Body.GetProperty("items").EnumerateArray().Single();
        (look.GetProperty("vault").GetString(), look.GetProperty("depth").GetString(), look.GetProperty("isSound").GetBoolean()).ShouldBe(("main", "data", true));

        // Not again within the day; on request at any time.
        await TickAsync(app);
        (await app.CountAsync("vault_verification")).ShouldBe(1);
        var posted = await app.CallAsync(r => app.Function<VerificationHttp>().PostVerification(r, app.Client, CancellationToken.None), new { asset = "fits-files" });
        posted.Status.ShouldBe(StatusCodes.Status202Accepted);
        posted.Body.GetProperty("instances").GetArrayLength().ShouldBe(5, "the vault and four replicas");
    }

    [Theory]
    [InlineData(2, 2, true)]
    [InlineData(2, 1, false)]
    public async Task Vault_IsDamaged_AlertsAndCountsAsAnErrorUntilItIsMended(int problems, int mended, bool isSound)
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        app.Agent.Work = (id, order) => order is VerifyOrder { Copy: null } verify
            ? ScriptedAgent.Succeed(id, order) with { Verify = ScriptedAgent.Verified(verify, problems, mended) }
            : ScriptedAgent.Succeed(id, order);
        await TickAsync(app);
        (await VaultEndAsync(app)).Result!.IsSound.ShouldBe(isSound);
        (await app.CountAsync("alert where kind = 'verification' and subject = 'vault lab-agent-1/main' and closed_at is null")).ShouldBe(1);
        (await app.CountAsync($"audit where action = '{(isSound ? "vault.verified" : "vault.damaged")}'")).ShouldBe(1);
        var shown = await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, "fits-files", CancellationToken.None));
        shown.Body.GetProperty("copies").GetInt32().ShouldBe(isSound ? 6 : 5);
        shown.Body.GetProperty("missing").EnumerateArray().Any(m => m.GetString() == "1 copies unchecked or damaged").ShouldBe(!isSound);
    }

    [Fact]
    public async Task Vault_CannotBeVerified_AlertsWithoutCallingItDamaged()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        app.Agent.Work = (id, order) => order is VerifyOrder { Copy: null } ? ScriptedAgent.Fail(id, FailureCode.KeyRefused) : ScriptedAgent.Succeed(id, order);
        await TickAsync(app);
        (await VaultEndAsync(app)).Result.ShouldBeNull();
        (await app.CountAsync("vault_verification")).ShouldBe(0);
        (await app.CountAsync("alert where kind = 'verification' and closed_at is null and text like 'It could not be verified%'")).ShouldBe(1);
    }

    [Fact]
    public async Task Restore_FromANode_GoesToTheAgentNextToIt()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        var started = await app.CallAsync(
            r => app.Function<RestoreHttp>().PostRestore(r, app.Client, CancellationToken.None), new { asset = "fits-files", target = "/restore/a", from = "annex-node" });
        started.Status.ShouldBe(StatusCodes.Status202Accepted);
        (await app.OutcomeAsync<RestoreOutcome>(started.Text("id"))).State.ShouldBe("succeeded");
        app.Agent.Received.Select(r => r.Order).OfType<RestoreOrder>().First().From.ShouldBe(RestoreOrigin.FromCopy("copies", ScriptedAgent.VaultId));
    }

    [Fact]
    public async Task Capacity_OfANode_IsSampledAsDiskAndAsTier()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: Policy);
        await app.BackUpAsync("fits-files");
        await app.Function<CapacityTimer>().RunAsync(new TimerInfo(), CancellationToken.None);
        var shown = await app.CallAsync(r => app.Function<CapacityHttp>().GetCapacity(r, CancellationToken.None));
        var places = shown.Body.GetProperty("places").EnumerateArray().ToDictionary(p => p.GetProperty("name").GetString()!, p => p.GetProperty("bytesUsed").GetInt64());
        places["lab-agent-1/second"].ShouldBe(1500);
        places["second-node"].ShouldBe(1000);
        places["second-region"].ShouldBe(1000);
        places.ShouldNotContainKey("annex-agent/second", "no tier names it");
    }

    private static Task TickAsync(TestApp app) => app.Function<VerificationTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);

    private static Task<VaultVerificationEnding> VaultEndAsync(TestApp app) => app.OutcomeAsync<VaultVerificationEnding>(InstanceIds.VaultVerification("lab-agent-1", "main"));
}
