using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault.Pruning;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Wal;

/// <summary>A server with a known story, lost, and brought back to each kind of point in it.</summary>
public sealed class RecoveryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData(WalBench.DebianPrograms)]
    public async Task Recover_ToEachKindOfGoal_GivesExactlyWhatWasThere(string? programs)
    {
        await using var bench = await WalBench.StartAsync(programs);
        var story = await StoryAsync(bench);
        await bench.LoseServerAsync();

        await ShouldHoldAsync(bench, RecoveryTarget.AtRestorePoint("after two"), 2);
        await ShouldHoldAsync(bench, RecoveryTarget.At(story.Third), 3);
        await ShouldHoldAsync(bench, RecoveryTarget.At(story.Third) with { IsInclusive = false }, 2);
        await ShouldHoldAsync(bench, RecoveryTarget.AtTransaction(story.FourthTransaction), 4);
        await ShouldHoldAsync(bench, RecoveryTarget.AtTransaction(story.FourthTransaction) with { IsInclusive = false }, 3);
        await ShouldHoldAsync(bench, RecoveryTarget.At(story.BeforeFifth), 4);
        await ShouldHoldAsync(bench, RecoveryTarget.At(story.End), 5);
        await ShouldHoldAsync(bench, RecoveryTarget.Immediate, 1);
        await ShouldHoldAsync(bench, RecoveryTarget.Latest, 5);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(WalBench.OldestPrograms)]
    public async Task Recover_WithItsLogPutInPlace_FetchesNothingAndGivesTheSame(string? programs)
    {
        await using var bench = await WalBench.StartAsync(programs);
        var story = await StoryAsync(bench);
        await bench.LoseServerAsync();

        await ShouldHoldAsync(bench, RecoveryTarget.At(story.BeforeFifth), 4, hasLogInPlace: true);
        await ShouldHoldAsync(bench, RecoveryTarget.At(story.Third) with { IsInclusive = false }, 2, hasLogInPlace: true);
        await ShouldHoldAsync(bench, RecoveryTarget.Latest, 5, hasLogInPlace: true);
        await using var restored = await bench.RecoverAsync(RecoveryTarget.AtTransaction(story.FourthTransaction), hasLogInPlace: true);
        (await ClusterFixture.AskAsync<string>(restored.ConnectionString(), "SELECT setting FROM pg_settings WHERE name = 'restore_command'")).ShouldBe("false");

        await restored.StopAsync();
    }

    [Fact]
    public async Task Recover_LogInPlaceOverASwitchOfTimelines_FollowsIt()
    {
        await using var bench = await WalBench.StartAsync();
        await StoryAsync(bench);
        await bench.LoseServerAsync();
        await using (var second = await bench.RecoverAsync(RecoveryTarget.AtRestorePoint("after two"), hasLogInPlace: true))
        {
            await using var receiving = await bench.ReceiveAsync(request => request with { ConnectionString = second.ConnectionString() });
            await receiving.UntilAlertAsync(WalAlertKind.TimelineSwitched);
            await ClusterFixture.ExecuteAsync(second.ConnectionString(), "INSERT INTO commits (filler) VALUES ('another third')", "SELECT pg_switch_wal()", "INSERT INTO commits (filler) VALUES ('another fourth')");
            await receiving.UntilDurableAsync(await bench.EndOfLogAsync(second.ConnectionString()));
            await receiving.StopAsync();
            await second.KillAsync();
        }

        await using var third = await bench.RecoverAsync(RecoveryTarget.Latest, hasLogInPlace: true);
        (await ClusterFixture.AskAsync<string>(third.ConnectionString(), "SELECT string_agg(filler, ',' ORDER BY n) FROM commits")).ShouldBe("one,two,another third,another fourth");
        (await ClusterFixture.AskAsync<int>(third.ConnectionString(), "SELECT timeline_id FROM pg_control_checkpoint()")).ShouldBe(3);
        await third.StopAsync();
    }

    [Fact]
    public async Task Recover_ToTheRestorePointOfABackup_GivesWhatWasThereAtItsEnd()
    {
        await using var bench = await WalBench.StartAsync();
        await using var receiving = await bench.ReceiveAsync();
        await bench.CommitAsync();
        var before = await bench.CountAsync();
        var backup = await bench.BackUpAsync(restorePoint: "backup-voids-20260501T1200");
        backup.RestorePoint.ShouldBe("backup-voids-20260501T1200");
        await bench.CommitAsync();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await receiving.StopAsync();
        await bench.LoseServerAsync();

        await ShouldHoldAsync(bench, RecoveryTarget.AtRestorePoint("backup-voids-20260501T1200"), before);
        await ShouldHoldAsync(bench, RecoveryTarget.Latest, before + 1);
    }

    [Fact]
    public async Task Plan_GoalOutOfReach_SaysWhyBeforeAnythingIsTouched()
    {
        await using var bench = await WalBench.StartAsync();
        var story = await StoryAsync(bench);
        foreach (var (goal, why) in ((RecoveryTarget, string)[])
        [
            (RecoveryTarget.AtRestorePoint("never made"), "no restore point"),
            (RecoveryTarget.AtTransaction(4_000_000_000), "did not end"),
            (RecoveryTarget.At(new Lsn(story.End.Value + 100_000_000)), "the log ends at"),
            (RecoveryTarget.At(new Lsn(1 << 20)), "behind that position"),
            (RecoveryTarget.At(DateTimeOffset.UtcNow.AddHours(1)), "newest restorable moment"),
            (RecoveryTarget.At(DateTimeOffset.UtcNow.AddHours(-1)), "after that time"),
        ])
        {
            var error = await Should.ThrowAsync<SourcesException>(() => bench.PlanAsync(goal));
            error.Fault.ShouldBe(SourcesFault.TargetUnreachable);
            error.Message.ShouldContain(why);
        }

        var plan = await bench.PlanAsync(RecoveryTarget.Latest, measure: true);
        plan.BytesPerSecondMeasured.ShouldNotBeNull().ShouldBeGreaterThan(0);
        plan.DurationExpected.ShouldNotBeNull().ShouldBeGreaterThan(TimeSpan.Zero);
        plan.BaseBackupBytes.ShouldBeGreaterThan(1 << 20);
        plan.WalFiles.ShouldBeGreaterThan(0);
        (await bench.PlanAsync(RecoveryTarget.At(story.End))).Note.ShouldNotBeNull().ShouldContain("end of the log");

        // The youngest base backup that is old enough is the one to start from.
        var younger = await bench.BackUpAsync();
        (await bench.PlanAsync(RecoveryTarget.Latest)).BaseBackup.ShouldBe(younger.SnapshotId);
        (await bench.PlanAsync(RecoveryTarget.At(story.Third))).BaseBackup.ShouldBe(plan.BaseBackup);
    }

    [Fact]
    public async Task Recover_YoungestBaseBackupHasADamagedPage_BeginsWithTheWholeOneBeforeIt()
    {
        await using var bench = await WalBench.StartAsync();
        await using var receiving = await bench.ReceiveAsync();
        await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await ClusterFixture.ExecuteAsync(
            bench.Database, "CREATE TABLE victim WITH (autovacuum_enabled = false) AS SELECT n FROM generate_series(1, 5000) n", "VACUUM (FREEZE) victim", "CHECKPOINT");
        var whole = await bench.BackUpAsync();
        whole.IsPartial.ShouldBeFalse();
        var path = Path.Combine(bench.Server.DataFolder, await ClusterFixture.AskAsync<string>(bench.Database, "SELECT pg_relation_filepath('victim')"));
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = (3 * 8192) + 5000;
            file.Write([0xAA, 0x55]);
        }

        var partial = await bench.BackUpAsync();
        partial.IsPartial.ShouldBeTrue();
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await receiving.StopAsync();
        await bench.LoseServerAsync();

        var plan = await bench.PlanAsync(RecoveryTarget.Latest);
        plan.BaseBackup.ShouldBe(whole.SnapshotId);
        plan.Note.ShouldNotBeNull().ShouldContain("was passed over");
        var asked = await new PostgresRecovery(TimeProvider.System).PlanAsync(
            await bench.OpenAsync(), bench.Recovery(RecoveryTarget.Latest, "/nowhere/data", "false") with { BaseBackup = partial.SnapshotId }, measure: false, Cancel);
        asked.BaseBackup.ShouldBe(partial.SnapshotId);
        asked.Note.ShouldNotBeNull().ShouldContain("is partial");
        (await bench.PlanAsync(RecoveryTarget.Immediate)).BaseBackup.ShouldBe(partial.SnapshotId, "the state right behind the older one is another state");
        await using var restored = await bench.RecoverAsync(RecoveryTarget.Latest);
        (await ClusterFixture.AskAsync<long>(restored.ConnectionString(), "SELECT count(*) FROM victim")).ShouldBe(5000);
        await restored.StopAsync();
    }

    [Fact]
    public async Task Check_SnapshotOfLogDeleted_NamesTheFirstGapAndRecoveryRefusesBeyondIt()
    {
        await using var bench = await WalBench.StartAsync();
        await StoryAsync(bench);
        var vault = await bench.OpenAsync();
        var before = (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        before.Gap.ShouldBeNull();
        before.RestorePoints.ShouldContain(point => point.Name == "after two");

        // The file of log in the middle: all snapshots that hold it.
        var holdings = await WalHoldings.LoadAsync(vault, WalBench.Asset, Cancel);
        var victim = holdings.Files.Select(held => held.File.Name).Where(name => name.Length == 24).Order(StringComparer.Ordinal).ElementAt(1);
        foreach (var held in holdings.Snapshots.Where(held => held.Facts.Files.Any(file => file.Name.StartsWith(victim, StringComparison.Ordinal))))
            bench.Store.Objects.TryRemove(held.Snapshot.Id.Name, out _).ShouldBeTrue();
        var after = (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        after.Gap.ShouldNotBeNull().ShouldContain(victim);
        after.To.ShouldBeLessThan(before.To);
        after.IsRestorable.ShouldBeTrue();
        await Should.ThrowAsync<SourcesException>(() => bench.PlanAsync(RecoveryTarget.At(before.To)));
    }

    [Fact]
    public async Task Check_PackDamaged_EndsTheRangeThereInsteadOfPassingOver()
    {
        await using var bench = await WalBench.StartAsync();
        await StoryAsync(bench);
        var vault = await bench.OpenAsync();
        foreach (var pack in bench.Store.Objects.Where(stored => stored.Key.Kind == ObjectKind.DataPack))
            pack.Value[pack.Value.Length / 2] ^= 1;
        await Should.ThrowAsync<Backup.Vault.VaultException>(() => WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel));
    }

    [Fact]
    public async Task Recover_InPlaceWithADelta_WritesWhatDiffersAndRemovesWhatDoesNotBelong()
    {
        await using var bench = await WalBench.StartAsync();
        await StoryAsync(bench);
        var target = bench.Server.DataFolder;
        var log = await bench.ExtractLogAsync();
        var recovery = new PostgresRecovery(TimeProvider.System);
        var request = bench.Recovery(RecoveryTarget.AtRestorePoint("after two"), target, $"cp {log}/%f %p");
        request = request with { Files = request.Files with { Overwrite = true } };
        var vault = await bench.OpenAsync();
        var plan = await recovery.PlanAsync(vault, request, measure: false, Cancel);
        (await Should.ThrowAsync<SourcesException>(() => recovery.RunAsync(vault, request, plan, null, Cancel))).Message.ShouldContain("runs on");

        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE TABLE later AS SELECT n FROM generate_series(1, 1000) n", "DROP TABLE IF EXISTS commits", "CHECKPOINT");
        await bench.Server.StopAsync();
        await File.WriteAllTextAsync(Path.Combine(target, "base", "leftover"), "of an earlier life", Cancel);
        var outcome = await recovery.RunAsync(vault, request, plan, null, Cancel);
        outcome.BytesWritten.ShouldBeLessThan(outcome.BytesRestored / 2);
        File.Exists(Path.Combine(target, "base", "leftover")).ShouldBeFalse();
        await bench.Server.StartAgainAsync(Cancel);
        (await bench.CountAsync()).ShouldBe(2);
        (await ClusterFixture.AskAsync<bool>(bench.Database, "SELECT to_regclass('later') IS NULL")).ShouldBeTrue();
        await bench.Server.StopAsync();

        await using var other = await WalBench.StartAsync();
        await other.Server.StopAsync();
        var foreign = request with { Files = request.Files with { Target = other.Server.DataFolder } };
        (await Should.ThrowAsync<SourcesException>(() => recovery.RunAsync(vault, foreign, plan, null, Cancel))).Fault.ShouldBe(SourcesFault.WrongCluster);
        File.Exists(Path.Combine(other.Server.DataFolder, "global", "pg_control")).ShouldBeTrue();
    }

    [Fact]
    public async Task Recover_WithATablespace_PutsItWhereAsked()
    {
        await using var bench = await WalBench.StartAsync();
        var (place, moved) = (bench.NewFolder(), Path.Combine(bench.NewFolder(), "space"));
        await using var receiving = await bench.ReceiveAsync();
        await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await ClusterFixture.ExecuteAsync(bench.Database, $"CREATE TABLESPACE apart LOCATION '{place}'", "CREATE TABLE far TABLESPACE apart AS SELECT n FROM generate_series(1, 1000) n");
        var id = await ClusterFixture.AskAsync<uint>(bench.Database, "SELECT oid FROM pg_tablespace WHERE spcname = 'apart'");
        await bench.BackUpAsync();
        await ClusterFixture.ExecuteAsync(bench.Database, "INSERT INTO far SELECT n FROM generate_series(1, 234) n");
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await receiving.StopAsync();
        await bench.LoseServerAsync();
        var folder = bench.NewFolder();
        var request = bench.Recovery(RecoveryTarget.Latest, Path.Combine(folder, "data"), $"cp {await bench.ExtractLogAsync()}/%f %p");
        request = request with { Files = request.Files with { Tablespaces = new Dictionary<uint, string> { [id] = moved } } };
        var recovery = new PostgresRecovery(TimeProvider.System);
        var vault = await bench.OpenAsync();
        await recovery.RunAsync(vault, request, await recovery.PlanAsync(vault, request, measure: false, Cancel), null, Cancel);
        await using var server = await bench.StartRestoredAsync(folder);
        (await ClusterFixture.AskAsync<long>(server.ConnectionString(), "SELECT count(*) FROM far")).ShouldBe(1234);
        Directory.EnumerateFiles(moved, "*", SearchOption.AllDirectories).ShouldNotBeEmpty();
        await server.StopAsync();
    }

    [Fact]
    public async Task Retention_DropsWhatIsSupersededAndEverythingStillRestores()
    {
        await using var bench = await WalBench.StartAsync();
        var story = await StoryAsync(bench);
        var vault = await bench.OpenAsync();
        var snapshots = await vault.ListSnapshotsAsync(Cancel);
        WalRetention.Decide(WalBench.Asset, snapshots, DateTimeOffset.UtcNow).ShouldBeEmpty("nothing is old enough yet");
        var drop = WalRetention.Decide(WalBench.Asset, snapshots, DateTimeOffset.UtcNow.AddHours(2));
        drop.Count.ShouldBeGreaterThan(2);
        var plan = await Pruner.PlanAsync(vault, new PruneRequest { Drop = drop, Grace = TimeSpan.Zero, NoWriterIsRunning = true }, Cancel);
        await Pruner.ExecuteAsync(vault, plan, null, Cancel);
        var range = (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel)).ShouldHaveSingleItem();
        (range.Gap, range.To).ShouldBe((null, story.End));
        await bench.LoseServerAsync();
        await ShouldHoldAsync(bench, RecoveryTarget.Latest, 5);
    }

    /// <summary>Five rows, each a transaction of its own, over several files of log; the first before the base backup.</summary>
    private static async Task<Story> StoryAsync(WalBench bench)
    {
        await using var receiving = await bench.ReceiveAsync();
        await receiving.UntilAlertAsync(WalAlertKind.BaseBackupNeeded);
        await bench.CommitAsync("one");
        await bench.BackUpAsync();
        await bench.CommitAsync("two");
        await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_create_restore_point('after two')", "SELECT pg_switch_wal()");
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        var third = await TransactionAsync(bench, "three");
        await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_switch_wal()");
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        var fourth = await TransactionAsync(bench, "four");
        var between = await ClusterFixture.AskAsync<DateTime>(bench.Database, "SELECT clock_timestamp()");
        await ClusterFixture.ExecuteAsync(bench.Database, "SELECT pg_switch_wal()");
        await bench.CommitAsync("five");
        // Restores are asked for this very position: no record of the server's own may come behind it.
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await receiving.StopAsync();
        var vault = await bench.OpenAsync();
        var end = (await WalCheck.RunAsync(vault, WalBench.Asset, null, Cancel))[^1].To;
        return new Story(third.CommittedAt, fourth.Id, new DateTimeOffset(between), end);
    }

    /// <returns>The transaction, and the position of its commit record.</returns>
    private static async Task<(uint Id, Lsn CommittedAt)> TransactionAsync(WalBench bench, string filler)
    {
        var id = await ClusterFixture.AskAsync<string>(bench.Database, $"WITH w AS (INSERT INTO commits (filler) VALUES ('{filler}') RETURNING 1) SELECT pg_current_xact_id()::text FROM w");
        var number = uint.Parse(id, CultureInfo.InvariantCulture);
        var segment = await ClusterFixture.AskAsync<string>(bench.Database, "SELECT pg_walfile_name(pg_current_wal_lsn())");
        var bytes = await File.ReadAllBytesAsync(Path.Combine(bench.Server.DataFolder, "pg_wal", segment), Cancel);
        var header = new WalPageHeader(bytes);
        Lsn? found = null;
        new WalScanner(header.Timeline, header.Address, header.SystemIdentifier, bytes.Length, record => found = record.Kind == WalRecordKind.Commit && record.TransactionId == number ? record.Start : found).Feed(bytes);
        return (number, found.ShouldNotBeNull());
    }

    private static async Task ShouldHoldAsync(WalBench bench, RecoveryTarget goal, long rows, bool hasLogInPlace = false)
    {
        await using PostgresServer server = await bench.RecoverAsync(goal, hasLogInPlace: hasLogInPlace);
        (await bench.CountAsync(server.ConnectionString())).ShouldBe(rows, goal.ToString());
        (await ClusterFixture.AskAsync<bool>(server.ConnectionString(), "SELECT pg_is_in_recovery()")).ShouldBeFalse();
        await server.StopAsync();
    }

    private sealed record Story(Lsn Third, uint FourthTransaction, DateTimeOffset BeforeFifth, Lsn End);
}
