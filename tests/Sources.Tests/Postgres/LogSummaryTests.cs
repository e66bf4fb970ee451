using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Tests.Postgres.Wal;
using Backup.Vault;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

/// <summary>Backups that read only what the server's log summaries say has changed, and restore as if they had read everything.</summary>
public sealed class LogSummaryTests : IDisposable
{
    private static readonly Dictionary<string, string> Summarizing = new() { ["summarize_wal"] = "on", ["autovacuum"] = "off" };

    /// <summary>By this clock every file is old enough to be remembered: what must not be is then shown to be left out for its own reason.</summary>
    private static readonly TimeProvider Later = new ShiftedTime(TimeSpan.FromHours(1));

    private readonly ScratchFolder _cache = new("summary-cache");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _cache.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SecondBackup_FewRowsOfALargeTableChanged_ReadsTheirPagesWhereSummariesCoverAllSinceTheFirst(bool areSummariesKept)
    {
        await using var bench = await WalBench.StartAsync(settings: Summarizing);
        await ClusterFixture.ExecuteAsync(
            bench.Database, "CREATE TABLE large AS SELECT n, repeat(md5(n::text), 20) AS filler FROM generate_series(1, 80000) n", "ALTER TABLE large ADD PRIMARY KEY (n)", "VACUUM (FREEZE, ANALYZE) large");
        var bytes = await ClusterFixture.AskAsync<long>(bench.Database, "SELECT pg_relation_size('large')");
        var first = await BackUpAsync(bench);
        first.Statistics.BytesRead.ShouldBeGreaterThan(bytes);
        await ClusterFixture.ExecuteAsync(bench.Database, "UPDATE large SET filler = 'x' WHERE n IN (17, 40000, 79999)");
        if (!areSummariesKept)
        {
            // The one that begins where the first backup did is written at the checkpoint after it.
            var start = first.ConsistencyPoint!.Start;
            await ClusterFixture.ExecuteAsync(bench.Database, "CHECKPOINT");
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            while (!await ClusterFixture.AskAsync<bool>(bench.Database, $"SELECT EXISTS (SELECT FROM pg_available_wal_summaries() WHERE start_lsn >= '{start}')"))
                await timer.WaitForNextTickAsync(Cancel);
            foreach (var summary in Directory.GetFiles(Path.Combine(bench.Server.DataFolder, "pg_wal", "summaries")))
                File.Delete(summary);
        }

        var second = await BackUpAsync(bench);

        var read = second.Statistics.BytesRead - (16 << 20);
        if (areSummariesKept)
            read.ShouldBeLessThan(bytes / 2);
        else
            read.ShouldBeGreaterThan(bytes);
        await ShouldBeSameAsync(bench, second, ["postgres"]);
    }

    [Fact]
    public async Task Backups_OfAServerToWhichEverythingHappens_RestoreAsItWas()
    {
        const int Rounds = 4;
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var bench = await WalBench.StartAsync(settings: Summarizing);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE EXTENSION amcheck", $"CREATE TABLESPACE apart LOCATION '{bench.NewFolder()}'", "CREATE SEQUENCE numbers");
        foreach (var table in (string[])["updated", "shrinking", "moved", "rewritten"])
            await ClusterFixture.ExecuteAsync(bench.Database, $"CREATE TABLE {table} AS SELECT n, repeat(md5(n::text), 12) AS filler FROM generate_series(1, 12000) n", $"CREATE INDEX ON {table} (n)");
        List<string> databases = ["postgres"];
        await BackUpAsync(bench);
        for (var round = 1; round <= Rounds; round++)
        {
            for (var change = 0; change < 4; change++)
                await ChangeAsync(bench, random, databases, round, change);
            // Also while the backup runs, and on disk before the files are read: pages taken over from the last one lack it, and the log has it.
            var at = random.Next(10_000);
            var backup = await BackUpAsync(bench, () => ClusterFixture.ExecuteAsync(
                bench.Database, $"UPDATE updated SET filler = 'during {round}' WHERE n BETWEEN {at} AND {at + 3}", $"INSERT INTO shrinking SELECT n, 'during' FROM generate_series(1, {random.Next(3000)}) n", "CHECKPOINT"));
            backup.IsPartial.ShouldBeFalse();
            await ShouldBeSameAsync(bench, backup, databases);
        }
    }

    [Fact]
    public void Changes_BlocksAndLimit_DecideWhatIsLeftAlone()
    {
        var changes = new LogSummary.Changes([RelationFileName.SegmentBlocks + 4, RelationFileName.SegmentBlocks + 9], RelationFileName.SegmentBlocks + 20, RelationFileName.SegmentBlocks);
        (changes.LeaveAlone(0, 4), changes.LeaveAlone(0, 5), changes.LeaveAlone(4, 1), changes.LeaveAlone(5, 4), changes.LeaveAlone(8, 2)).ShouldBe((true, false, false, true, false));
        (changes.LeaveAlone(10, 10), changes.LeaveAlone(10, 11), changes.LeaveAlone(20, 1)).ShouldBe((true, false, false));
    }

    private static Task ChangeAsync(WalBench bench, Random random, List<string> databases, int round, int change)
    {
        var (from, name) = (random.Next(12_000), $"{round}_{change}");
        string[] statements = random.Next(14) switch
        {
            0 => [$"UPDATE updated SET filler = 'changed {name}' WHERE n BETWEEN {from} AND {from + 20}"],
            1 => [$"DELETE FROM shrinking WHERE n > {from}", "VACUUM shrinking"],
            2 => [$"INSERT INTO shrinking SELECT n, repeat('i', 300) FROM generate_series({from}, {from + 8000}) n"],
            3 => [$"CREATE TABLE made_{name} AS SELECT n, repeat('m', 400) AS filler FROM generate_series(1, 9000) n", $"CREATE INDEX ON made_{name} (n)"],
            4 => ["DO $$ DECLARE t text; BEGIN SELECT relname INTO t FROM pg_class WHERE relname LIKE 'made%' AND relkind = 'r' LIMIT 1; IF t IS NOT NULL THEN EXECUTE 'DROP TABLE ' || t; END IF; END $$"],
            5 => ["TRUNCATE rewritten", $"INSERT INTO rewritten SELECT n, repeat('t', 350) FROM generate_series(1, {from}) n"],
            6 => ["VACUUM FULL rewritten"],
            7 => ["REINDEX TABLE updated"],
            8 => [$"ALTER TABLE moved SET TABLESPACE {(random.Next(2) == 0 ? "apart" : "pg_default")}"],
            9 => [$"CREATE UNLOGGED TABLE made_{name} AS SELECT n, repeat('u', 400) AS filler FROM generate_series(1, 9000) n", $"ALTER TABLE made_{name} SET LOGGED"],
            10 => [$"CREATE DATABASE copy_{name} TEMPLATE template1 STRATEGY {(random.Next(2) == 0 ? "file_copy" : "wal_log")}"],
            11 => ["SELECT count(*) FROM updated, LATERAL (SELECT nextval('numbers')) s", "VACUUM (FREEZE) updated"],
            12 => ["BEGIN; DELETE FROM moved WHERE n % 3 = 0; ROLLBACK", "SELECT count(*) FROM moved"],
            _ => ["CHECKPOINT", $"UPDATE moved SET filler = filler || 'x' WHERE n % 1000 = {from % 1000}", "CHECKPOINT"],
        };
        if (statements[0].StartsWith("CREATE DATABASE", StringComparison.Ordinal))
            databases.Add($"copy_{name}");
        return ClusterFixture.ExecuteAsync(bench.Database, statements);
    }

    private async Task<BackupOutcome> BackUpAsync(WalBench bench, Func<Task>? meanwhile = null) => await new PostgresSource(Later).BackupAsync(
        await bench.OpenAsync(), new PostgresBackupRequest { Asset = WalBench.Asset, ConnectionString = bench.Database, CacheFolder = _cache.Path }, null,
        meanwhile is null ? null : new AtPhase(TransferPhase.Copying, () => meanwhile().GetAwaiter().GetResult()), Cancel);

    /// <summary>Every table of the restored server is the living one's, its indexes fit, and its pages their checksums.</summary>
    private static async Task ShouldBeSameAsync(WalBench bench, BackupOutcome backup, IReadOnlyList<string> databases)
    {
        var folder = await bench.RestoreAsync(backup.SnapshotId);
        await using (var restored = await bench.StartRestoredAsync(folder))
        {
            foreach (var database in databases)
            {
                var (living, copy) = (bench.Server.ConnectionString(database), restored.ConnectionString(database));
                (await ContentsAsync(copy)).ShouldBe(await ContentsAsync(living), database);
            }

            await ClusterFixture.ExecuteAsync(
                restored.ConnectionString(), "CREATE EXTENSION IF NOT EXISTS amcheck",
                "SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'");
            await restored.StopAsync();
        }

        ClusterPages.CountDamaged(Path.Combine(folder, "data")).ShouldBe(0);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<List<string>> ContentsAsync(string database)
    {
        var names = await ClusterFixture.AskAsync<string[]>(database, "SELECT coalesce(array_agg(c.oid::regclass::text), '{}') FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace");
        var contents = new List<string> { await ClusterFixture.AskAsync<string>(database, "SELECT coalesce(string_agg(sequencename || last_value, ' ' ORDER BY sequencename), '') FROM pg_sequences") };
        foreach (var table in names.Order(StringComparer.Ordinal))
            contents.Add($"{table} {await ClusterFixture.ContentHashAsync(database, table)}");
        return contents;
    }
}
