using System.Diagnostics;
using System.Globalization;
using Backup.AgentApi;
using Backup.LocalStack.Services;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Recovery;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;
using Backup.Vault.Verifying;
using Npgsql;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>A server with something to lose, an agent process that protects it, and what it takes to kill the one and look at what is left of the other.</summary>
internal sealed class PostgresKillBench : IAsyncDisposable
{
    public const string Asset = "voids-db";
    private const int SegmentBytes = 16 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan AskInterval = TimeSpan.FromMilliseconds(50);

    private readonly AgentBench _site;
    private readonly PostgresServer _server;
    private readonly LocalPackages _packages;
    private AgentProcess? _agent;
    private int _folders;

    private PostgresKillBench(AgentBench site, PostgresServer server, LocalPackages packages) => (_site, _server, _packages) = (site, server, packages);

    public AgentBench Site => _site;

    public string Database => _server.ConnectionString();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="ballastMebibytes">How much the database holds that is backed up and restored: it makes both last.</param>
    /// <param name="receivesLog">The agent is told to receive the server's log.</param>
    public static async Task<PostgresKillBench> StartAsync(int ballastMebibytes, bool receivesLog)
    {
        var packages = await LocalPackages.InstallAsync(cancel: Cancel);
        var site = await AgentBench.StartAsync();
        site.Scratch.Allow();
        var server = await PostgresServer.StartAsync(packages, new PostgresOptions("PostgreSQL to lose", site.Scratch["server"]) { Durable = false }, Cancel);
        var bench = new PostgresKillBench(site, server, packages);
        site.Scratch.Write("voids.connection", bench.Database);
        var log = receivesLog ? $", wal: {{ vault: main, asset: {Asset}, durableWithinSeconds: 1 }}" : "";
        site.Configure(extra: $$"""
            connections: { voids: { connectionStringFile: {{site.Scratch["voids.connection"]}}{{log}} } }
            postgresPrograms: { 18: {{packages.PostgresPrograms}} }
            """);
        await bench.ChangeAsync(
            "CREATE EXTENSION IF NOT EXISTS amcheck",
            "CREATE TABLE commits (n bigint PRIMARY KEY, filler text)",
            "CREATE TABLE accounts AS SELECT n, 1000 AS balance FROM generate_series(1, 100) n",
            "CREATE TABLE ballast (n int, filler text)");
        await bench.RewriteBallastAsync(ballastMebibytes);
        return bench;
    }

    /// <summary>Other content of the same size, so that a backup has all of it to store.</summary>
    public Task RewriteBallastAsync(int mebibytes) => ExecuteAsync(
        Database,
        "TRUNCATE ballast",
        $"INSERT INTO ballast SELECT n, (SELECT string_agg(md5(random()::text || m || n), '') FROM generate_series(1, 30) m) FROM generate_series(1, {mebibytes * 1024}) n");

    public static BackupOrder Backup() => new()
    {
        RunId = "run-7",
        Asset = Asset,
        SourceKind = SourceKind.Postgres,
        Postgres = new PostgresSettings { Connection = "voids" },
        Vault = "main",
    };

    /// <summary>A restore to FOLDER/data, with everything checked that the product checks.</summary>
    public static RestoreOrder Restore(string snapshot, string folder) => AgentBench.Restore(snapshot, Path.Combine(folder, "data")) with
    {
        SourceKind = SourceKind.Postgres,
        Asset = Asset,
        Proof = new ProofSettings(),
    };

    public async Task StartAgentAsync()
    {
        _agent?.Dispose();
        _agent = AgentProcess.Start(_site.ConfigFile);
        await _agent.WaitUntilOnlineAsync(Cancel).WaitAsync(Patience, Cancel);
    }

    public Task KillAgentAsync() => _agent.ShouldNotBeNull().KillAsync();

    /// <summary>The vault is sound to the last byte, whatever was being written to it.</summary>
    public async Task VaultShouldBeSoundAsync(string what)
    {
        var report = await Verifier.VerifyAsync(await OpenVaultAsync(), new VerifyRequest { Depth = VerifyDepth.Data, WriteLedger = false }, null, Cancel);
        report.IsSound.ShouldBeTrue($"{what}: {string.Join("; ", report.Problems)}");
    }

    /// <summary>A backup's own slot and its session end with it; the receiver's slot stays, and is one.</summary>
    public async Task NothingShouldBeLeftOnTheServerAsync(int slotsKept)
    {
        await UntilAsync("SELECT count(*) FILTER (WHERE active OR temporary) FROM pg_replication_slots", count => count == 0);
        (await AskAsync<long>(Database, "SELECT count(*) FROM pg_replication_slots")).ShouldBe(slotsKept);
        await UntilAsync("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid() AND application_name <> 'writer'", count => count == 0);
    }

    /// <summary>Until a question's number is right; the server takes its time to notice that a client is gone.</summary>
    public async Task UntilAsync(string question, Func<long, bool> holds)
    {
        using var timer = new PeriodicTimer(AskInterval);
        var since = Stopwatch.StartNew();
        long answer;
        while (!holds(answer = await AskAsync<long>(Database, question)))
        {
            if (since.Elapsed > Patience)
                throw new TimeoutException($"Still {answer}: {question}");
            await timer.WaitForNextTickAsync(Cancel);
        }
    }

    /// <summary>Until the agent has taken the base backup that the log it receives needs.</summary>
    public async Task UntilBaseBackupAsync()
    {
        using var timer = new PeriodicTimer(AskInterval);
        var since = Stopwatch.StartNew();
        while (!(await _site.SnapshotsAsync()).Any(made => made.SourceKind == PostgresSource.Kind))
        {
            since.Elapsed.ShouldBeLessThan(Patience);
            await timer.WaitForNextTickAsync(Cancel);
        }
    }

    /// <summary>The snapshot that an order made is there once.</summary>
    public async Task ShouldBeMadeOnceAsync(string order, string snapshot) =>
        (await _site.SnapshotsAsync()).Where(made => made.Tags.GetValueOrDefault("order") == order).ShouldHaveSingleItem().Id.ToString().ShouldBe(snapshot);

    /// <summary>A fresh folder below the agent's restore root that the server's account owns.</summary>
    public string NewFolder()
    {
        var folder = _site.Scratch[$"restore/{Interlocked.Increment(ref _folders)}"];
        Directory.CreateDirectory(folder);
        _server.Account?.TakeOwnership(folder);
        return folder;
    }

    /// <summary>Starts FOLDER/data, compares it with the living server, and removes it.</summary>
    /// <param name="folder">Where it was restored.</param>
    /// <param name="commitsMin">So many commits it has at least, all from the first on.</param>
    /// <param name="ballast">What <see cref="BallastAsync"/> said.</param>
    public async Task ShouldHoldAsync(string folder, long commitsMin, string ballast)
    {
        File.Copy(_site.Scratch["server/superuser.password"], Path.Combine(folder, "superuser.password"), overwrite: true);
        await using (var restored = await PostgresServer.StartAsync(_packages, new PostgresOptions("restored PostgreSQL", folder) { Durable = false }, Cancel))
        {
            var database = restored.ConnectionString();
            var commits = await AskAsync<long>(database, "SELECT count(*) FROM commits");
            commits.ShouldBeGreaterThanOrEqualTo(commitsMin);
            (await AskAsync<long>(database, "SELECT coalesce(max(n), 0) FROM commits")).ShouldBe(commits);
            (await AskAsync<long>(database, "SELECT sum(balance) FROM accounts")).ShouldBe(100_000);
            (await AskAsync<string>(database, BallastQuestion)).ShouldBe(ballast);
            await ExecuteAsync(database, "SELECT bt_index_check('commits_pkey', true)");
            await restored.StopAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    public Task<string> BallastAsync() => AskAsync<string>(Database, BallastQuestion);

    private const string BallastQuestion = "SELECT count(*) || coalesce(md5(string_agg(md5(filler), '' ORDER BY n)), '') FROM ballast";

    /// <summary>What the vault has of the log leads from a base backup to at least there, without a gap, and every commit up to there is in it.</summary>
    /// <remarks>The server sends its log in pieces that may end within a record, so the last whole record may end a little before.</remarks>
    public async Task LogShouldReachAsync(Lsn end, CommittingSession writer)
    {
        (await Site.SnapshotsAsync()).Max(made => made.Tags.TryGetValue("wal-end", out var reached) ? Lsn.Parse(reached) : default).ShouldBeGreaterThanOrEqualTo(end);
        var ranges = await WalCheck.RunAsync(await OpenVaultAsync(), Asset, null, Cancel);
        ranges[^1].Gap.ShouldBeNull();
        // Where the writer saw its commits end may lie behind the header of the page that follows.
        const ulong PageHeaderBytesMax = 40;
        new Lsn(ranges[^1].To.Value + PageHeaderBytesMax).ShouldBeGreaterThanOrEqualTo(writer.LastCommitBefore(end));
    }

    /// <summary>Restores to the end of the log into FOLDER/data; its server then fetches the log by itself.</summary>
    public async Task RecoverToLatestAsync(string folder)
    {
        var vault = await OpenVaultAsync();
        var log = Path.Combine(folder, "log");
        Directory.CreateDirectory(log);
        var request = new RecoveryRequest
        {
            Asset = Asset,
            Goal = RecoveryTarget.Latest,
            RestoreCommand = $"cp {log}/%f %p",
            Files = new PostgresRestoreRequest { Target = Path.Combine(folder, "data"), Owner = _server.Account?.Name },
        };
        var recovery = new PostgresRecovery(TimeProvider.System);
        var plan = await recovery.PlanAsync(vault, request, measure: false, Cancel);
        for (var segment = plan.ReplayFrom.Value / SegmentBytes; segment <= (plan.ReplayTo.Value - 1) / SegmentBytes; segment++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{plan.Timeline:X8}{segment / 256:X8}{segment % 256:X8}");
            await WalFetcher.GetAsync(vault, Asset, name, Path.Combine(log, name), null, 0, Cancel);
            File.SetUnixFileMode(Path.Combine(log, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }

        (await recovery.RunAsync(vault, request, plan, null, Cancel)).IsComplete.ShouldBeTrue();
    }

    /// <summary>What the receiver's slot says that the vault has.</summary>
    public async Task<Lsn> FlushedAsync() => Lsn.Parse(await AskAsync<string>(Database, "SELECT coalesce(max(restart_lsn), '0/0')::text FROM pg_replication_slots"));

    public Task ChangeAsync(params string[] commands) => ExecuteAsync(Database, commands);

    public async ValueTask DisposeAsync()
    {
        _agent?.Dispose();
        await _server.DisposeAsync();
        await _site.DisposeAsync();
    }

    private Task<OpenVault> OpenVaultAsync() =>
        OpenVault.OpenAsync(new FileSystemObjectStore(_site.VaultFolder), VaultKeyFile.Load(_site.Scratch["restore.key"]), TimeProvider.System, Cancel);

    private static async Task ExecuteAsync(string database, params string[] commands)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false;Command Timeout=120");
        await connection.OpenAsync(Cancel);
        foreach (var text in commands)
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }

    public static async Task<T> AskAsync<T>(string database, string question)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false;Command Timeout=120");
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(question, connection);
        return (T)(await command.ExecuteScalarAsync(Cancel)).ShouldNotBeNull();
    }
}

/// <summary>One session that commits as fast as it can, and remembers what the server has acknowledged and where in the log that lies.</summary>
internal sealed class CommittingSession : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private readonly Lock _lock = new();
    private readonly List<Lsn> _ends = [];
    private readonly Task _running;

    public CommittingSession(string database) => _running = Task.Run(() => RunAsync(database + ";Pooling=false;Application Name=writer"));

    /// <summary>How many commits are acknowledged.</summary>
    public long Commits
    {
        get { lock (_lock) return _ends.Count; }
    }

    /// <summary>How many commits lie before that place in the log.</summary>
    public long CommitsBefore(Lsn end)
    {
        lock (_lock) return _ends.Count(lies => lies <= end);
    }

    /// <summary>Where the last of them ends; zero when there is none.</summary>
    public Lsn LastCommitBefore(Lsn end)
    {
        lock (_lock) return _ends.Where(lies => lies <= end).DefaultIfEmpty().Max();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(_stop.Token);
        for (var n = 1L; !_stop.IsCancellationRequested; n++)
        {
            // One transaction: its statements come in one batch.
            await using (var commit = new NpgsqlCommand(
                $"""
                UPDATE accounts SET balance = balance - 7 WHERE n = {1 + (n % 100)};
                UPDATE accounts SET balance = balance + 7 WHERE n = {1 + (n * 31 % 100)};
                INSERT INTO commits VALUES ({n}, repeat(md5('{n}'), 4))
                """, connection))
            {
                await commit.ExecuteNonQueryAsync(CancellationToken.None);
            }

            await using var where = new NpgsqlCommand("SELECT pg_current_wal_insert_lsn()::text", connection);
            var end = Lsn.Parse((string)(await where.ExecuteScalarAsync(CancellationToken.None))!);
            lock (_lock)
                _ends.Add(end);
        }
    }
}
