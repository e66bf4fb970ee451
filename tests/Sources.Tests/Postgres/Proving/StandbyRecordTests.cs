using Backup.LocalStack.Services;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Proving;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Sources.Tests.Postgres.Wal;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Proving;

/// <summary>What a standby's tables hold is recorded, too, and held against what its primary wrote on.</summary>
public sealed class StandbyRecordTests
{
    private const string Recorders = $"FROM pg_stat_activity WHERE application_name = '{ContentRecorder.SessionName}'";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData(WalBench.DebianPrograms, false)]
    public async Task Proof_OfAStandbysBackup_ComparesWhatItsPrimaryDidNotChange(string? programs, bool isStreamed)
    {
        await using var bench = await WalBench.StartAsync(programs);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE TABLE quiet AS SELECT n, md5(n::text) FROM generate_series(1, 1000) n", "CREATE TABLE busy (n int)", "CREATE TABLE other (n int)");
        await using var standby = await bench.StartStandbyAsync((await bench.BackUpAsync()).SnapshotId);
        await using var receiving = await bench.ReceiveAsync();
        await using var early = await BeginAsync(bench, "INSERT INTO other VALUES (1)");
        await UntilReplayedAsync(bench, standby);
        var backingUp = Task.Run(async () => await new PostgresSource(TimeProvider.System).BackupAsync(
            await bench.OpenForBackupAsync(), new PostgresBackupRequest { Asset = WalBench.Asset, ConnectionString = standby.ConnectionString(), Streamed = isStreamed }, new(), null, Cancel), Cancel);

        // It waits for the transaction that began before the backup. The next one writes before the record is made, and commits when the backup has ended.
        await UntilAsync(standby, $"SELECT count(*) = 1 {Recorders} AND query LIKE '%pg_snapshot_xmin%'");
        await using var late = await BeginAsync(bench, "INSERT INTO busy SELECT generate_series(1, 10)");
        await UntilReplayedAsync(bench, standby);
        await EndAsync(early, "ROLLBACK");
        await UntilReplayedAsync(bench, standby);
        var backup = await backingUp;
        backup.Problems.ShouldBeEmpty();
        await EndAsync(late, "COMMIT");
        await receiving.UntilDurableAsync(await bench.EndOfLogAsync());
        await receiving.StopAsync();
        await standby.StopAsync();

        var data = Path.Combine(bench.NewFolder(), "data");
        var request = bench.Recovery(RecoveryTarget.Latest, data, null) with { BaseBackup = backup.SnapshotId };
        var vault = await bench.OpenAsync();
        var recovery = new PostgresRecovery(TimeProvider.System);
        var plan = await recovery.PlanAsync(vault, request, measure: false, Cancel);
        (await recovery.RunAsync(vault, request, plan, null, Cancel)).IsComplete.ShouldBeTrue();
        File.Delete(Path.Combine(data, "standby.signal"));
        var report = await new PostgresProof(TimeProvider.System).RunAsync(vault, backup.SnapshotId, new ProofRequest
        {
            DataDirectory = data,
            Timeline = plan.Timeline,
            Programs = bench.Server.Programs,
            Checks = [new ProofCheck { Name = "busy", Database = "postgres", Sql = "SELECT count(*) FROM busy", Expect = "10" }],
        }, null, Cancel);

        report.Findings.ShouldBeEmpty();
        report.Content.Note.ShouldBeNull();
        (report.Content.TablesEqual, report.Content.TablesChanged).ShouldBe((2, 2), "quiet and other; busy and commits");
        report.Content.RowsCompared.ShouldBe(1000);
    }

    [Fact]
    public async Task Record_CancelledByRecovery_SaysSoAndHoldsTheRest()
    {
        await using var bench = await WalBench.StartAsync();
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE TABLE quiet AS SELECT n FROM generate_series(1, 1000) n", "CREATE DATABASE a");
        await ClusterFixture.ExecuteAsync(In(bench, "a"), "CREATE TABLE calm AS SELECT 1 AS n");
        await using var standby = await bench.StartStandbyAsync((await bench.BackUpAsync()).SnapshotId, new KeyValuePair<string, string>("max_standby_streaming_delay", "0"));
        await UntilReplayedAsync(bench, standby);
        var recorder = new ContentRecorder(standby.ConnectionString(), 16, TimeProvider.System)
        {
            // What the record still sees goes: replay wins at once.
            WhenSnapshotsTaken = () =>
            {
                ClusterFixture.ExecuteAsync(bench.Database, "DELETE FROM quiet", "VACUUM quiet").GetAwaiter().GetResult();
                UntilReplayedAsync(bench, standby).GetAwaiter().GetResult();
            },
        };

        var record = await recorder.RunAsync(Cancel);

        record.Note.ShouldNotBeNull().ShouldContain("conflict with recovery");
        record.Databases.Select(database => (database.Name, database.Tables.Count)).ShouldBe([("a", 1), ("postgres", 0)]);
        record.Databases[1].TablesLeftOut.ShouldBe(2);
        await standby.StopAsync();
    }

    [Fact]
    public async Task Record_WhileATransactionOfThePrimaryGoesOn_IsNoneAndSaysWhy()
    {
        await using var bench = await WalBench.StartAsync();
        await using var standby = await bench.StartStandbyAsync((await bench.BackUpAsync()).SnapshotId);
        await using var open = await BeginAsync(bench, "INSERT INTO commits (filler) VALUES ('open')");
        await UntilReplayedAsync(bench, standby);

        var record = await new ContentRecorder(standby.ConnectionString(), 16, new Hurried()).RunAsync(Cancel);

        record.Databases.ShouldBeEmpty();
        record.Note.ShouldNotBeNull().ShouldContain("a transaction that its primary had begun before the backup was still running");
        await standby.StopAsync();
    }

    private static string In(WalBench bench, string database) => new NpgsqlConnectionStringBuilder(bench.Database) { Database = database }.ConnectionString;

    private static async Task<NpgsqlConnection> BeginAsync(WalBench bench, string statement)
    {
        var session = new NpgsqlConnection(bench.Database + ";Pooling=false");
        await session.OpenAsync(Cancel);
        await EndAsync(session, $"BEGIN; {statement}");
        return session;
    }

    private static async Task EndAsync(NpgsqlConnection session, string statement)
    {
        await using var command = new NpgsqlCommand(statement, session);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    /// <summary>A commit makes the server write out what open transactions have done.</summary>
    private static async Task UntilReplayedAsync(WalBench bench, PostgresServer standby)
    {
        await bench.CommitAsync();
        await UntilAsync(standby, $"SELECT coalesce(pg_last_wal_replay_lsn() >= '{await bench.EndOfLogAsync()}', false)");
    }

    private static async Task UntilAsync(PostgresServer server, string question)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(90));
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await ClusterFixture.AskAsync<bool>(server.ConnectionString(), question))
            await pause.WaitForNextTickAsync(limit.Token);
    }

    /// <summary>Each look at the clock finds ten seconds gone.</summary>
    private sealed class Hurried : TimeProvider
    {
        private long _looks;

        public override long GetTimestamp() => base.GetTimestamp() + (10 * TimestampFrequency * Interlocked.Increment(ref _looks));
    }
}
