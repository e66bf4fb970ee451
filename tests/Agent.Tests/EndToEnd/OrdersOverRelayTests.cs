using System.Diagnostics;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Backup.AgentApi;
using Backup.Relay;
using Backup.Services.Testing;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The whole agent in this process: sealed orders through a real relay, real vault, real files.</summary>
public sealed class OrdersOverRelayTests(AzuriteFixture azurite) : IAsyncLifetime
{
    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync() => _bench = await AgentBench.StartAsync();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task BackupReplicateRestore_FromVaultAndFromReplica_BringsTheTreeBack()
    {
        _bench.FillData(20, 50_000);
        await _bench.StartAgentAsync();

        var backup = await _bench.RunAsync("backup-1", _bench.Backup());
        backup.State.ShouldBe(JobState.Succeeded, backup.Failure?.Message);
        var made = backup.Backup.ShouldNotBeNull();
        made.BytesRead.ShouldBe(20 * 50_000);
        made.FilesUnreadableTotal.ShouldBe(0);

        var (container, sas) = await NewContainerAsync();
        var replicate = await _bench.RunAsync("replicate-1", new ReplicateOrder
        {
            Vault = "main",
            SnapshotId = made.SnapshotId,
            Replica = new ReplicaTarget { Name = "offsite", ContainerUri = container, Sas = new SecretText(sas), AccessTier = AccessTier.Cool },
        });
        replicate.State.ShouldBe(JobState.Succeeded, replicate.Failure?.Message);
        var copied = replicate.Replicate.ShouldNotBeNull();
        VaultId.TryParse(made.VaultId, out var vault).ShouldBeTrue();
        var check = await ReplicaCheck.RunAsync(
            BlobLocation.Parse(container.ToString()), vault, BlobCredential.Parse(azurite.ConnectionString), copied.ManifestName, copied.ManifestSha256, null, _cancel);
        check.IsSound.ShouldBeTrue(string.Join('\n', check.Faults));
        check.ObjectsTotal.ShouldBe(copied.ObjectsTotal);

        var fromVault = await _bench.RunAsync("restore-1", AgentBench.Restore(made.SnapshotId, _bench.Scratch["restore/a"]));
        fromVault.State.ShouldBe(JobState.Succeeded, fromVault.Failure?.Message);
        fromVault.Restore!.BytesRestored.ShouldBe(20 * 50_000);
        _bench.ShouldBeRestored(_bench.Scratch["restore/a"]);

        var origin = RestoreOrigin.FromReplica(container, new SecretText(sas), made.VaultId);
        var fromReplica = await _bench.RunAsync("restore-2", AgentBench.Restore(made.SnapshotId, _bench.Scratch["restore/b"], origin));
        fromReplica.State.ShouldBe(JobState.Succeeded, fromReplica.Failure?.Message);
        _bench.ShouldBeRestored(_bench.Scratch["restore/b"]);
    }

    [Fact]
    public async Task Backup_SameOrderManyTimesAtOnce_IsOneSnapshot()
    {
        _bench.FillData(10, 10_000);
        await _bench.StartAgentAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => _bench.OrderAsync("backup-1", _bench.Backup())));

        answers.ShouldAllBe(a => a.Refusal == null && a.Value!.OrderId == OrderId.Parse("backup-1"));
        (await _bench.WaitForEndAsync("backup-1")).State.ShouldBe(JobState.Succeeded);
        var snapshot = (await _bench.SnapshotsAsync()).ShouldHaveSingleItem();
        snapshot.Tags["order"].ShouldBe("backup-1");
        snapshot.Tags["run"].ShouldBe("run-7");
    }

    [Fact]
    public async Task Backup_OrderIdUsedForSomethingElse_IsRefused()
    {
        _bench.FillData(1, 10);
        await _bench.StartAgentAsync();
        await _bench.RunAsync("backup-1", _bench.Backup());

        var answer = await _bench.OrderAsync("backup-1", _bench.Backup(_bench.Scratch["data/night-0"]));

        answer.Refusal.ShouldNotBeNull().Code.ShouldBe(FailureCode.OrderIdReused);
    }

    [Fact]
    public async Task Backup_AgentRestartedAfterTheCommitWithItsJournalLost_FindsItsSnapshot()
    {
        _bench.FillData(3, 1000);
        await _bench.StartAgentAsync();
        var first = await _bench.RunAsync("backup-1", _bench.Backup());
        await _bench.StopAgentAsync();
        File.Delete(_bench.Scratch["state/jobs.journal"]);
        await _bench.StartAgentAsync();

        (await _bench.AskAsync("backup-1", 0)).State.ShouldBe(JobState.Unknown);
        var second = await _bench.RunAsync("backup-1", _bench.Backup());

        second.Backup!.SnapshotId.ShouldBe(first.Backup!.SnapshotId);
        (await _bench.SnapshotsAsync()).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Restore_OrderedAgainAfterItsJournalWasLost_GoesOnInItsOwnTarget()
    {
        _bench.FillData(5, 1000);
        await _bench.StartAgentAsync();
        var snapshot = (await _bench.RunAsync("backup-1", _bench.Backup())).Backup!.SnapshotId;
        var target = _bench.Scratch["restore/a"];
        (await _bench.RunAsync("restore-1", AgentBench.Restore(snapshot, target))).State.ShouldBe(JobState.Succeeded);
        await _bench.StopAgentAsync();
        File.Delete(_bench.Scratch["state/jobs.journal"]);
        await _bench.StartAgentAsync();

        (await _bench.RunAsync("restore-1", AgentBench.Restore(snapshot, target))).State.ShouldBe(JobState.Succeeded);
        // Another order has no business there.
        var other = await _bench.RunAsync("restore-2", AgentBench.Restore(snapshot, target));
        other.State.ShouldBe(JobState.Failed);
        other.Failure!.Code.ShouldBe(FailureCode.TargetUnusable);
    }

    [Fact]
    public async Task Jobs_ThatCannotBeDone_EndInTheCodeThatSaysWhy()
    {
        _bench.FillData(1, 10);
        await _bench.StartAgentAsync();
        var missing = new string('0', 64);

        (await FailureOfAsync("a", _bench.Backup("/etc"))).ShouldBe(FailureCode.PathNotAllowed);
        (await FailureOfAsync("b", _bench.Backup(_bench.Scratch["data/none"]))).ShouldBe(FailureCode.SourceMissing);
        (await FailureOfAsync("c", _bench.Backup() with { Vault = "other" })).ShouldBe(FailureCode.UnknownVault);
        (await FailureOfAsync("d", AgentBench.Restore(missing, _bench.Scratch["restore/a"]))).ShouldBe(FailureCode.SnapshotMissing);
        (await FailureOfAsync("e", AgentBench.Restore(missing, "/etc/restored"))).ShouldBe(FailureCode.PathNotAllowed);
        (await FailureOfAsync("f", _bench.Backup() with { Files = null, SourceKind = SourceKind.Postgres, Postgres = new PostgresSettings { Connection = "none" } }))
            .ShouldBe(FailureCode.UnknownConnection);
        var (container, _) = await NewContainerAsync();
        (await FailureOfAsync("g", new ReplicateOrder
        {
            Vault = "main",
            SnapshotId = missing,
            Replica = new ReplicaTarget { Name = "offsite", ContainerUri = container, Sas = new SecretText("sv=1&sig=x"), AccessTier = AccessTier.Hot },
        })).ShouldBe(FailureCode.SnapshotMissing);
        (await _bench.SnapshotsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Replicate_ExpiredCredential_SaysThatAccessWasDenied()
    {
        _bench.FillData(1, 10);
        await _bench.StartAgentAsync();
        var snapshot = (await _bench.RunAsync("backup-1", _bench.Backup())).Backup!.SnapshotId;
        var (container, sas) = await NewContainerAsync(lifeHours: -1);

        var code = await FailureOfAsync("replicate-1", new ReplicateOrder
        {
            Vault = "main",
            SnapshotId = snapshot,
            Replica = new ReplicaTarget { Name = "offsite", ContainerUri = container, Sas = new SecretText(sas), AccessTier = AccessTier.Hot },
        });

        code.ShouldBe(FailureCode.AccessDenied);
    }

    [Fact]
    public async Task Backup_KeyOfAnotherVault_IsRefusedWithoutASnapshot()
    {
        _bench.FillData(1, 10);
        var other = await VaultCreation.CreateAsync(new FileSystemObjectStore(_bench.Scratch["other"]), TimeProvider.System, _cancel);
        VaultKeyFile.Save(_bench.Scratch["foreign.key"], other.BackupKey);
        _bench.Configure(backupKey: "foreign.key");
        await _bench.StartAgentAsync();

        var report = await _bench.RunAsync("backup-1", _bench.Backup());

        report.Failure!.Code.ShouldBe(FailureCode.KeyRefused);
        report.Failure.Hint.ShouldNotBeEmpty();
        (await _bench.SnapshotsAsync()).ShouldBeEmpty();
        var health = (await _bench.OrderAsync("health", new HealthQuery())).Value!;
        health.Vaults.ShouldHaveSingleItem().Failure!.Code.ShouldBe(FailureCode.KeyRefused);
    }

    [Fact]
    public async Task Backup_FullDisk_SaysSoAndWorksOnceThereIsRoom()
    {
        using var disk = SmallDisk.Mount(megabytes: 4);
        await using var bench = await AgentBench.StartAsync(disk.At("vault"));
        bench.FillData(8, 1 << 20);
        await bench.StartAgentAsync();

        var report = await bench.RunAsync("backup-1", bench.Backup());

        report.State.ShouldBe(JobState.Failed);
        report.Failure!.Code.ShouldBe(FailureCode.DiskFull);
        (await bench.SnapshotsAsync()).ShouldBeEmpty();
        disk.Resize(megabytes: 64);
        (await bench.RunAsync("backup-2", bench.Backup())).State.ShouldBe(JobState.Succeeded);
        var snapshot = (await bench.SnapshotsAsync()).ShouldHaveSingleItem();
        (await bench.RunAsync("restore-1", AgentBench.Restore(snapshot.Id.ToString(), bench.Scratch["restore/a"]))).State.ShouldBe(JobState.Succeeded);
        bench.ShouldBeRestored(bench.Scratch["restore/a"]);
    }

    [Fact]
    public async Task Snapshots_AndHealth_TellWhatTheVaultHolds()
    {
        _bench.FillData(2, 1000);
        await _bench.StartAgentAsync();
        var made = (await _bench.RunAsync("backup-1", _bench.Backup())).Backup!;

        var page = (await _bench.OrderAsync("list", new SnapshotsQuery { Vault = "main" })).Value.ShouldNotBeNull();
        var summary = page.Snapshots.ShouldHaveSingleItem();
        (summary.SnapshotId, summary.Asset, summary.RunId, summary.SourceKind).ShouldBe((made.SnapshotId, "fits", "run-7", SourceKind.Files));
        page.Next.ShouldBeNull();
        (await _bench.OrderAsync("list-2", new SnapshotsQuery { Vault = "main", After = made.SnapshotId })).Value!.Snapshots.ShouldBeEmpty();
        (await _bench.OrderAsync("list-3", new SnapshotsQuery { Vault = "none" })).Refusal!.Code.ShouldBe(FailureCode.UnknownVault);

        var health = (await _bench.OrderAsync("health", new HealthQuery())).Value.ShouldNotBeNull();
        health.Agent.ShouldBe("lab-agent-1");
        var vault = health.Vaults.ShouldHaveSingleItem();
        (vault.Name, vault.VaultId, vault.CanRestore, vault.Failure).ShouldBe(("main", made.VaultId, true, null));
        vault.BytesFree.ShouldNotBeNull().ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Post_WhatIsNoOrderOfOurs_LearnsNothing()
    {
        await _bench.StartAgentAsync();

        var garbage = (await _bench.PostAsync(new byte[500])).ShouldBeOfType<RelayReply.Answered>();
        (garbage.StatusCode, garbage.Body.Length).ShouldBe((400, 0));
        var envelope = _bench.Seal("x", new HealthQuery()).Envelope.ToArray();
        envelope[^1] ^= 1;
        (await _bench.PostAsync(envelope)).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(400);
        (await _bench.PostAsync(new byte[SealingLimits.OrderBytesMax + 1])).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(413);
        (await _bench.PostAsync(envelope, "/v2/orders")).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(404);
    }

    private async Task<FailureCode> FailureOfAsync(string id, OrderPayload<JobTicket> order)
    {
        var report = await _bench.RunAsync(id, order);
        report.State.ShouldBe(JobState.Failed);
        return report.Failure.ShouldNotBeNull().Code;
    }

    private async Task<(Uri Container, string Sas)> NewContainerAsync(int lifeHours = 1)
    {
        var client = new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient($"c{Guid.NewGuid():N}");
        await client.CreateAsync(cancellationToken: _cancel);
        var rights = BlobContainerSasPermissions.Create | BlobContainerSasPermissions.Write | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read;
        return (client.Uri, client.GenerateSasUri(rights, DateTimeOffset.UtcNow.AddHours(lifeHours)).Query.TrimStart('?'));
    }

    /// <summary>A file system of a few megabytes. Needs root, as mounting does.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string _path = Directory.CreateTempSubdirectory("agent-disk-").FullName;

        public static SmallDisk Mount(int megabytes)
        {
            var disk = new SmallDisk();
            if (Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", disk._path) != 0)
            {
                Directory.Delete(disk._path);
                Assert.Skip("Mounting a small file system needs root.");
            }

            return disk;
        }

        public string At(string name) => Path.Combine(_path, name);

        public void Resize(int megabytes) => Run("mount", "-o", $"remount,size={megabytes}m", _path).ShouldBe(0);

        public void Dispose()
        {
            Run("umount", "-l", _path);
            Directory.Delete(_path);
        }

        private static int Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
    }
}
