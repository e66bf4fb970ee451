using System.Diagnostics;
using Backup.Sources.Files;
using Backup.Sources.Postgres.Dumps;
using Backup.Sources.Tests.Postgres.Wal;
using Backup.Vault.Snapshots;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Dumps;

/// <summary>Logical dumps of a server of the version that this machine has client programs for.</summary>
public sealed class DumpTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dump_RestoredAsFiles_IsOneForPgRestore_AndTheNextOneStoresWhatChanged()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE ROLE astronomer", "CREATE DATABASE \"odd =näme\"");
        var odd = new NpgsqlConnectionStringBuilder(bench.Database) { Database = "odd =näme" }.ConnectionString;
        await ClusterFixture.ExecuteAsync(odd, "CREATE TABLE stars AS SELECT n, md5(n::text) AS name FROM generate_series(1, 300000) n");

        var dump = await DumpAsync(bench);

        dump.Problems.ShouldBeEmpty();
        dump.ItemsTotal.ShouldBe(3);
        var target = bench.NewFolder();
        (await new FilesRestore(TimeProvider.System).RestoreAsync(await bench.OpenAsync(), dump.SnapshotId, new FilesRestoreRequest { Target = target }, null, Cancel)).IsComplete.ShouldBeTrue();
        Directory.GetFiles(target).Select(Path.GetFileName).Order().ShouldBe(["globals.sql", PostgresDumpSource.FileOf("odd =näme"), "postgres.dump"], ignoreOrder: true);
        (await File.ReadAllTextAsync(Path.Combine(target, "globals.sql"), Cancel)).ShouldContain("CREATE ROLE astronomer");
        var listed = await ProgramRun.RunAsync((await DumpPrograms.ForRestoreAsync("15", WalBench.DebianPrograms, new(), Cancel)).Command("pg_restore", "--list", Path.Combine(target, PostgresDumpSource.FileOf("odd =näme"))), null, null, Cancel);
        listed.Code.ShouldBe(0, listed.Words.Text(listed.Code));

        // One row in the middle: most of the stream is what it was.
        await ClusterFixture.ExecuteAsync(odd, "ALTER TABLE stars ADD PRIMARY KEY (n)", "UPDATE stars SET name = 'changed' WHERE n = 300000");
        var next = await DumpAsync(bench, "odd =näme");
        next.BytesTotal.ShouldBeGreaterThan(10_000_000);
        next.Statistics.BytesNew.ShouldBeLessThan(next.BytesTotal / 2);
    }

    [Fact]
    public async Task Dump_DatabaseThatIsNotThere_IsPartialAndNamed()
    {
        await using var bench = await WalBench.StartAsync(WalBench.DebianPrograms);
        var dump = await DumpAsync(bench, "postgres", "nowhere");
        dump.IsPartial.ShouldBeTrue();
        var problem = dump.Problems.ShouldHaveSingleItem();
        problem.Path.ShouldBe("nowhere.dump");
        problem.Reason.ShouldContain("does not exist");
    }

    [Theory]
    [InlineData(WalBench.DebianPrograms, "an older program cannot dump a newer server")]
    [InlineData("/nowhere", "no program pg_dump of PostgreSQL 18")]
    [InlineData(null, "no program pg_dump of PostgreSQL 18")]
    public async Task Dump_WithoutFittingPrograms_SaysWhichAreNeeded(string? programs, string why)
    {
        if (programs is null && Directory.Exists("/usr/lib/postgresql/18/bin"))
            Assert.Skip("This machine has them.");
        await using var bench = await WalBench.StartAsync();
        var failure = await Should.ThrowAsync<SourcesException>(async () => await new PostgresDumpSource(TimeProvider.System).BackupAsync(
            await bench.OpenForBackupAsync(), new PostgresDumpRequest { Asset = "db", ConnectionString = bench.Database, Programs = programs }, new WriterOptions(), null, Cancel));
        failure.Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        failure.Message.ShouldContain(why);
    }

    [Theory]
    [InlineData("Host=db;Username=u;Password=se:cr\\et", "se:cr\\et", null)]
    [InlineData("Host=db;Username=u;Passfile=/etc/backup/pgpass", null, "/etc/backup/pgpass")]
    public async Task Programs_AreToldThePassword_ByTheirEnvironmentAlone(string connection, string? password, string? file)
    {
        var programs = await DumpPrograms.ForDumpAsync(15, WalBench.DebianPrograms, new NpgsqlConnectionStringBuilder(connection), Cancel);
        var command = programs.Command("pg_dump", "--no-password");
        command.ArgumentList.ShouldBe(["--no-password"]);
        command.Environment.TryGetValue("PGPASSWORD", out var told).ShouldBe(password is not null);
        told.ShouldBe(password);
        command.Environment.TryGetValue("PGPASSFILE", out var where).ShouldBe(file is not null);
        where.ShouldBe(file);
    }

    private static async Task<BackupOutcome> DumpAsync(WalBench bench, params string[] databases) => await new PostgresDumpSource(TimeProvider.System).BackupAsync(
        await bench.OpenForBackupAsync(), new PostgresDumpRequest { Asset = WalBench.Asset, ConnectionString = bench.Database, Databases = databases }, new WriterOptions(), null, Cancel);
}
