using Backup.AgentApi;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Encryption;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Npgsql;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>An agent that is told to receive a server's log. The server is shared with other tests: each has a slot of its own, and drops no other.</summary>
public sealed class WalReceivingTests(PostgresFixture postgres)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Agent_WithALog_ReceivesItAndTakesTheBaseBackupItNeeds()
    {
        await using var bench = await AgentBench.StartAsync();
        var database = await postgres.CreateDatabaseAsync();
        bench.Scratch.Write("voids.connection", database);
        bench.Configure(extra: $$"""connections: { voids: { connectionStringFile: {{bench.Scratch["voids.connection"]}}, wal: { vault: main, asset: voids-db, slot: wal_received, durableWithinSeconds: 1 } } }""");
        await bench.StartAgentAsync();
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var write = new NpgsqlCommand("CREATE TABLE written (n int); SELECT pg_current_wal_lsn()::text", connection);
        Lsn.TryParse((string)(await write.ExecuteScalarAsync(Cancel))!, out var end).ShouldBeTrue();

        var snapshots = await UntilAsync(bench, all => all.Any(IsBaseBackup) && all.Any(s => EndOf(s) >= end));

        var backup = snapshots.Single(IsBaseBackup);
        backup.Asset.ShouldBe("voids-db");
        backup.Tags["reason"].ShouldBe("log-needs-base-backup");
        snapshots.Where(s => s.SourceKind == "postgres-wal").ShouldAllBe(s => s.Asset == "voids-db:wal");
        // Nobody writes now, and the clock does not run on all the same: the vault has what the server has.
        var reading = await UntilReadAsync(bench, r => r.AgeSeconds < 10);
        (reading.Asset, reading.Problem).ShouldBe(("voids-db", null));
        Lsn.TryParse(reading.DurableLsn, out var durable).ShouldBeTrue();
        durable.ShouldBeGreaterThanOrEqualTo(end);
        await bench.StopAgentAsync();

        // Started again it goes on; the base backup is still the one that leads here.
        await bench.StartAgentAsync();
        await using var more = new NpgsqlCommand("INSERT INTO written VALUES (1); SELECT pg_current_wal_lsn()::text", connection);
        Lsn.TryParse((string)(await more.ExecuteScalarAsync(Cancel))!, out var later).ShouldBeTrue();
        (await UntilAsync(bench, all => all.Any(s => EndOf(s) >= later))).Count(IsBaseBackup).ShouldBe(1);
        await bench.StopAgentAsync();
        await using var drop = new NpgsqlCommand("SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = 'wal_received'", connection);
        await drop.ExecuteScalarAsync(Cancel);
    }

    [Fact]
    public async Task Restore_ToTheRestorePointOfARun_HoldsNothingLater()
    {
        await using var bench = await AgentBench.StartAsync();
        var database = await postgres.CreateDatabaseAsync();
        bench.Scratch.Write("voids.connection", database);
        var programs = (await LocalPackages.InstallAsync(cancel: Cancel)).PostgresPrograms;
        bench.Configure(extra: $$"""
            connections: { voids: { connectionStringFile: {{bench.Scratch["voids.connection"]}}, wal: { vault: main, asset: voids-db, slot: wal_to_a_point, durableWithinSeconds: 1 } } }
            postgresPrograms: { 18: {{programs}} }
            """);
        await bench.StartAgentAsync();
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var write = new NpgsqlCommand("CREATE TABLE written AS SELECT 1 AS n", connection);
        await write.ExecuteNonQueryAsync(Cancel);
        await UntilAsync(bench, all => all.Any(IsBaseBackup));

        var backup = await bench.RunAsync("backup-1", new BackupOrder
        {
            RunId = "run-of-the-group",
            Asset = "voids-db",
            SourceKind = SourceKind.Postgres,
            Postgres = new PostgresSettings { Connection = "voids", RecordMebibytes = 0 },
            Vault = "main",
        });
        backup.State.ShouldBe(JobState.Succeeded, backup.Failure?.Message);
        // The restore point is written out with the next commit at the latest: a position asked for before that may lie in front of it.
        await using var more = new NpgsqlCommand("INSERT INTO written VALUES (2)", connection);
        await more.ExecuteNonQueryAsync(Cancel);
        await using var written = new NpgsqlCommand("SELECT pg_current_wal_flush_lsn()::text", connection);
        Lsn.TryParse((string)(await written.ExecuteScalarAsync(Cancel))!, out var later).ShouldBeTrue();
        await UntilAsync(bench, all => all.Any(s => EndOf(s) >= later));

        var order = AgentBench.Restore(backup.Backup!.SnapshotId, bench.Scratch["restore/pg"]) with
        {
            SourceKind = SourceKind.Postgres,
            Asset = "voids-db",
            Recovery = new RecoveryGoal { RestorePoint = backup.Backup.ConsistencyPoint!.RestorePoint },
            Proof = new ProofSettings { TimeLimitSeconds = 600, Checks = [new ProofQuestion { Name = "rows", Database = connection.Database, Sql = "SELECT count(*) FROM written", Expect = "1", TimeLimitSeconds = 60 }] },
        };
        var restore = await bench.RunAsync("restore-1", order);
        restore.State.ShouldBe(JobState.Succeeded, restore.Failure?.Message);
        restore.Restore!.Proof!.Checks.ShouldHaveSingleItem().Passed.ShouldBeTrue();
        (await bench.RunAsync("restore-2", order with { Target = bench.Scratch["restore/other"], Recovery = new RecoveryGoal { RestorePoint = "never-made" } })).Failure.ShouldNotBeNull().Message.ShouldContain("never-made");

        await bench.StopAgentAsync();
        await using var drop = new NpgsqlCommand("SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = 'wal_to_a_point'", connection);
        await drop.ExecuteScalarAsync(Cancel);
    }

    [Fact]
    public async Task Agent_SlotAndLogGone_TakesANewBaseBackupByItself()
    {
        await using var bench = await AgentBench.StartAsync();
        bench.Scratch.Allow();
        await using var server = await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(cancel: Cancel),
            new PostgresOptions("PostgreSQL that forgets", bench.Scratch["server"]) { Durable = false, Settings = new Dictionary<string, string> { ["max_wal_size"] = "64MB", ["min_wal_size"] = "32MB" } }, Cancel);
        await using var connection = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        bench.Scratch.Write("voids.connection", server.ConnectionString());
        bench.Configure(extra: $$"""connections: { voids: { connectionStringFile: {{bench.Scratch["voids.connection"]}}, wal: { vault: main, asset: voids-db, durableWithinSeconds: 1 } } }""");
        await bench.StartAgentAsync();
        await UntilAsync(bench, all => all.Any(IsBaseBackup) && all.Any(s => EndOf(s) is not null));
        await bench.StopAgentAsync();

        await AskAsync(connection, "CREATE TABLE written (n int); SELECT pg_drop_replication_slot(slot_name)::text FROM pg_replication_slots");
        for (var segment = 0; segment < 8; segment++)
        {
            await AskAsync(connection, "INSERT INTO written VALUES (1); SELECT pg_switch_wal()::text");
            await AskAsync(connection, "CHECKPOINT");
        }

        await bench.StartAgentAsync();

        var made = await UntilAsync(bench, all => all.Count(IsBaseBackup) == 2);
        made.Where(IsBaseBackup).ShouldAllBe(backup => backup.Tags["reason"] == "log-needs-base-backup");
        Lsn.TryParse(await AskAsync(connection, "INSERT INTO written VALUES (2); SELECT pg_current_wal_lsn()::text"), out var end).ShouldBeTrue();
        await UntilAsync(bench, all => all.Any(s => EndOf(s) >= end));
        // What the clock says is true again: the new base backup and the log behind it hold everything.
        (await UntilReadAsync(bench, reading => reading.AgeSeconds < 10)).Problem.ShouldBeNull();
        var vault = await OpenVault.OpenAsync(new FileSystemObjectStore(bench.VaultFolder), VaultKeyFile.Load(bench.Scratch["restore.key"]), TimeProvider.System, Cancel);
        var ranges = await WalCheck.RunAsync(vault, "voids-db", null, Cancel);
        ranges.Count.ShouldBe(2);
        ranges[0].Gap.ShouldNotBeNull();
        ranges[1].Gap.ShouldBeNull();
        ranges[1].To.ShouldBeGreaterThanOrEqualTo(end);
        await bench.StopAgentAsync();
    }

    private static async Task<string?> AskAsync(NpgsqlConnection connection, string question)
    {
        await using var command = new NpgsqlCommand(question, connection);
        return await command.ExecuteScalarAsync(Cancel) as string;
    }

    private static async Task<RpoReading> UntilReadAsync(AgentBench bench, Func<RpoReading, bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            var answer = (await bench.OrderAsync($"rpo-{Guid.NewGuid():N}", new RpoQuery())).Value.ShouldNotBeNull();
            if (holds(answer.Readings.ShouldHaveSingleItem()))
            {
                return answer.Readings[0];
            }
        }
    }

    private static bool IsBaseBackup(SnapshotInfo snapshot) => snapshot.SourceKind == PostgresSource.Kind;

    private static Lsn? EndOf(SnapshotInfo snapshot) => Lsn.TryParse(snapshot.Tags.GetValueOrDefault("wal-end"), out var end) ? end : null;

    private static async Task<IReadOnlyList<SnapshotInfo>> UntilAsync(AgentBench bench, Func<IReadOnlyList<SnapshotInfo>, bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        var vault = await OpenVault.OpenAsync(new FileSystemObjectStore(bench.VaultFolder), VaultKeyFile.Load(bench.Scratch["backup.key"]), TimeProvider.System, Cancel);
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            var snapshots = await vault.ListSnapshotsAsync(limit.Token);
            if (holds(snapshots))
            {
                return snapshots;
            }
        }
    }
}
