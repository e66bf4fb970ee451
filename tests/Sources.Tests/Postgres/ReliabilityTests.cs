using System.Diagnostics;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Tests.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

/// <summary>What happens to servers, disks and vaults during base backups and restores. What happens to a stream of log is in <see cref="WalReceiverTests"/>.</summary>
public sealed class ReliabilityTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backup_ServerKilledMeanwhile_IsAClearErrorAndTheNextSucceeds(bool streamed)
    {
        await using var bench = await WalBench.StartAsync();
        var request = Request(bench) with { Streamed = streamed };
        var vault = await bench.OpenAsync();
        var error = await Should.ThrowAsync<SourcesException>(() => new PostgresSource(TimeProvider.System).BackupAsync(
            vault, request, null, new AtPhase(TransferPhase.Copying, () => bench.Server.KillAsync().GetAwaiter().GetResult()), Cancel));
        error.Fault.ShouldBe(SourcesFault.ServerUnavailable);
        (await vault.ListSnapshotsAsync(Cancel)).ShouldBeEmpty();

        await bench.Server.StartAgainAsync(Cancel);
        (await bench.BackUpAsync(streamed)).IsPartial.ShouldBeFalse();
        (await ClusterFixture.AskAsync<long>(bench.Database, "SELECT count(*) FROM pg_replication_slots")).ShouldBe(0);
    }

    [Fact]
    public async Task Backup_StandbyPromotedMeanwhile_IsAClearErrorAndTheNextSucceeds()
    {
        await using var bench = await WalBench.StartAsync();
        var folder = await bench.RestoreAsync((await bench.BackUpAsync()).SnapshotId);
        var primary = new NpgsqlConnectionStringBuilder(bench.Database);
        await File.AppendAllTextAsync(
            Path.Combine(folder, "data", "postgresql.auto.conf"), $"primary_conninfo = 'host={primary.Host} port={primary.Port} user={primary.Username} password={primary.Password}'\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "data", "standby.signal"), "", Cancel);
        bench.Server.Account?.TakeOwnership(Path.Combine(folder, "data", "standby.signal"));
        await using var standby = await bench.StartRestoredAsync(folder);
        var request = Request(bench) with { ConnectionString = standby.ConnectionString() };
        var vault = await bench.OpenAsync();
        var before = (await vault.ListSnapshotsAsync(Cancel)).Count;

        var error = await Should.ThrowAsync<SourcesException>(() => new PostgresSource(TimeProvider.System).BackupAsync(
            vault, request, null, new AtPhase(TransferPhase.Copying, () => ClusterFixture.AskAsync<bool>(standby.ConnectionString(), "SELECT pg_promote(true, 60)").GetAwaiter().GetResult()), Cancel));

        error.Message.ShouldContain("promoted");
        (await vault.ListSnapshotsAsync(Cancel)).Count.ShouldBe(before);
        var next = await new PostgresSource(TimeProvider.System).BackupAsync(vault, request, null, null, Cancel);
        (next.IsPartial, next.ConsistencyPoint!.Timeline).ShouldBe((false, 2u));
        await standby.StopAsync();
    }

    [Fact]
    public async Task Backup_VaultFull_LeavesASoundVaultAndTheNextSucceeds()
    {
        await using var bench = await WalBench.StartAsync();
        // As many calls as a backup takes, into a store that goes afterwards.
        var counting = new FaultyObjectStore(bench.Store.Clone(), StoreFailure.DiskFull, int.MaxValue);
        await new PostgresSource(TimeProvider.System).BackupAsync(await bench.OpenForBackupAsync(counting), Request(bench), null, null, Cancel);
        var full = new FaultyObjectStore(bench.Store, StoreFailure.DiskFull, counting.Calls / 2);
        var vault = await bench.OpenForBackupAsync(full);
        var error = await Should.ThrowAsync<VaultException>(() => new PostgresSource(TimeProvider.System).BackupAsync(vault, Request(bench), null, null, Cancel));
        error.Fault.ShouldBe(VaultFault.StoreFull);
        full.HasFailed.ShouldBeTrue();

        (await Verifier.VerifyAsync(await bench.OpenAsync(), new VerifyRequest { Depth = VerifyDepth.Data }, null, Cancel)).IsSound.ShouldBeTrue();
        (await (await bench.OpenAsync()).ListSnapshotsAsync(Cancel)).ShouldBeEmpty();
        (await bench.BackUpAsync()).IsPartial.ShouldBeFalse();
    }

    [Fact]
    public async Task Restore_DiskFull_CannotBeStartedAndIsContinuedOnceThereIsRoom()
    {
        await using var bench = await WalBench.StartAsync();
        await bench.CommitAsync();
        var backup = await bench.BackUpAsync();
        using var disk = SmallDisk.TryMount(bench.NewFolder());
        Assert.SkipWhen(disk is null, "Mounting a disk of its own needs root.");
        var target = Path.Combine(disk.Folder, "data");
        var request = new PostgresRestoreRequest { Target = target, Owner = bench.Server.Account?.Name };
        var vault = await bench.OpenAsync();

        var error = await Should.ThrowAsync<SourcesException>(() => new PostgresRestore(TimeProvider.System).RestoreAsync(vault, backup.SnapshotId, request, null, Cancel));

        error.Fault.ShouldBe(SourcesFault.DiskFull);
        File.Exists(Path.Combine(target, "global", "pg_control")).ShouldBeFalse();
        disk.Grow();
        (await new PostgresRestore(TimeProvider.System).RestoreAsync(vault, backup.SnapshotId, request, null, Cancel)).IsComplete.ShouldBeTrue();
        await using var restored = await bench.StartRestoredAsync(disk.Folder);
        (await bench.CountAsync(restored.ConnectionString())).ShouldBe(1);
        await restored.StopAsync();
    }

    [Fact]
    public async Task Vault_EveryPackDamaged_IsFoundRepairedFromTheReplicaAndRestoresToTheEnd()
    {
        await using var bench = await WalBench.StartAsync();
        await using (var receiving = await bench.ReceiveAsync())
        {
            await receiving.UntilAlertAsync(Backup.Sources.Postgres.Wal.WalAlertKind.BaseBackupNeeded);
            await bench.BackUpAsync();
            await bench.CommitAsync();
            await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        }

        var replica = new MemoryObjectStore();
        foreach (var (name, content) in bench.Store.Objects)
            replica.Objects[name] = [.. content];
        var damaged = 0;
        foreach (var (name, content) in bench.Store.Objects.Where(stored => stored.Key.Kind is ObjectKind.DataPack or ObjectKind.MetaPack))
        {
            content[content.Length / 2] ^= 1;
            damaged++;
        }

        var report = await Verifier.VerifyWithoutKeyAsync(bench.Store, new VerifyRequest(), TimeProvider.System, null, Cancel);
        report.Problems.Count.ShouldBe(damaged);
        (await Repairer.RepairAsync(bench.Store, report.Problems, [replica], Cancel)).ShouldAllBe(repair => repair.RepairedFrom != null);
        await bench.LoseServerAsync();
        await using var restored = await bench.RecoverAsync(RecoveryTarget.Latest);
        (await bench.CountAsync(restored.ConnectionString())).ShouldBe(1);
        await restored.StopAsync();
    }

    [Theory]
    [InlineData(120022)]
    [InlineData(90624)]
    public void Backup_ServerTooOld_IsRefusedWithItsVersion(int version)
    {
        var error = Should.Throw<SourcesException>(() => PrerequisiteCheck.RequireVersion(version));
        error.Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        error.Message.ShouldStartWith($"The server is PostgreSQL {version / 10000}; physical backups need 13 or newer.");
    }

    private static PostgresBackupRequest Request(WalBench bench) => new() { Asset = WalBench.Asset, ConnectionString = bench.Database };

    /// <summary>A file system in memory that holds less than a cluster, until it grows.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private SmallDisk(string folder) => Folder = folder;

        internal string Folder { get; }

        internal static SmallDisk? TryMount(string folder)
        {
            var owner = new FileInfo(folder);
            return Run("mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", folder) && Run("chown", "--reference", Path.GetDirectoryName(owner.FullName) + "/server/data", folder) ? new SmallDisk(folder) : null;
        }

        internal void Grow() => Run("mount", "-o", "remount,size=512m", Folder).ShouldBeTrue();

        public void Dispose() => Run("umount", "-l", Folder).ShouldBeTrue();

        private static bool Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
