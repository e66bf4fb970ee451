using System.Globalization;
using Backup.Sources.Postgres;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

/// <summary>Backups of a server that is being written to, restored and started.</summary>
[Collection(nameof(ClusterFixture))]
public sealed class PostgresRoundTripTests(ClusterFixture cluster)
{
    private static readonly string[] StaticTables = ["catalogue", "spectra", "elsewhere"];

    [Fact]
    public async Task Backup_UnderWriteLoad_RestoredServerIsConsistent() => await RoundTripAsync("loaded", database => cluster.Request(database));

    [Fact]
    public async Task Backup_RoleWithoutReplication_CopiesTheLogWhileItRuns() => await RoundTripAsync("unprivileged", database =>
    {
        var connection = new NpgsqlConnectionStringBuilder(database) { Username = "plain_backup", Password = "plain" };
        return cluster.Request(connection.ConnectionString);
    });

    [Fact]
    public async Task Backup_StreamedUnderWriteLoad_RestoredServerIsConsistent() => await RoundTripAsync("streamed", database =>
    {
        var connection = new NpgsqlConnectionStringBuilder(database) { Username = "streamer", Password = "stream" };
        return cluster.Request(connection.ConnectionString) with { Streamed = true };
    });

    private async Task RoundTripAsync(string name, Func<string, PostgresBackupRequest> request)
    {
        var database = await MakeDatabaseAsync(name);
        var hashes = new Dictionary<string, string>();
        foreach (var table in StaticTables)
            hashes[table] = await ClusterFixture.ContentHashAsync(database, table);

        await using var load = new WriteLoad(database);
        await load.UntilCommittedAsync(20);
        var committedBefore = load.Committed;
        var outcome = await cluster.BackupAsync(request(database));
        await load.StopAsync();
        outcome.Problems.ShouldAllBe(problem => problem.Kind == ItemProblemKind.Note && problem.Path == "content.json");
        var point = outcome.ConsistencyPoint.ShouldNotBeNull();
        point.Stop.ShouldBeGreaterThan(point.Start);

        var folder = cluster.NewFolder();
        var restored = await cluster.RestoreAsync(outcome.SnapshotId, Path.Combine(folder, "data"));
        restored.IsComplete.ShouldBeTrue();
        await using (var server = await cluster.StartRestoredAsync(folder))
        {
            var copy = server.ConnectionString(name);
            foreach (var table in StaticTables)
                (await ClusterFixture.ContentHashAsync(copy, table)).ShouldBe(hashes[table], table);
            var debits = await ClusterFixture.AskAsync<long>(copy, "SELECT count(*) FROM debits");
            debits.ShouldBeGreaterThanOrEqualTo(committedBefore);
            (await ClusterFixture.AskAsync<long>(copy, "SELECT count(*) FROM credits")).ShouldBe(debits);
            (await ClusterFixture.AskAsync<long>(copy, "SELECT (SELECT coalesce(sum(amount), 0) FROM debits)::bigint - (SELECT coalesce(sum(amount), 0) FROM credits)::bigint")).ShouldBe(0);
            (await ClusterFixture.AskAsync<long>(copy, "SELECT count(*) FROM scratch")).ShouldBe(0, "unlogged tables come back empty");
            await ClusterFixture.ExecuteAsync(copy, "INSERT INTO scratch VALUES (1)", "REINDEX TABLE debits", "CHECKPOINT");
            await server.StopAsync();
        }

        ClusterPages.CountDamaged(Path.Combine(folder, "data")).ShouldBe(0);
    }

    /// <summary>Tables that stay as they are, one in a tablespace, tables under load, and an unlogged one.</summary>
    private async Task<string> MakeDatabaseAsync(string name)
    {
        await cluster.Server.CreateDatabaseAsync(name);
        var database = cluster.Server.ConnectionString(name);
        var tablespace = cluster.NewFolder();
        await ClusterFixture.ExecuteAsync(
            database,
            $"CREATE TABLESPACE space_{name} LOCATION '{tablespace}'",
            "CREATE TABLE catalogue AS SELECT n, md5(n::text) AS text, random() AS value FROM generate_series(1, 50000) n",
            "CREATE INDEX ON catalogue (value)",
            "CREATE TABLE spectra AS SELECT n, repeat(md5(n::text), 2000) AS large FROM generate_series(1, 200) n",
            $"CREATE TABLE elsewhere TABLESPACE space_{name} AS SELECT n FROM generate_series(1, 20000) n",
            "CREATE TABLE debits (amount bigint, filler text)",
            "CREATE TABLE credits (amount bigint, filler text)",
            "CREATE UNLOGGED TABLE scratch (n int)",
            "INSERT INTO scratch SELECT generate_series(1, 5000)",
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plain_backup') THEN CREATE ROLE plain_backup LOGIN PASSWORD 'plain' IN ROLE pg_monitor; END IF; END $$",
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'streamer') THEN CREATE ROLE streamer LOGIN REPLICATION PASSWORD 'stream'; END IF; END $$",
            "GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO plain_backup",
            "CHECKPOINT");
        return database;
    }

    /// <summary>Transactions that keep two tables in step, while other tables are made, cut off and dropped.</summary>
    private sealed class WriteLoad : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly SemaphoreSlim _ticks = new(0);
        private readonly Task[] _writers;
        private long _committed;

        internal WriteLoad(string database) => _writers = [TransferAsync(database, 1), TransferAsync(database, 2), ChurnAsync(database)];

        internal long Committed => Interlocked.Read(ref _committed);

        internal async Task UntilCommittedAsync(int count)
        {
            for (var seen = 0; seen < count; seen++)
                await _ticks.WaitAsync();
        }

        internal async Task StopAsync()
        {
            await _stop.CancelAsync();
            await Task.WhenAll(_writers);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _stop.Dispose();
            _ticks.Dispose();
        }

        private async Task TransferAsync(string database, int seed)
        {
            var random = new Random(seed);
            await using var connection = new NpgsqlConnection(database + ";Pooling=false");
            await connection.OpenAsync();
            while (!_stop.IsCancellationRequested)
            {
                await using var transaction = await connection.BeginTransactionAsync();
                var amount = random.Next(1000);
                foreach (var table in new[] { "debits", "credits" })
                {
                    await using var insert = new NpgsqlCommand($"INSERT INTO {table} VALUES ({amount.ToString(CultureInfo.InvariantCulture)}, repeat('x', {random.Next(3000).ToString(CultureInfo.InvariantCulture)}))", connection, transaction);
                    await insert.ExecuteNonQueryAsync();
                }

                await transaction.CommitAsync();
                Interlocked.Increment(ref _committed);
                _ticks.Release();
            }
        }

        private async Task ChurnAsync(string database)
        {
            await using var connection = new NpgsqlConnection(database + ";Pooling=false");
            await connection.OpenAsync();
            for (var round = 0; !_stop.IsCancellationRequested; round++)
            {
                await using var command = new NpgsqlCommand(
                    $"CREATE TABLE churn_{round} AS SELECT n, md5(n::text) t FROM generate_series(1, 5000) n; TRUNCATE churn_{round}; INSERT INTO churn_{round} VALUES (1); DROP TABLE churn_{round}; CREATE TEMP TABLE IF NOT EXISTS mine (n int); INSERT INTO mine VALUES (1)",
                    connection);
                await command.ExecuteNonQueryAsync();
            }
        }
    }
}
