using Backup.AgentApi;
using Backup.Catalog.Replicas;
using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Replication;
using Backup.Functions.Tests.Scripted;
using Backup.Policy.States;
using Backup.Services.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Backups;

/// <summary>On the durable engine and a real catalog; every activity runs twice in all of these.</summary>
public sealed class AssetBackupTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Backup_HealthyAgent_PublishesReplicatesChecksAndCloses()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var outcome = await app.BackUpAsync("fits-files");

        outcome.State.ShouldBe("succeeded");
        var run = (await app.Runs.FindAsync(new(outcome.Run), CancellationToken.None)).ShouldNotBeNull();
        run.State.ShouldBe(RunState.Succeeded);
        var point = (await app.Points.FindNewestAsync(new("fits-files"), null, CancellationToken.None)).ShouldNotBeNull();
        run.RecoveryPoint.ShouldBe(point.Id);
        var replicas = await app.Replicas.ListAsync([point.Id], CancellationToken.None);
        replicas.Select(r => (r.Tier.Value, r.State)).Order().ShouldBe([("offsite-cold", ReplicaState.Checked), ("offsite-hot", ReplicaState.Checked)]);

        // Once each, although every activity ran twice: one backup and one copy per tier.
        app.Agent.JobCount.ShouldBe(3);
        (await app.CountAsync("run")).ShouldBe(1);
        (await app.CountAsync("recovery_point")).ShouldBe(1);
        (await app.CountAsync("verification")).ShouldBe(2);
        (await app.CountAsync("audit where action = 'run.opened'")).ShouldBe(1);
    }

    [Fact]
    public async Task Backup_Credentials_AreInTheOrdersAndNowhereElse()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("fits-files");
        app.Agent.Received.Select(r => r.Order).OfType<ReplicateOrder>().ShouldAllBe(o => o.Replica!.Sas.Reveal().StartsWith(ScriptedOffsite.SecretMark));
        app.Offsite.Granted.ShouldAllBe(r => r == ReplicaRights.Copy);
        var dump = await app.DumpAsync();
        dump.ShouldContain("fits-files");
        dump.ShouldNotContain(ScriptedOffsite.SecretMark);
    }

    [Fact]
    public async Task Backup_Order_SaysWhatThePolicySays()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("fits-files");
        await app.BackUpAsync("voids-db");
        var orders = app.Agent.Received.Select(r => r.Order).OfType<BackupOrder>().ToArray();
        var files = orders.First(o => o.Asset == "fits-files");
        (files.Vault, files.Files!.Paths, files.Files.Excludes, files.Postgres).ShouldSatisfyAllConditions(
            o => o.Vault.ShouldBe("main"), o => o.Paths.ShouldBe(["/data/fits"]), o => o.Excludes.ShouldBe(["*.tmp"]), o => o.Postgres.ShouldBeNull());
        var database = orders.First(o => o.Asset == "voids-db");
        (database.SourceKind, database.Postgres!.Connection, database.Files).ShouldBe((SourceKind.Postgres, "voids", null));
    }

    [Fact]
    public async Task Backup_UnreadableFiles_IsPartialAndRestorable()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Work = (id, order) => ScriptedAgent.Succeed(id, order, unreadable: order is BackupOrder ? 3 : 0);
        var outcome = await app.BackUpAsync("config");
        (outcome.State, outcome.Reason!.Code).ShouldBe(("partial", ReasonCodes.UnreadableFiles));
        outcome.Reason.Text.ShouldContain("/data/secret: permission denied");
        outcome.RecoveryPoint.ShouldNotBeNull();
    }

    [Fact]
    public async Task Backup_AgentFails_IsAFailedRunWithItsReasonAndNoPoint()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Work = (id, _) => ScriptedAgent.Fail(id, FailureCode.SourceMissing);
        var outcome = await app.BackUpAsync("config");
        (outcome.State, outcome.Reason!.Code, outcome.RecoveryPoint).ShouldBe(("failed", "source-missing", null));
        outcome.Reason.Hint.ShouldBe("Repair it.");
        (await app.CountAsync("recovery_point")).ShouldBe(0);
        app.Agent.JobCount.ShouldBe(1);
    }

    [Theory]
    [InlineData(FailureCode.SourceUnavailable, true)]
    [InlineData(FailureCode.Interrupted, false)]
    public async Task Backup_FailureThatMayPass_IsOrderedAgainAsAnotherJob(FailureCode code, bool isTransient)
    {
        await using var app = await TestApp.StartAsync(postgres);
        var attempts = 0;
        app.Agent.Work = (id, order) => ++attempts < JobPatience.AttemptsMax ? ScriptedAgent.Fail(id, code, isTransient) : ScriptedAgent.Succeed(id, order);
        (await app.BackUpAsync("config")).State.ShouldBe("succeeded");
        app.Agent.JobCount.ShouldBe(JobPatience.AttemptsMax);
    }

    [Fact]
    public async Task Backup_FailureThatStays_EndsAfterTheLastAttempt()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Work = (id, _) => ScriptedAgent.Fail(id, FailureCode.VaultUnavailable, isTransient: true);
        (await app.BackUpAsync("config")).Reason!.Code.ShouldBe("vault-unavailable");
        app.Agent.JobCount.ShouldBe(JobPatience.AttemptsMax);
    }

    [Fact]
    public async Task Backup_AgentIsBrieflyAway_IsWaitedFor()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.GoSilent(3);
        (await app.BackUpAsync("config")).State.ShouldBe("succeeded");
    }

    [Fact]
    public async Task Backup_AgentStaysAway_IsARecordedFailure()
    {
        await using var app = await TestApp.StartAsync(postgres, new JobPatience { OfflineSeconds = 1, PollMilliseconds = 1 });
        app.Agent.GoSilent(int.MaxValue);
        var outcome = await app.BackUpAsync("config");
        (outcome.State, outcome.Reason!.Code).ShouldBe(("failed", ReasonCodes.AgentUnreachable));
        (await app.Runs.FindAsync(new(outcome.Run), CancellationToken.None))!.State.ShouldBe(RunState.Failed);
    }

    [Fact]
    public async Task Backup_AnswersAreLost_OneJobAllTheSame()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.LosesFirstAnswers = true;
        (await app.BackUpAsync("voids-db")).State.ShouldBe("succeeded");
        app.Agent.JobCount.ShouldBe(2);
        app.Agent.Received.Where(r => r.Order is BackupOrder).Select(r => r.Id).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task Backup_AgentLosesItsJournal_IsOrderedAgainUnderTheSameId()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = 5;
        app.Agent.ForgetsAfterPolls = 3;
        (await app.BackUpAsync("config")).State.ShouldBe("succeeded");
        app.Agent.Received.Where(r => r.Order is BackupOrder).Select(r => r.Id).Distinct().Count().ShouldBe(1);
        app.Agent.JobCount.ShouldBe(1);
    }

    [Fact]
    public async Task Backup_LongJob_ContinuesAsNewAndStillEnds()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.PollsBeforeTheEnd = (AgentJob.QuestionsPerGeneration * 2) + 10;
        (await app.BackUpAsync("config")).State.ShouldBe("succeeded");
        app.Agent.JobCount.ShouldBe(1);
    }

    [Fact]
    public async Task Backup_TakesTooLong_IsStoppedAndRecorded()
    {
        await using var app = await TestApp.StartAsync(postgres, new JobPatience { JobSeconds = 1, PollMilliseconds = 50 });
        app.Agent.PollsBeforeTheEnd = int.MaxValue;
        (await app.BackUpAsync("config")).Reason!.Code.ShouldBe(ReasonCodes.TookTooLong);
        app.Agent.Received.ShouldContain(r => r.Order is CancelOrder);
    }

    [Fact]
    public async Task Backup_ReceiptOfAnotherAsset_MakesNoPoint()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Agent.Work = (id, order) => ScriptedAgent.Succeed(id, ((BackupOrder)order) with { Asset = "notes" });
        var outcome = await app.BackUpAsync("config");
        (outcome.State, outcome.Reason!.Code).ShouldBe(("failed", ReasonCodes.ReceiptRefused));
        (await app.CountAsync("recovery_point")).ShouldBe(0);
    }

    [Fact]
    public async Task Backup_SnapshotOfAnEarlierRun_MakesNoPoint()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.BackUpAsync("config");
        app.Agent.Work = (id, order) => ScriptedAgent.Succeed(id, ((BackupOrder)order) with { RunId = InstanceIds.Backup("config", "s1") });
        (await app.BackUpAsync("config", "s2")).Reason!.Code.ShouldBe(ReasonCodes.ReceiptRefused);
        (await app.CountAsync("recovery_point")).ShouldBe(1);
    }

    [Fact]
    public async Task Backup_OneTierFails_IsPartialAndTheOtherIsChecked()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Offsite.Refusals["offsite-cold"] = new ControlPlaneException(ControlPlaneFault.OffsiteRefused, "No rights.", "Give them.");
        var outcome = await app.BackUpAsync("fits-files");
        (outcome.State, outcome.Reason!.Text).ShouldBe(("partial", "Tier offsite-cold: No rights."));
        (await app.Replicas.ListAsync([new(outcome.RecoveryPoint!)], CancellationToken.None)).Select(r => (r.Tier.Value, r.State)).Order().ShouldBe(
            [("offsite-cold", ReplicaState.Failed), ("offsite-hot", ReplicaState.Checked)]);
    }

    [Fact]
    public async Task Backup_ReplicaIsDamaged_IsPartialAndSaysSo()
    {
        await using var app = await TestApp.StartAsync(postgres);
        app.Offsite.Looks["offsite-hot"] = new ReplicaLook(IsSound: false, 10, 4, 400, "1 faults: packs/aa is missing");
        var outcome = await app.BackUpAsync("voids-db");
        (outcome.State, outcome.Reason!.Code).ShouldBe(("partial", ReasonCodes.ReplicaDamaged));
        (await app.Replicas.ListAsync([new(outcome.RecoveryPoint!)], CancellationToken.None)).Single().State.ShouldBe(ReplicaState.Damaged);
    }

    [Fact]
    public async Task Backup_CopyWasDeniedOnce_IsOrderedAgainWithAFreshGrant()
    {
        await using var app = await TestApp.StartAsync(postgres);
        var denied = false;
        app.Agent.Work = (id, order) =>
        {
            if (order is not ReplicateOrder || denied)
            {
                return ScriptedAgent.Succeed(id, order);
            }

            denied = true;
            return ScriptedAgent.Fail(id, FailureCode.AccessDenied);
        };
        (await app.BackUpAsync("voids-db")).State.ShouldBe("succeeded");
        app.Agent.Received.Select(r => r.Order).OfType<ReplicateOrder>().Select(o => o.Replica!.Sas).Distinct().Count().ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task Backup_AssetIsBusy_IsSkippedAndNamesTheOtherRun()
    {
        await using var app = await TestApp.StartAsync(postgres);
        await app.Runs.OpenAsync(new NewRun(new("other"), new("config"), new("lab-agent-1"), new("main"), "test"), CancellationToken.None);
        var outcome = await app.BackUpAsync("config");
        (outcome.State, outcome.Run, outcome.Reason!.Code).ShouldBe(("skipped", "other", "asset-busy"));
        app.Agent.JobCount.ShouldBe(0);
    }
}
