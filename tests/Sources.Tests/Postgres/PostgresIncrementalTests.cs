using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

/// <summary>The second backup: it reads and stores what the server changed, and restores as if it were the first.</summary>
[Collection(nameof(ClusterFixture))]
public sealed class PostgresIncrementalTests(ClusterFixture cluster) : IDisposable
{
    private const int Rows = 60_000;

    private readonly ScratchFolder _cache = new("pg-cache");

    public void Dispose() => _cache.Dispose();

    [Fact]
    public async Task SecondBackup_FewRowsChanged_StoresTheirPagesAndReadsNoOtherTable()
    {
        var database = await MakeDatabaseAsync("increments");
        var request = cluster.Request() with { CacheFolder = _cache.Path };
        await UntilFilesAreOldAsync(database);
        var first = await cluster.BackupAsync(request);

        await ClusterFixture.ExecuteAsync(database, $"UPDATE changing SET value = -1 WHERE n % {Rows / 4} = 0", "CHECKPOINT");
        var hashes = new Dictionary<string, string>();
        foreach (var table in (string[])["changing", "still"])
            hashes[table] = await ClusterFixture.ContentHashAsync(database, table);
        var changingBytes = await ClusterFixture.AskAsync<long>(database, "SELECT pg_relation_size('changing')");
        var stillBytes = await ClusterFixture.AskAsync<long>(database, "SELECT pg_relation_size('still')");
        var second = await cluster.BackupAsync(request);

        second.Statistics.BytesReused.ShouldBeGreaterThanOrEqualTo(stillBytes);
        second.Statistics.BytesRead.ShouldBeGreaterThanOrEqualTo(changingBytes);
        // Four updates touch at most eight pages of the table; the rest is log, statistics and the server's own files.
        (second.Statistics.BytesNew - LogBytes(second)).ShouldBeLessThan(changingBytes / 2);
        second.BytesTotal.ShouldBeGreaterThan(first.BytesTotal / 2, "reused files count as backed up");

        var folder = cluster.NewFolder();
        (await cluster.RestoreAsync(second.SnapshotId, Path.Combine(folder, "data"))).IsComplete.ShouldBeTrue();
        await using (var server = await cluster.StartRestoredAsync(folder))
        {
            foreach (var (table, hash) in hashes)
                (await ClusterFixture.ContentHashAsync(server.ConnectionString("increments"), table)).ShouldBe(hash, table);
            await server.StopAsync();
        }

        ClusterPages.CountDamaged(Path.Combine(folder, "data")).ShouldBe(0);
    }

    [Fact]
    public async Task SecondBackup_DamagedPageInAnUnchangedFile_IsNamedAgain()
    {
        var database = await MakeDatabaseAsync("damaged_twice");
        var path = Path.Combine(cluster.Server.DataFolder, await ClusterFixture.AskAsync<string>(database, "SELECT pg_relation_filepath('still')"));
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = (5 * PageChecksum.PageBytes) + 5000;
            file.Write([0xAA, 0x55, 0xAA]);
        }

        await UntilFilesAreOldAsync(database);
        var request = cluster.Request() with { CacheFolder = _cache.Path };
        var outcomes = new List<BackupOutcome> { await cluster.BackupAsync(request), await cluster.BackupAsync(request) };
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "DROP DATABASE damaged_twice");
        foreach (var outcome in outcomes)
        {
            outcome.IsPartial.ShouldBeTrue();
            outcome.Problems.Where(problem => problem.MakesPartial).ShouldHaveSingleItem().Reason.ShouldContain("block 5");
        }
    }

    [Fact]
    public async Task Backup_SpreadCheckpoint_LetsTheServerTakeItsTime()
    {
        var logged = (await File.ReadAllLinesAsync(cluster.Server.LogFile)).Length;
        var backup = cluster.BackupAsync(cluster.Request() with { SpreadCheckpoint = true });
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        // What the server logs for a requested checkpoint; one at once has "fast" or "immediate" in front.
        while (!(await File.ReadAllLinesAsync(cluster.Server.LogFile)).Skip(logged).Any(IsSpreadStart))
        {
            backup.IsCompleted.ShouldBeFalse("the backup began without a spread checkpoint");
            await timer.WaitForNextTickAsync();
        }

        // Another session in a hurry ends the wait.
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "CHECKPOINT");
        (await backup).IsPartial.ShouldBeFalse();

        static bool IsSpreadStart(string line) =>
            line.Contains("checkpoint starting:", StringComparison.Ordinal) && line.Contains("force wait", StringComparison.Ordinal)
            && !line.Contains("fast", StringComparison.Ordinal) && !line.Contains("immediate", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 16 * 1024)]
    [InlineData(32L << 30, 16 * 1024)]
    [InlineData((32L << 30) + (64 << 10), 64 * 1024)]
    [InlineData(100L << 30, 64 * 1024)]
    [InlineData(10L << 40, 256 * 1024)]
    public void PageChunks_GrowWithTheCluster(long clusterBytes, int chunkBytes) => PageChunks.BytesFor(clusterBytes).ShouldBe(chunkBytes);

    private static long LogBytes(BackupOutcome outcome)
    {
        var point = outcome.ConsistencyPoint.ShouldNotBeNull();
        const long SegmentBytes = 16 << 20;
        return ((((long)point.Stop.Value - 1) / SegmentBytes) - ((long)point.Start.Value / SegmentBytes) + 1) * SegmentBytes;
    }

    private async Task<string> MakeDatabaseAsync(string name)
    {
        await cluster.Server.CreateDatabaseAsync(name);
        var database = cluster.Server.ConnectionString(name);
        foreach (var table in (string[])["changing", "still"])
        {
            await ClusterFixture.ExecuteAsync(
                database,
                $"CREATE TABLE {table} WITH (autovacuum_enabled = false) AS SELECT n, random() AS value, md5(n::text || '{table}') AS text FROM generate_series(1, {Rows}) n",
                $"VACUUM (FREEZE, ANALYZE) {table}",
                "CHECKPOINT");
        }

        return database;
    }

    /// <summary>Waits until the file system's clock has left the tables' times behind, as a second backup in earnest always does.</summary>
    private async Task UntilFilesAreOldAsync(string database)
    {
        foreach (var table in (string[])["changing", "still"])
        {
            var path = Path.Combine(cluster.Server.DataFolder, await ClusterFixture.AskAsync<string>(database, $"SELECT pg_relation_filepath('{table}')"));
            var oldAt = File.GetLastWriteTimeUtc(path).AddSeconds(4);
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
            while (DateTime.UtcNow < oldAt)
                await timer.WaitForNextTickAsync();
        }
    }
}
