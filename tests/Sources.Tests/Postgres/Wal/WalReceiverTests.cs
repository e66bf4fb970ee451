using Backup.LocalStack.Services;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Proving;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Wal;

/// <summary>Streaming from real servers into a vault, with everything that happens to servers and vaults.</summary>
public sealed class WalReceiverTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData(WalBench.OldestPrograms)]
    public async Task Receive_ServerAndItsDiskLost_EverythingDurableComesBack(string? programs)
    {
        await using var bench = await WalBench.StartAsync(programs);
        long expected;
        await using (var receiving = await bench.ReceiveAsync())
        {
            await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            (await bench.BackUpAsync()).IsPartial.ShouldBeFalse();
            for (var round = 0; round < 3; round++)
            {
                await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits (filler) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 15000) n", "SELECT pg_switch_wal()");
                await bench.CommitAsync();
            }

            expected = await bench.CountAsync();
            await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
            var status = receiving.Status.ShouldNotBeNull();
            status.Age.ShouldNotBeNull().ShouldBeLessThan(TimeSpan.FromSeconds(30));
            receiving.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.LogDamaged);
            await bench.LoseServerAsync();
        }

        await using var restored = await bench.RecoverAsync(RecoveryTarget.Latest);
        (await bench.CountAsync(restored.ConnectionString())).ShouldBe(expected);
        await restored.StopAsync();
    }

    [Fact]
    public async Task Prove_WhileLogIsReceived_KnowsWhatItReads()
    {
        await using var bench = await WalBench.StartAsync();
        await using var receiving = await bench.ReceiveAsync();
        await bench.CommitAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        var backup = await bench.BackUpAsync();
        var store = new BusyStore(bench.Store, ObjectKind.ChunkMap, async () =>
        {
            await bench.CommitAsync();
            await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        });
        // What the backup recorded and the log are read before the server is started, for which this folder is not enough.
        var folder = bench.NewFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "PG_VERSION"), "18", Cancel);
        var request = new ProofRequest { DataDirectory = folder, Programs = (await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms, Timeline = 1 };

        var report = await new PostgresProof(TimeProvider.System).RunAsync(await bench.OpenAsync(store), backup.SnapshotId, request, null, Cancel);

        store.HasWritten.ShouldBeTrue();
        report.Findings.ShouldHaveSingleItem().Text.ShouldContain("did not start");
    }

    [Fact]
    public async Task Receive_FlushPosition_IsReportedOnlyOnceTheVaultHasIt()
    {
        await using var bench = await WalBench.StartAsync();
        var store = new GatedStore(bench.Store);
        await using var receiving = await bench.ReceiveAsync(through: store);
        await bench.CommitAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        store.Close();
        await bench.CommitAsync();
        var end = await bench.EndOfLogAsync();
        await receiving.UntilAsync(() => receiving.Status!.Received >= end, "received");
        await receiving.UntilAlertAsync(WalAlertKind.VaultUnavailable);
        // Only now: what was on its way into the vault when it was cut off may have arrived.
        var before = receiving.Status!.Durable;
        before.ShouldBeLessThan(end);
        await ShouldBeFlushedAsync(bench, flushed => flushed <= before);
        store.Open();
        await receiving.UntilDurableAsync(end);
        await receiving.UntilAlertAsync(WalAlertKind.VaultAvailable);
        await ShouldBeFlushedAsync(bench, flushed => flushed >= end);
    }

    [Fact]
    public async Task Receive_StoppedAndStartedAgain_GoesOnWithoutAGap()
    {
        await using var bench = await WalBench.StartAsync();
        await using (var first = await bench.ReceiveAsync())
        {
            await first.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            await bench.BackUpAsync();
            await bench.CommitAsync();
            await first.UntilDurableAsync(await bench.EndOfLogAsync());
        }

        await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits (filler) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 40000) n", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT");
        await using var second = await bench.ReceiveAsync();
        await second.UntilDurableAsync(await bench.EndOfLogAsync());
        second.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap || alert.Kind == WalAlertKind.BaseBackupNeeded);
        var range = (await WalCheck.RunAsync(await bench.OpenAsync(), WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        range.Gap.ShouldBeNull();
        range.To.ShouldBeGreaterThanOrEqualTo(await bench.EndOfLogAsync());
        range.Commits.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Receive_ServerRestartedAndKilled_Reconnects()
    {
        await using var bench = await WalBench.StartAsync();
        await using var receiving = await bench.ReceiveAsync();
        await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await bench.BackUpAsync();
        await bench.Server.StopAsync();
        await receiving.UntilAlertAsync(WalAlertKind.ServerUnavailable);
        await bench.Server.StartAgainAsync(Cancel);
        await receiving.UntilAlertAsync(WalAlertKind.ServerAvailable);
        for (var round = 0; round < 2; round++)
        {
            await bench.CommitAsync();
            await bench.Server.KillAsync();
            await bench.Server.StartAgainAsync(Cancel);
        }

        await bench.CommitAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        var range = (await WalCheck.RunAsync(await bench.OpenAsync(), WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        range.Gap.ShouldBeNull();
        range.To.ShouldBeGreaterThanOrEqualTo(await bench.EndOfLogAsync());
    }

    [Fact]
    public async Task Receive_StandbyPromoted_FollowsItsTimelineAndTheOldPrimaryIsRefused()
    {
        await using var bench = await WalBench.StartAsync();
        await using (var fromPrimary = await bench.ReceiveAsync())
        {
            await fromPrimary.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            var backup = await bench.BackUpAsync();
            await bench.CommitAsync("on the primary");
            await fromPrimary.UntilDurableAsync(await bench.EndOfLogAsync());
            var folder = await bench.RestoreAsync(backup.SnapshotId);
            var primary = new NpgsqlConnectionStringBuilder(bench.Database);
            await File.AppendAllTextAsync(
                Path.Combine(folder, "data", "postgresql.auto.conf"), $"primary_conninfo = 'host={primary.Host} port={primary.Port} user={primary.Username} password={primary.Password}'\n", Cancel);
            await File.WriteAllTextAsync(Path.Combine(folder, "data", "standby.signal"), "", Cancel);
            bench.Server.Account?.TakeOwnership(Path.Combine(folder, "data", "standby.signal"));
            await using var standby = await bench.StartRestoredAsync(folder);
            await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_switch_wal()");
            await bench.CommitAsync("seen by both");
            await fromPrimary.UntilDurableAsync(await bench.EndOfLogAsync());
            await UntilReplayedAsync(standby.ConnectionString(), await bench.EndOfLogAsync());
            await fromPrimary.StopAsync();

            // The old primary comes back below, and knows nothing of what the new one went on with.
            await bench.Server.StopAsync();
            await ClusterFixture.AskAsync<bool>(standby.ConnectionString(), "SELECT pg_promote(true, 60)");
            await ClusterFixture.ExecuteAsync(standby.ConnectionString(), "INSERT INTO commits (filler) VALUES ('on the new primary')", "CHECKPOINT");
            await using var fromNew = await bench.ReceiveAsync(request => request with { ConnectionString = standby.ConnectionString() });
            await fromNew.UntilAlertAsync(WalAlertKind.TimelineSwitched);
            await fromNew.UntilDurableAsync(await bench.EndOfLogAsync(standby.ConnectionString()));
            fromNew.Status!.Timeline.ShouldBe(2u);
            fromNew.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap || alert.Kind == WalAlertKind.BaseBackupNeeded);
            await fromNew.StopAsync();
            await standby.StopAsync();
        }

        await bench.Server.StartAgainAsync(Cancel);
        await using (var fromOld = await bench.ReceiveAsync())
            (await Should.ThrowAsync<SourcesException>(() => fromOld.Running.WaitAsync(TimeSpan.FromSeconds(60), Cancel))).Fault.ShouldBe(SourcesFault.WrongCluster);
        await bench.Server.StopAsync();

        var range = (await WalCheck.RunAsync(await bench.OpenAsync(), WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        (range.Timeline, range.Gap).ShouldBe((2u, null));
        await using (var latest = await bench.RecoverAsync(RecoveryTarget.Latest))
        {
            (await ClusterFixture.AskAsync<string>(latest.ConnectionString(), "SELECT string_agg(filler, ', ' ORDER BY n) FROM commits")).ShouldBe("on the primary, seen by both, on the new primary");
            await latest.StopAsync();
        }

        _ = TimelineChoice.TryParse("1", out var first);
        await using var old = await bench.RecoverAsync(RecoveryTarget.Latest, first);
        (await bench.CountAsync(old.ConnectionString())).ShouldBe(2);
        await old.StopAsync();
    }

    [Fact]
    public async Task Receive_AnotherClusterUnderTheSameAsset_IsRefused()
    {
        await using var bench = await WalBench.StartAsync();
        await using (var first = await bench.ReceiveAsync())
            await first.UntilDurableAsync(await bench.EndOfLogAsync());
        await using var other = await WalBench.StartAsync();
        await using var second = await bench.ReceiveAsync(request => request with { ConnectionString = other.Database });
        var error = await Should.ThrowAsync<SourcesException>(() => second.Running.WaitAsync(TimeSpan.FromSeconds(60), Cancel));
        error.Fault.ShouldBe(SourcesFault.WrongCluster);
        error.ToString().ShouldNotContain(new NpgsqlConnectionStringBuilder(other.Database).Password!);
    }

    [Fact]
    public async Task Receive_SlotDroppedUnderUs_LogStillThere_GoesOn()
    {
        await using var bench = await WalBench.StartAsync();
        await using var receiving = await bench.ReceiveAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await ClusterFixture.ExecuteAsync(
            bench.Database, "DO $$ BEGIN LOOP PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots; BEGIN PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots; EXIT; EXCEPTION WHEN object_in_use THEN END; END LOOP; END $$");
        await bench.CommitAsync();
        await receiving.UntilAlertAsync(WalAlertKind.SlotRecreated);
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        receiving.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap);
    }

    [Fact]
    public async Task Receive_SlotAndLogGone_TellsOfTheGapAsksForABaseBackupAndGoesOn()
    {
        await using var bench = await WalBench.StartAsync();
        await using (var first = await bench.ReceiveAsync())
        {
            await first.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            await bench.BackUpAsync();
            await first.UntilDurableAsync(await bench.EndOfLogAsync());
        }

        await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
        for (var segment = 0; segment < 8; segment++)
            await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits DEFAULT VALUES", "SELECT pg_switch_wal()", "CHECKPOINT");
        await using var second = await bench.ReceiveAsync();
        await second.UntilAlertAsync(WalAlertKind.WalGap);
        await second.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await second.UntilDurableAsync(await bench.EndOfLogAsync());
        var vault = await bench.OpenAsync();
        var broken = (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        broken.Gap.ShouldNotBeNull().ShouldContain("missing");
        broken.To.ShouldBeLessThan(await bench.EndOfLogAsync());

        await bench.BackUpAsync();
        await bench.CommitAsync();
        await second.UntilDurableAsync(await bench.EndOfLogAsync());
        (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel))[^1].Gap.ShouldBeNull();
        await using var third = await bench.ReceiveAsync(request => request with { Slot = "another" });
        await third.UntilAsync(() => third.Status is not null, "a status");
        third.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.BaseBackupNeeded);
    }

    [Theory]
    [InlineData(SlotPolicy.AlertOnly)]
    [InlineData(SlotPolicy.Stop)]
    [InlineData(SlotPolicy.DropSlot)]
    public async Task Receive_VaultAwayAndSlotTooFarBehind_DoesWhatIsConfigured(SlotPolicy policy)
    {
        await using var bench = await WalBench.StartAsync();
        var store = new GatedStore(bench.Store);
        await using var receiving = await bench.ReceiveAsync(request => request with { SlotBytesMax = 64 << 20, WhenSlotBehind = policy }, store);
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        store.Close();
        await WriteSegmentsAsync(3);
        // The receiver's buffer is full, so it reads no more and the server waits in the middle of sending.
        await receiving.UntilAsync(() => receiving.Status!.Received.Value - receiving.Status.Durable.Value > 30 << 20, "a full buffer");
        await WriteSegmentsAsync(3);
        await receiving.UntilAlertAsync(WalAlertKind.SlotBehind);
        switch (policy)
        {
            case SlotPolicy.Stop:
                (await Should.ThrowAsync<SourcesException>(() => receiving.Running.WaitAsync(TimeSpan.FromSeconds(60), Cancel))).Fault.ShouldBe(SourcesFault.WalMissing);
                (await SlotsAsync(bench)).ShouldBe(1);
                break;
            case SlotPolicy.DropSlot:
                await receiving.UntilAlertAsync(WalAlertKind.SlotDropped);
                (await SlotsAsync(bench)).ShouldBe(0);
                await ClusterFixture.ExecuteAsync(bench.Database, "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT");
                store.Open();
                await receiving.UntilAlertAsync(WalAlertKind.SlotRecreated);
                await bench.CommitAsync();
                await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
                break;
            default:
                (await SlotsAsync(bench)).ShouldBe(1);
                store.Open();
                await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
                receiving.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap);
                break;
        }

        async Task WriteSegmentsAsync(int count)
        {
            for (var segment = 0; segment < count; segment++)
                await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits (filler) SELECT repeat(md5(n::text), 10) FROM generate_series(1, 100) n", "SELECT pg_switch_wal()", "CHECKPOINT");
        }
    }

    [Fact]
    public async Task Receive_VaultAwayFromTheStart_StillProtectsTheServersDisk()
    {
        await using var bench = await WalBench.StartAsync();
        var store = new GatedStore(bench.Store);
        await using (var first = await bench.ReceiveAsync(null, store))
            await first.UntilDurableAsync(await bench.EndOfLogAsync());
        var vault = await bench.OpenForBackupAsync(store);
        store.Close();
        for (var segment = 0; segment < 6; segment++)
            await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits (filler) SELECT repeat(md5(n::text), 10) FROM generate_series(1, 100) n", "SELECT pg_switch_wal()", "CHECKPOINT");
        await using var receiving = new Receiving(
            vault, new WalReceiverRequest { Asset = WalBench.Asset, ConnectionString = bench.Database, SlotBytesMax = 64 << 20, WhenSlotBehind = SlotPolicy.DropSlot });
        await receiving.UntilAlertAsync(WalAlertKind.SlotDropped);
        (await SlotsAsync(bench)).ShouldBe(0);
    }

    [Theory]
    [InlineData(VaultFault.StoreFull)]
    [InlineData(VaultFault.AccessDenied)]
    public async Task Receive_VaultIsFullOrRefusesForAWhile_TellsAndCatchesUp(VaultFault fault)
    {
        await using var bench = await WalBench.StartAsync();
        var store = new GatedStore(bench.Store, fault);
        await using var receiving = await bench.ReceiveAsync(through: store);
        await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await bench.BackUpAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        store.Close();
        await bench.CommitAsync();
        await receiving.UntilAlertAsync(WalAlertKind.VaultUnavailable);
        await bench.CommitAsync();
        store.Open();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        (await WalCheck.RunAsync(await bench.OpenAsync(), WalBench.Asset, null, Cancel)).ShouldHaveSingleItem().Gap.ShouldBeNull();
        receiving.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap);
    }

    /// <summary>The agent's clock was years off when it began, in either direction, and is right now.</summary>
    [Theory]
    [InlineData(3650)]
    [InlineData(-3650)]
    public async Task Receive_ClockYearsOffAtFirst_GoesOnAndAsksForABaseBackupOnlyWhereOneIsNeeded(int days)
    {
        await using var bench = await WalBench.StartAsync();
        var wrong = new ShiftedTime(TimeSpan.FromDays(days));
        await using (var first = await bench.ReceiveAsync(clock: wrong))
        {
            await first.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            await bench.BackUpAsync(clock: wrong);
            await bench.CommitAsync();
            await first.UntilDurableAsync(await bench.EndOfLogAsync());
        }

        await bench.CommitAsync();
        await using (var second = await bench.ReceiveAsync())
        {
            await second.UntilDurableAsync(await bench.EndOfLogAsync());
            second.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.WalGap || alert.Kind == WalAlertKind.BaseBackupNeeded);
        }

        var range = (await WalCheck.RunAsync(await bench.OpenAsync(), WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        (range.Gap, range.To >= await bench.EndOfLogAsync()).ShouldBe((null, true));

        // A gap: the base backup of before does not lead into what follows, whatever its time says.
        await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
        for (var segment = 0; segment < 8; segment++)
            await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO commits DEFAULT VALUES", "SELECT pg_switch_wal()", "CHECKPOINT");
        await using (var third = await bench.ReceiveAsync())
        {
            await third.UntilAlertAsync(WalAlertKind.WalGap);
            await third.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
            await bench.BackUpAsync();
            await third.UntilDurableAsync(await bench.EndOfLogAsync());
        }

        await using var fourth = await bench.ReceiveAsync();
        await bench.CommitAsync();
        await fourth.UntilDurableAsync(await bench.EndOfLogAsync());
        fourth.Alerts.ShouldNotContain(alert => alert.Kind == WalAlertKind.BaseBackupNeeded);
        await fourth.StopAsync();
        var count = await bench.CountAsync();
        await bench.LoseServerAsync();
        await using var restored = await bench.RecoverAsync(RecoveryTarget.Latest);
        (await bench.CountAsync(restored.ConnectionString())).ShouldBe(count);
        await restored.StopAsync();
    }

    [Fact]
    public async Task Receive_NoSuchRoleOrServer_IsAClearErrorWithoutThePassword()
    {
        await using var bench = await WalBench.StartAsync();
        var connection = new NpgsqlConnectionStringBuilder(bench.Database) { Password = "wrong-secret" };
        await using var receiving = await bench.ReceiveAsync(request => request with { ConnectionString = connection.ConnectionString });
        var error = await Should.ThrowAsync<SourcesException>(() => receiving.Running.WaitAsync(TimeSpan.FromSeconds(60), Cancel));
        error.Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        error.ToString().ShouldNotContain("wrong-secret");
    }

    private static Task<long> SlotsAsync(WalBench bench) => ClusterFixture.AskAsync<long>(bench.Database, "SELECT count(*) FROM pg_replication_slots");

    private static async Task ShouldBeFlushedAsync(WalBench bench, Func<Lsn, bool> holds)
    {
        // The server learns it by the status message that follows; asking again gives it the time.
        var flushed = default(Lsn);
        var asking = System.Diagnostics.Stopwatch.StartNew();
        while (asking.Elapsed < TimeSpan.FromSeconds(60))
        {
            flushed = Lsn.Parse(await ClusterFixture.AskAsync<string>(bench.Database, "SELECT coalesce(max(flush_lsn), '0/0')::text FROM pg_stat_replication"));
            if (flushed.Value > 0 && holds(flushed))
                return;
        }

        throw new TimeoutException($"The server believes that {flushed} is flushed.");
    }

    private static async Task UntilReplayedAsync(string standby, Lsn end)
    {
        var asking = System.Diagnostics.Stopwatch.StartNew();
        while (asking.Elapsed < TimeSpan.FromSeconds(60))
        {
            if (Lsn.Parse(await ClusterFixture.AskAsync<string>(standby, "SELECT coalesce(pg_last_wal_replay_lsn(), '0/0')::text")) >= end)
                return;
        }

        throw new TimeoutException($"The standby did not replay up to {end}.");
    }
}

/// <summary>A store that can be cut off, or filled up.</summary>
internal sealed class GatedStore(IObjectStore inner, VaultFault fault = VaultFault.StoreUnavailable) : ForwardingStore(inner)
{
    private volatile bool _isClosed;

    internal void Close() => _isClosed = true;

    internal void Open() => _isClosed = false;

    protected override Task<T> ThroughAsync<T>(StoreCall call, ObjectName? name, Func<Task<T>> forward) =>
        _isClosed ? throw new VaultException(fault, "The store was cut off.", "Test.") : base.ThroughAsync(call, name, forward);
}

/// <summary>The machine's time, and a clock that is wrong by so much.</summary>
internal sealed class ShiftedTime(TimeSpan by) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
}
