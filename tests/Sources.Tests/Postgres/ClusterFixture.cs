using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Vault;
using Backup.Vault.Testing;
using Npgsql;
using Shouldly;

[assembly: AssemblyFixture(typeof(Backup.Sources.Tests.Postgres.ClusterFixture))]

namespace Backup.Sources.Tests.Postgres;

/// <summary>A real server, a vault in memory, and a way to start what was restored.</summary>
public sealed class ClusterFixture : IAsyncLifetime
{
    /// <summary>The default of servers.</summary>
    internal const int WalSegmentBytes = 16 << 20;

    private readonly ScratchFolder _scratch = new("sources-pg");
    private int _folders;

    public PostgresServer Server { get; private set; } = null!;

    public OpenVault Vault { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), Options("server"));
        var store = new MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, CancellationToken.None);
        Vault = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        _scratch.Dispose();
    }

    internal PostgresBackupRequest Request(string? connection = null) => new() { Asset = "cluster", ConnectionString = connection ?? Server.ConnectionString() };

    internal Task<BackupOutcome> BackupAsync(PostgresBackupRequest? request = null, IProgress<TransferProgress>? progress = null, CancellationToken cancel = default) =>
        new PostgresSource(TimeProvider.System).BackupAsync(Vault, request ?? Request(), new(), progress, cancel);

    internal Task<RestoreOutcome> RestoreAsync(SnapshotId snapshot, string target, IProgress<TransferProgress>? progress = null, CancellationToken cancel = default) =>
        new PostgresRestore(TimeProvider.System).RestoreAsync(Vault, snapshot, new PostgresRestoreRequest { Target = target, Owner = Server.Account?.Name }, progress, cancel);

    /// <summary>A fresh folder that the server's account owns.</summary>
    internal string NewFolder()
    {
        var folder = _scratch.Combine($"folder{Interlocked.Increment(ref _folders)}");
        Directory.CreateDirectory(folder);
        Server.Account?.TakeOwnership(folder);
        return folder;
    }

    /// <summary>Starts a server on a restored data directory, which must be FOLDER/data. A standby may allow no fewer prepared transactions than its primary.</summary>
    internal async Task<PostgresServer> StartRestoredAsync(string folder, IReadOnlyDictionary<string, string>? settings = null)
    {
        File.Copy(_scratch.Combine("server", "superuser.password"), Path.Combine(folder, "superuser.password"));
        return await PostgresServer.StartAsync(
            await LocalPackages.InstallAsync(), new PostgresOptions("restored PostgreSQL", folder) { Durable = false, Settings = new Dictionary<string, string>(settings ?? new Dictionary<string, string>()) { ["max_prepared_transactions"] = "4" } });
    }

    internal static async Task ExecuteAsync(string connectionString, params string[] commands)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        foreach (var text in commands)
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    internal static async Task<T> AskAsync<T>(string connectionString, string question)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(question, connection);
        return (T)(await command.ExecuteScalarAsync()).ShouldNotBeNull();
    }

    internal static Task<string> ContentHashAsync(string connectionString, string table) =>
        AskAsync<string>(connectionString, $"SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), 'empty') FROM {table} t");

    private PostgresOptions Options(string name) => new("test PostgreSQL", _scratch.Combine(name))
    {
        Durable = false,
        Settings = new Dictionary<string, string> { ["max_wal_size"] = "64MB", ["checkpoint_timeout"] = "30s", ["autovacuum_naptime"] = "1s", ["max_prepared_transactions"] = "4" },
    };
}
