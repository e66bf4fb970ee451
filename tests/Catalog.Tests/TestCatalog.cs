using Backup.Catalog.Alerts;
using Backup.Catalog.Assets;
using Backup.Catalog.Audit;
using Backup.Catalog.Capacity;
using Backup.Catalog.Database;
using Backup.Catalog.Groups;
using Backup.Catalog.Migrations;
using Backup.Catalog.Protection;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Catalog.Retention;
using Backup.Catalog.Runs;
using Backup.Catalog.Signals;
using Backup.Policy;
using Backup.Services.Testing;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Backup.Catalog.Tests;

/// <summary>A migrated catalog in a database of its own, with two assets.</summary>
internal sealed class TestCatalog : IAsyncDisposable
{
    public static readonly AssetName Files = new("fits-files");
    public static readonly AssetName Voids = new("voids-db");
    public static readonly AgentName Agent = new("lab-agent-1");
    public static readonly VaultName Vault = new("main");

    private TestCatalog(NpgsqlDataSource source)
    {
        Source = source;
        Database = new CatalogDatabase(source);
        Audit = new AuditTrail(Database, Clock);
        Runs = new RunStore(Database, Audit, Clock);
        Points = new RecoveryPointStore(Database, Audit, Clock);
        Replicas = new ReplicaStore(Database, Audit, Clock);
        Restores = new RestoreStore(Database, Audit, Clock);
        Assets = new AssetStore(Database, Audit, Clock);
        Alerts = new AlertStore(Database, Audit, Clock);
        Signals = new SignalStore(Database, Audit, Alerts, Clock);
        Retention = new RetentionStore(Database, Audit, Clock);
        Groups = new GroupPointStore(Database, Audit, Clock);
        Removals = new RemovalStore(Database, Audit, Clock);
        Protection = new ProtectionStore(Database, Clock);
        Capacity = new CapacityStore(Database);
    }

    public NpgsqlDataSource Source { get; }

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero));

    public CatalogDatabase Database { get; }

    public AuditTrail Audit { get; }

    public RunStore Runs { get; }

    public RecoveryPointStore Points { get; }

    public ReplicaStore Replicas { get; }

    public RestoreStore Restores { get; }

    public AssetStore Assets { get; }

    public AlertStore Alerts { get; }

    public SignalStore Signals { get; }

    public RetentionStore Retention { get; }

    public GroupPointStore Groups { get; }

    public RemovalStore Removals { get; }

    public ProtectionStore Protection { get; }

    public CapacityStore Capacity { get; }

    public static async Task<TestCatalog> CreateAsync(PostgresFixture postgres)
    {
        var catalog = new TestCatalog(NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync()));
        await CatalogSchema.MigrateAsync(catalog.Database, CancellationToken.None);
        await catalog.Assets.NoteAsync(Files, SourceKind.Files, Agent, Vault, CancellationToken.None);
        await catalog.Assets.NoteAsync(Voids, SourceKind.Postgres, Agent, Vault, CancellationToken.None);
        return catalog;
    }

    public static NewRun NewRun(string id, AssetName? asset = null) => new(new(id), asset ?? Files, Agent, Vault, "schedule");

    public async Task<Run> RunningAsync(string id, AssetName? asset = null)
    {
        await Runs.OpenAsync(NewRun(id, asset), CancellationToken.None);
        return await Runs.MarkOrderedAsync(new(id), CancellationToken.None);
    }

    public SnapshotFacts Snapshot(string id, int unreadable = 0) => new(
        "vault-1", id, SourceKind.Files, Clock.GetUtcNow(), Clock.GetUtcNow() - TimeSpan.FromMinutes(1), 100, 50, 40, 7, unreadable,
        unreadable == 0 ? Array.Empty<UnreadableEntry>() : new[] { new UnreadableEntry("/data/x", "permission denied") }, new LogPosition(1, "0/3000028", "0/3000100", null, null));

    public BackupReceipt Receipt(string run, string snapshot, AssetName? asset = null, int unreadable = 0) => new(new(run), asset ?? Files, Snapshot(snapshot, unreadable));

    public async Task<long> CountAsync(string table)
    {
        await using var command = Source.CreateCommand($"select count(*) from {table}");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
