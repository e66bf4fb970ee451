using System.Collections.Concurrent;
using System.Globalization;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Wal;

/// <summary>A server of its own, a vault in memory, and what it takes to lose the one and get it back from the other.</summary>
internal sealed class WalBench : IAsyncDisposable
{
    internal const string Asset = "voids";

    /// <summary>PostgreSQL 15 as Debian packages it, where it is installed.</summary>
    internal const string DebianPrograms = "/usr/lib/postgresql/15/bin";

    /// <summary>Stands for the programs of the oldest version that is supported, which are fetched.</summary>
    internal const string OldestPrograms = "postgres-13";

    private readonly ScratchFolder _scratch = new("wal");
    private readonly string? _programs;
    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly NewVault _keys;
    private int _folders;

    private WalBench(string? programs, IReadOnlyDictionary<string, string>? settings, MemoryObjectStore store, NewVault keys)
    {
        _programs = programs;
        _settings = settings ?? new Dictionary<string, string>();
        Store = store;
        _keys = keys;
    }

    internal PostgresServer Server { get; private set; } = null!;

    internal MemoryObjectStore Store { get; }

    internal string Database => Server.ConnectionString();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    internal static async Task<WalBench> StartAsync(string? programs = null, IReadOnlyDictionary<string, string>? settings = null)
    {
        if (programs == OldestPrograms)
            programs = await OldestPostgres.InstallAsync(Cancel);
        else if (programs is not null && !Directory.Exists(programs))
            Assert.Skip($"There are no PostgreSQL programs in {programs}: apt-get install postgresql-15.");
        var store = new MemoryObjectStore();
        var keys = await VaultCreation.CreateAsync(store, TimeProvider.System, Cancel);
        var bench = new WalBench(programs, settings, store, keys);
        bench.Server = await bench.StartServerAsync(bench._scratch.Combine("server"));
        await ClusterFixture.ExecuteAsync(bench.Database, "CREATE TABLE commits (n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), filler text)");
        return bench;
    }

    /// <summary>The vault as an agent has it: it can add, and read nothing.</summary>
    internal Task<OpenVault> OpenForBackupAsync(IObjectStore? through = null, TimeProvider? clock = null) => OpenVault.OpenAsync(through ?? Store, _keys.BackupKey, clock ?? TimeProvider.System, Cancel);

    internal Task<OpenVault> OpenAsync(IObjectStore? through = null) => OpenVault.OpenAsync(through ?? Store, _keys.RestoreKey, TimeProvider.System, Cancel);

    internal async Task<BackupOutcome> BackUpAsync(bool streamed = false, string? restorePoint = null, TimeProvider? clock = null) =>
        await new PostgresSource(clock ?? TimeProvider.System).BackupAsync(await OpenForBackupAsync(null, clock), new PostgresBackupRequest { Asset = Asset, ConnectionString = Database, Streamed = streamed, RestorePoint = restorePoint }, new(), null, Cancel);

    internal async Task<Receiving> ReceiveAsync(Func<WalReceiverRequest, WalReceiverRequest>? change = null, IObjectStore? through = null, TimeProvider? clock = null)
    {
        var request = new WalReceiverRequest { Asset = Asset, ConnectionString = Database, DurableWithin = TimeSpan.FromSeconds(1) };
        return new Receiving(await OpenForBackupAsync(through, clock), change?.Invoke(request) ?? request, clock);
    }

    internal async Task<Lsn> EndOfLogAsync(string? database = null) => Lsn.Parse(await ClusterFixture.AskAsync<string>(database ?? Database, "SELECT pg_current_wal_flush_lsn()::text"));

    internal Task<DateTime> CommitAsync(string filler = "") => ClusterFixture.AskAsync<DateTime>(Database, $"INSERT INTO commits (filler) VALUES ('{filler}') RETURNING at");

    internal Task<long> CountAsync(string? database = null) => ClusterFixture.AskAsync<long>(database ?? Database, "SELECT count(*) FROM commits");

    /// <summary>Everything that the vault has of the log, as restore_command would get it.</summary>
    internal async Task<string> ExtractLogAsync()
    {
        var folder = NewFolder();
        var vault = await OpenAsync();
        var holdings = await WalHoldings.LoadAsync(vault, Asset, Cancel);
        foreach (var name in holdings.Files.Select(held => held.File.Name.Replace(WalFileName.PartialSuffix, "", StringComparison.Ordinal)).Distinct())
            await WalFetcher.GetAsync(vault, Asset, name, Path.Combine(folder, name), null, 0, Cancel);
        foreach (var file in Directory.EnumerateFiles(folder))
            File.SetUnixFileMode(file, File.GetUnixFileMode(file) | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return folder;
    }

    /// <summary>Restores to a goal, starts the server there and answers it. Its connection string is the restored server's.</summary>
    internal async Task<PostgresServer> RecoverAsync(RecoveryTarget goal, TimelineChoice timeline = default, bool hasLogInPlace = false)
    {
        var folder = NewFolder();
        var command = hasLogInPlace ? null : $"cp {await ExtractLogAsync()}/%f %p";
        var request = Recovery(goal, Path.Combine(folder, "data"), command) with { Timeline = timeline };
        var recovery = new PostgresRecovery(TimeProvider.System);
        var vault = await OpenAsync();
        var plan = await recovery.PlanAsync(vault, request, measure: false, Cancel);
        (await recovery.RunAsync(vault, request, plan, null, Cancel)).IsComplete.ShouldBeTrue();
        return await StartRestoredAsync(folder);
    }

    internal async Task<RecoveryPlan> PlanAsync(RecoveryTarget goal, bool measure = false) =>
        await new PostgresRecovery(TimeProvider.System).PlanAsync(await OpenAsync(), Recovery(goal, "/nowhere/data", "false"), measure, Cancel);

    internal RecoveryRequest Recovery(RecoveryTarget goal, string target, string? command) => new()
    {
        Asset = Asset,
        Goal = goal,
        RestoreCommand = command,
        Files = new PostgresRestoreRequest { Target = target, Owner = Server.Account?.Name },
    };

    /// <summary>Restores a base backup to FOLDER/data.</summary>
    /// <returns>The folder.</returns>
    internal async Task<string> RestoreAsync(SnapshotId snapshot)
    {
        var folder = NewFolder();
        await new PostgresRestore(TimeProvider.System).RestoreAsync(
            await OpenAsync(), snapshot, new PostgresRestoreRequest { Target = Path.Combine(folder, "data"), Owner = Server.Account?.Name }, null, Cancel);
        return folder;
    }

    /// <summary>Starts a server on FOLDER/data.</summary>
    internal Task<PostgresServer> StartRestoredAsync(string folder, params IEnumerable<KeyValuePair<string, string>> settings)
    {
        File.Copy(_scratch.Combine("server", "superuser.password"), Path.Combine(folder, "superuser.password"), overwrite: true);
        return StartServerAsync(folder, settings);
    }

    /// <summary>Restores a base backup and starts it as a standby of the server.</summary>
    internal async Task<PostgresServer> StartStandbyAsync(SnapshotId snapshot, params IEnumerable<KeyValuePair<string, string>> settings)
    {
        var folder = await RestoreAsync(snapshot);
        await File.WriteAllTextAsync(Path.Combine(folder, "data", "standby.signal"), "", Cancel);
        var primary = new NpgsqlConnectionStringBuilder(Database);
        return await StartRestoredAsync(
            folder, [new("primary_conninfo", $"host={primary.Host} port={primary.Port} user={primary.Username} password={primary.Password} sslmode=disable"), new("hot_standby", "on"), .. settings]);
    }

    /// <summary>As when the whole machine goes: the server's processes at once, then its disk.</summary>
    internal async Task LoseServerAsync()
    {
        await Server.KillAsync();
        Directory.Delete(Server.DataFolder, recursive: true);
    }

    internal string NewFolder()
    {
        var folder = _scratch.Combine($"folder{Interlocked.Increment(ref _folders)}");
        Directory.CreateDirectory(folder);
        Server?.Account?.TakeOwnership(folder);
        return folder;
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        _scratch.Dispose();
    }

    private async Task<PostgresServer> StartServerAsync(string folder, params IEnumerable<KeyValuePair<string, string>> settings) => await PostgresServer.StartAsync(
        await LocalPackages.InstallAsync(cancel: Cancel),
        new PostgresOptions("PostgreSQL for log", folder)
        {
            Durable = false,
            Programs = _programs,
            Settings = new Dictionary<string, string>(
            [
                new("max_prepared_transactions", "4"), new("wal_keep_size", "0"), new("max_wal_size", "64MB"), new("min_wal_size", "32MB"), new("track_commit_timestamp", "on"), .. _settings, .. settings,
            ]),
        },
        Cancel);
}

/// <summary>A receiver at work, and what it tells.</summary>
internal sealed class Receiving : IWalObserver, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<WalAlert> _alerts = new();
    private readonly Lock _lock = new();
    private readonly List<(Func<bool> Holds, TaskCompletionSource Done)> _waiting = [];
    private WalStatus? _status;

    internal Receiving(OpenVault vault, WalReceiverRequest request, TimeProvider? clock = null) =>
        Running = Task.Run(() => new WalReceiver(clock ?? TimeProvider.System).RunAsync(vault, request, this, _stop.Token));

    internal Task Running { get; }

    internal WalStatus? Status
    {
        get { lock (_lock) return _status; }
    }

    internal IReadOnlyCollection<WalAlert> Alerts => _alerts;

    internal Task UntilDurableAsync(Lsn end) => UntilAsync(() => _status?.Durable >= end, $"durable up to {end}");

    internal Task UntilAlertAsync(WalAlertKind kind) => UntilAsync(() => _alerts.Any(alert => alert.Kind == kind), $"alert {kind}");

    internal async Task UntilAsync(Func<bool> holds, string what)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (holds())
                return;
            _waiting.Add((holds, done));
        }

        try
        {
            // Awaited twice: a receiver that failed tells why.
            await await Task.WhenAny(done.Task, Running).WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Not seen: {what}. Status {Status}; {string.Join("; ", _alerts)}");
        }

        done.Task.IsCompleted.ShouldBeTrue($"the receiver ended before: {what}");
    }

    public void Report(WalStatus status)
    {
        lock (_lock)
            _status = status;
        Settle();
    }

    public void Alert(WalAlert alert)
    {
        _alerts.Enqueue(alert);
        Settle();
    }

    internal async Task StopAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await Running;
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Running).ContinueWith(static _ => { }, TaskScheduler.Default);
        _stop.Dispose();
    }

    private void Settle()
    {
        lock (_lock)
        {
            foreach (var (_, done) in _waiting.Where(waiting => waiting.Holds()).ToList())
                done.TrySetResult();
            _waiting.RemoveAll(waiting => waiting.Done.Task.IsCompleted);
        }
    }
}
