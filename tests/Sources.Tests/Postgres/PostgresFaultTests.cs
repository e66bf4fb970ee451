using Backup.Sources.Postgres;
using Backup.Vault;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

[Collection(nameof(ClusterFixture))]
public sealed class PostgresFaultTests(ClusterFixture cluster)
{
    [Fact]
    public async Task Backup_RoleWithoutRights_NamesEverythingThatIsMissing()
    {
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "CREATE ROLE nobody_much LOGIN PASSWORD 'secret-nobody'");
        var connection = new NpgsqlConnectionStringBuilder(cluster.Server.ConnectionString()) { Username = "nobody_much", Password = "secret-nobody" };
        var error = await Should.ThrowAsync<SourcesException>(() => cluster.BackupAsync(cluster.Request(connection.ConnectionString)));
        error.Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        error.Message.ShouldContain("data_directory");
        error.Message.ShouldContain("pg_backup_start");
        error.Hint.ShouldContain("GRANT pg_monitor TO \"nobody_much\"");
        error.ToString().ShouldNotContain("secret-nobody");
    }

    [Theory]
    [InlineData("Host=127.0.0.1;Port=1;Username=a;Password=hidden", SourcesFault.ServerUnavailable)]
    [InlineData("Nonsense=hidden", SourcesFault.ServerUnsuitable)]
    public async Task Backup_NoServer_IsAClearErrorWithoutThePassword(string connection, SourcesFault fault)
    {
        foreach (var streamed in new bool?[] { null, true })
        {
            var error = await Should.ThrowAsync<SourcesException>(() => cluster.BackupAsync(cluster.Request(connection) with { Streamed = streamed }));
            error.Fault.ShouldBe(fault);
            error.ToString().ShouldNotContain("hidden");
        }
    }

    [Theory]
    [InlineData("no_replication", "right")]
    [InlineData("postgres", "wrong-hidden")]
    public async Task Backup_StreamedForARoleThatMayNot_IsAClearErrorWithoutThePassword(string role, string password)
    {
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "DROP ROLE IF EXISTS no_replication", "CREATE ROLE no_replication LOGIN PASSWORD 'right'");
        var connection = new NpgsqlConnectionStringBuilder(cluster.Server.ConnectionString()) { Username = role, Password = password };
        var error = await Should.ThrowAsync<SourcesException>(() => cluster.BackupAsync(cluster.Request(connection.ConnectionString) with { Streamed = true }));
        error.Fault.ShouldBe(SourcesFault.ServerUnsuitable);
        error.Hint.ShouldContain("REPLICATION");
        error.ToString().ShouldNotContain("hidden");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backup_CancelledWhileCopying_ServerIsLeftAsItWas(bool streamed)
    {
        using var stop = new CancellationTokenSource();
        var progress = new AtPhase(TransferPhase.Copying, stop.Cancel);
        await Should.ThrowAsync<OperationCanceledException>(() => cluster.BackupAsync(cluster.Request() with { Streamed = streamed }, progress, stop.Token));
        // The server notices a closed connection by itself; asking again gives it the time.
        var slots = 1L;
        for (var asked = 0; asked < 2000 && slots > 0; asked++)
            slots = await ClusterFixture.AskAsync<long>(cluster.Server.ConnectionString(), "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'backup_%' AND active_pid NOT IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'backup')");
        slots.ShouldBe(0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backup_DamagedPage_IsNamedAndMakesThePartialOutcome(bool streamed)
    {
        await cluster.Server.CreateDatabaseAsync("damaged");
        var database = cluster.Server.ConnectionString("damaged");
        await ClusterFixture.ExecuteAsync(database, "CREATE TABLE victim WITH (autovacuum_enabled = false) AS SELECT n FROM generate_series(1, 5000) n", "CHECKPOINT");
        var path = Path.Combine(cluster.Server.DataFolder, await ClusterFixture.AskAsync<string>(database, "SELECT pg_relation_filepath('victim')"));
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = (3 * 8192) + 5000;
            file.WriteByte(0xAA);
            file.WriteByte(0x55);
        }

        var outcome = await cluster.BackupAsync(cluster.Request() with { Streamed = streamed });
        await ClusterFixture.ExecuteAsync(cluster.Server.ConnectionString(), "DROP DATABASE damaged");
        outcome.IsPartial.ShouldBeTrue();
        var problem = outcome.Problems.Where(problem => problem.MakesPartial).ShouldHaveSingleItem();
        path.ShouldEndWith(problem.Path);
        problem.Reason.ShouldContain("block 3");
    }

    [Fact]
    public async Task Restore_CancelledMidway_CannotBeStartedAndContinues()
    {
        var outcome = await cluster.BackupAsync();
        var folder = cluster.NewFolder();
        var data = Path.Combine(folder, "data");
        using var stop = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(() => cluster.RestoreAsync(outcome.SnapshotId, data, new AtPhase(TransferPhase.Copying, stop.Cancel), stop.Token));
        File.Exists(Path.Combine(data, "global", "pg_control")).ShouldBeFalse();
        await cluster.RestoreAsync(outcome.SnapshotId, data);
        await using var server = await cluster.StartRestoredAsync(folder);
        (await ClusterFixture.AskAsync<int>(server.ConnectionString(), "SELECT 1")).ShouldBe(1);
        await server.StopAsync();
    }

    [Fact]
    public async Task Restore_IntoAnythingElse_IsRefused()
    {
        var outcome = await cluster.BackupAsync();
        var folder = cluster.NewFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "something"), "of somebody");
        (await Should.ThrowAsync<SourcesException>(() => cluster.RestoreAsync(outcome.SnapshotId, folder))).Fault.ShouldBe(SourcesFault.TargetNotEmpty);
        Directory.GetFileSystemEntries(folder).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Restore_DamagedVault_LeavesNothingThatStarts()
    {
        var store = new Backup.Vault.Testing.MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, CancellationToken.None);
        var vault = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, CancellationToken.None);
        var outcome = await new PostgresSource(TimeProvider.System).BackupAsync(vault, cluster.Request(), new(), null, CancellationToken.None);
        foreach (var pack in store.Objects.Where(stored => stored.Key.Kind == Vault.Storage.ObjectKind.DataPack))
            pack.Value[pack.Value.Length / 2] ^= 1;
        var folder = cluster.NewFolder();
        var request = new PostgresRestoreRequest { Target = Path.Combine(folder, "data"), Owner = cluster.Server.Account?.Name };
        var error = await Should.ThrowAsync<SourcesException>(() => new PostgresRestore(TimeProvider.System).RestoreAsync(vault, outcome.SnapshotId, request, null, CancellationToken.None));
        error.Fault.ShouldBe(SourcesFault.DataDamaged);
        File.Exists(Path.Combine(folder, "data", "global", "pg_control")).ShouldBeFalse();
    }
}
