using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

/// <summary>A standby made from a backup, and a backup made from the standby.</summary>
[Collection(nameof(ClusterFixture))]
public sealed class PostgresStandbyTests(ClusterFixture cluster)
{
    [Fact]
    public async Task Backup_OfAStandby_RestoresWhatThePrimaryHadWritten()
    {
        await cluster.Server.CreateDatabaseAsync("followed");
        var primary = cluster.Server.ConnectionString("followed");
        await ClusterFixture.ExecuteAsync(primary, "CREATE TABLE events AS SELECT n, md5(n::text) AS text FROM generate_series(1, 20000) n");
        var folder = cluster.NewFolder();
        var outcome = await cluster.BackupAsync();
        (await cluster.RestoreAsync(outcome.SnapshotId, Path.Combine(folder, "data"))).IsComplete.ShouldBeTrue();
        await File.WriteAllTextAsync(Path.Combine(folder, "data", "standby.signal"), "");
        await using var standby = await cluster.StartRestoredAsync(folder, new Dictionary<string, string> { ["primary_conninfo"] = ConnectionInfo(cluster.Server.ConnectionString()), ["hot_standby"] = "on" });

        await ClusterFixture.ExecuteAsync(primary, "INSERT INTO events SELECT n, 'later' FROM generate_series(20001, 40000) n");
        var written = await ClusterFixture.AskAsync<string>(primary, "SELECT pg_current_wal_lsn()::text");
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await ClusterFixture.AskAsync<bool>(standby.ConnectionString(), $"SELECT coalesce(pg_last_wal_replay_lsn() >= '{written}', false)"))
            await timer.WaitForNextTickAsync();
        var hash = await ClusterFixture.ContentHashAsync(primary, "events");

        var ofStandby = await cluster.BackupAsync(cluster.Request(standby.ConnectionString()));
        ofStandby.Problems.ShouldBeEmpty();
        await standby.StopAsync();

        var second = cluster.NewFolder();
        (await cluster.RestoreAsync(ofStandby.SnapshotId, Path.Combine(second, "data"))).IsComplete.ShouldBeTrue();
        File.Exists(Path.Combine(second, "data", "standby.signal")).ShouldBeTrue("it is one of the cluster's files");
        File.Delete(Path.Combine(second, "data", "standby.signal"));
        await using (var server = await cluster.StartRestoredAsync(second))
        {
            (await ClusterFixture.AskAsync<bool>(server.ConnectionString(), "SELECT pg_is_in_recovery()")).ShouldBeFalse();
            (await ClusterFixture.ContentHashAsync(server.ConnectionString("followed"), "events")).ShouldBe(hash);
            await server.StopAsync();
        }

        ClusterPages.CountDamaged(Path.Combine(second, "data")).ShouldBe(0);
    }

    private static string ConnectionInfo(string connection)
    {
        var settings = new NpgsqlConnectionStringBuilder(connection);
        return $"host={settings.Host} port={settings.Port} user={settings.Username} password={settings.Password} sslmode=disable";
    }
}
