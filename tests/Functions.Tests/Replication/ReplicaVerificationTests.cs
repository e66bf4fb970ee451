using Backup.AgentApi;
using Backup.Functions.Http;
using Backup.Functions.Replication;
using Backup.Functions.Tests.Scripted;
using Backup.Functions.Verifications;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Shouldly;

namespace Backup.Functions.Tests.Replication;

public sealed class ReplicaVerificationTests(PostgresFixture postgres)
{
    private static readonly Uri Hot = new("http://127.0.0.1:10000/devstoreaccount1/replica-hot");
    private static readonly ReplicaFinding Sound = new(new ReplicaLook(IsSound: true, 10, 1, 100, "10 objects are there."), []);
    private static readonly ReplicaFinding Damaged = new(new ReplicaLook(IsSound: false, 10, 1, 100, "1 faults: data/x is not what its name says"), ["data/x"]);

    [Fact]
    public async Task Timer_EverythingIsSound_LooksAtEachReplicaOnceAndSaysSo()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("fits-files");
        await app.BackUpAsync("voids-db");
        await TickAsync(app);
        (await EndAsync(app)).ShouldSatisfyAllConditions(e => e.IsSound.ShouldBeTrue(), e => e.WasRepaired.ShouldBeFalse());
        await app.OutcomeAsync<VerificationEnding>(InstanceIds.Verification(new(Hot, "replica-cold"), ScriptedAgent.VaultId));

        // Three replicas in two containers: each container's copy of the vault is one.
        (await app.CountAsync("verification where id like 'verify-%'")).ShouldBe(2);
        (await app.CountAsync("alert")).ShouldBe(0);
        var shown = await app.CallAsync(r => app.Function<VerificationHttp>().GetVerifications(r, CancellationToken.None), query: "?limit=2");
        shown.Body.GetProperty("items").EnumerateArray().Select(v => v.GetProperty("isSound").GetBoolean()).ShouldBe([true, true]);
    }

    [Fact]
    public async Task Verification_FindsDamage_QuarantinesAndHasTheAgentMendIt()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("voids-db");
        app.Offsite.Finding = replica => app.Offsite.Quarantined.IsEmpty ? Damaged : Sound;
        await TickAsync(app);
        (await EndAsync(app)).ShouldSatisfyAllConditions(e => e.IsSound.ShouldBeTrue(), e => e.WasRepaired.ShouldBeTrue(), e => e.Note.ShouldContain("quarantine"));
        app.Offsite.Quarantined.ShouldContain("data/x");
        app.Agent.Received.Select(r => r.Order).OfType<ReplicateOrder>().Count().ShouldBeGreaterThanOrEqualTo(2);
        (await app.CountAsync("replica where state = 'checked'")).ShouldBe(1);
        (await app.CountAsync("alert where kind = 'verification' and closed_at is null")).ShouldBe(1);

        // The next one without a fault ends the alert. Its slot is the same minute, so what was recorded stays.
        app.Offsite.Finding = _ => Sound;
        await TickAsync(app);
        await EndAsync(app);
        (await app.CountAsync("alert where closed_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task Verification_VaultCannotMendIt_StaysDamagedAndAlerts()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("voids-db");
        app.Offsite.Finding = _ => Damaged;
        app.Agent.Work = (id, order) => order is ReplicateOrder ? ScriptedAgent.Fail(id, FailureCode.VaultDamaged) : ScriptedAgent.Succeed(id, order);
        await TickAsync(app);
        (await EndAsync(app)).ShouldSatisfyAllConditions(e => e.IsSound.ShouldBeFalse(), e => e.Note.ShouldContain("Repair failed"));
        (await app.CountAsync("replica where state = 'damaged'")).ShouldBe(1);
        (await app.CountAsync("alert where kind = 'verification' and closed_at is null")).ShouldBe(1);
        (await app.CountAsync("protection_state where asset = 'voids-db' and 'no sound copy off-site' = any(missing)")).ShouldBe(1);
    }

    [Fact]
    public async Task Order_ToReplicate_CarriesTheAgentsPartOfItsSitesLine()
    {
        const string policy = """
            version: 1
            sites: [ { name: lab, bandwidth: [ { limit: 20MB/s } ] } ]
            tiers: [ { name: hot, container: copies, accessTier: Hot } ]
            agents: [ { name: one, site: lab }, { name: two, site: lab }, { name: three, site: lab } ]
            assets:
              - { name: a, kind: files, agent: one, vault: main, serviceClass: research, dataClass: active, paths: [/a], replicateTo: [hot] }
              - { name: b, kind: files, agent: two, vault: main, serviceClass: research, dataClass: active, paths: [/b], replicateTo: [hot] }
              - { name: c, kind: files, agent: three, vault: main, serviceClass: research, dataClass: active, paths: [/c], replicateTo: [] }
            """;
        await using var app = await TestApp.StartAsync(postgres, policy: policy);
        await app.BackUpAsync("a");
        app.Agent.Received.Select(r => r.Order).OfType<ReplicateOrder>().First().Bandwidth.ShouldHaveSingleItem().BytesPerSecond.ShouldBe(10_000_000);
    }

    private static Task TickAsync(TestApp app) => app.Function<VerificationTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);

    private static Task<VerificationEnding> EndAsync(TestApp app) => app.OutcomeAsync<VerificationEnding>(InstanceIds.Verification(Hot, ScriptedAgent.VaultId));
}
