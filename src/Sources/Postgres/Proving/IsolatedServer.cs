using System.ComponentModel;
using System.Diagnostics;
using Backup.Sources.Posix;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// A restored cluster, started where nobody but this process reaches it: a socket in a private folder and no network, no archiving, no subscriptions, no
/// standby's stream, no preloaded libraries, and none of the configuration that it had as a production server, except for recovery's.
/// </summary>
internal sealed class IsolatedServer : IAsyncDisposable
{
    private const string Ready = "database system is ready to accept connections";
    private const int LinesKept = 40;

    /// <summary>A server that was asked to stop writes its last checkpoint.</summary>
    private static readonly TimeSpan StopMax = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LeftoverMax = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LeftoverInterval = TimeSpan.FromSeconds(1);

    /// <summary>What roles and databases have set for their sessions (ALTER ROLE … SET) is overruled where it would end or forbid what a proof does.</summary>
    private const string SessionOptions = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off";

    /// <summary>Event triggers do not fire for a replica's sessions, which only a superuser may open; before 17 there is no other way.</summary>
    private const string SuperuserOptions = SessionOptions + " -c session_replication_role=replica";

    /// <summary>Variables that recovery's command may need; the others are kept from the server.</summary>
    private static readonly string[] Kept = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "BACKUP_", "AZURE_", "DOTNET_"];

    private readonly string _folder;
    private readonly string _superuser;
    private readonly Queue<string> _lines = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? _process;

    private IsolatedServer(string folder, string superuser) => (_folder, _superuser) = (folder, superuser);

    /// <summary>
    /// Starts a data directory and waits until recovery has reached consistency and the server answers. The server of an earlier proof that was killed
    /// there may still be dying (its sessions notice at their next look), so its lock is waited for.
    /// </summary>
    /// <param name="dataDirectory">What was restored.</param>
    /// <param name="majorVersion">What it is of.</param>
    /// <param name="programs">The folder of the fitting <c>postgres</c>.</param>
    /// <param name="superuser">The role to connect as.</param>
    /// <param name="cancel">Gives up; the server is stopped.</param>
    /// <exception cref="SourcesException">ServerUnavailable: it does not start; the message ends with what it said.</exception>
    internal static async Task<IsolatedServer> StartAsync(string dataDirectory, int majorVersion, string programs, string superuser, CancellationToken cancel)
    {
        var (leftover, since) = (LockOf(dataDirectory), Stopwatch.StartNew());
        while (true)
        {
            try
            {
                return await StartOnceAsync(dataDirectory, majorVersion, programs, superuser, cancel);
            }
            catch (SourcesException) when (leftover is not null && LockOf(dataDirectory) == leftover && since.Elapsed < LeftoverMax)
            {
                await Task.Delay(LeftoverInterval, cancel);
            }
        }
    }

    /// <summary>What the data directory's lock says; null when nobody holds it. A start that fails for any other reason than the lock has replaced it.</summary>
    private static string? LockOf(string dataDirectory)
    {
        var file = Path.Combine(dataDirectory, "postmaster.pid");
        return File.Exists(file) ? File.ReadAllText(file) : null;
    }

    private static async Task<IsolatedServer> StartOnceAsync(string dataDirectory, int majorVersion, string programs, string superuser, CancellationToken cancel)
    {
        // Not below the data directory: a socket's path may have 107 bytes.
        var folder = Directory.CreateTempSubdirectory("backup-proof-").FullName;
        var server = new IsolatedServer(folder, superuser);
        try
        {
            var owner = OwnerOf(dataDirectory);
            server.Prepare(owner);
            server.Launch(dataDirectory, majorVersion, Path.Combine(programs, "postgres"), owner);
            using var registration = cancel.Register(() => server._ready.TrySetCanceled(cancel));
            await server._ready.Task;
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    internal async Task<NpgsqlConnection> OpenAsync(string database, CancellationToken cancel, string? role = null)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            Host = _folder,
            Username = role ?? _superuser,
            Database = database,
            Pooling = false,
            CommandTimeout = 0,
            IncludeErrorDetail = true,
            Options = role is null ? SuperuserOptions : SessionOptions,
        }.ConnectionString);
        try
        {
            await connection.OpenAsync(cancel);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops the server in an orderly way: all its pages are on disk afterwards.</summary>
    /// <exception cref="SourcesException">ServerUnavailable: it did not end well.</exception>
    internal async Task StopAsync()
    {
        if (_process is { } process && !_exited.Task.IsCompleted)
        {
            _ = Libc.Kill(process.Id, Libc.SignalInterrupt);
            await Task.WhenAny(_exited.Task, Task.Delay(StopMax));
        }

        if (!_exited.Task.IsCompletedSuccessfully || await _exited.Task != 0)
            throw Failure("did not stop in an orderly way");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            // Immediate shutdown: the next start recovers. Reached only when the orderly stop was not.
            if (!_exited.Task.IsCompleted)
                _ = Libc.Kill(process.Id, Libc.SignalQuit);
            if (await Task.WhenAny(_exited.Task, Task.Delay(TimeSpan.FromSeconds(10))) != _exited.Task)
                _ = Libc.Kill(-process.Id, Libc.SignalKill);
            await _exited.Task;
            process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static (uint User, uint Group)? OwnerOf(string dataDirectory)
    {
        if (Libc.EffectiveUser() != 0)
            return null;
        var error = SafePath.OpenDirectory(dataDirectory, out var directory);
        using (directory)
        {
            FileStatus status = default;
            if (!error.IsError)
                error = directory!.Status(out status);
            return error.IsError ? throw error.Failure("open", dataDirectory) : (status.User, status.Group);
        }
    }

    private void Prepare((uint User, uint Group)? owner)
    {
        File.WriteAllText(Path.Combine(_folder, "hba.conf"), "local all all trust\n");
        File.WriteAllText(Path.Combine(_folder, "ident.conf"), "");
        // What a cluster may need more of than the defaults; everything else is told on the command line, which comes last.
        File.WriteAllText(Path.Combine(_folder, "postgresql.conf"), "max_prepared_transactions = 1000\nmax_locks_per_transaction = 512\n");
        if (owner is not { } account)
            return;
        var error = SafePath.OpenDirectory(_folder, out var directory);
        using (directory)
        {
            foreach (var name in (string[])["hba.conf", "ident.conf", "postgresql.conf"])
            {
                if (!error.IsError)
                    error = directory!.SetOwner(System.Text.Encoding.ASCII.GetBytes(name), account.User, account.Group);
            }

            if (!error.IsError)
                error = directory!.SetOwner(account.User, account.Group);
            if (error.IsError)
                throw error.Failure("prepare", _folder);
        }
    }

    private string[] Arguments(string dataDirectory, int majorVersion, bool needsRestoreCommand)
    {
        (string Name, string Value)[] settings =
        [
            ("config_file", Path.Combine(_folder, "postgresql.conf")), ("hba_file", Path.Combine(_folder, "hba.conf")), ("ident_file", Path.Combine(_folder, "ident.conf")),
            ("data_directory", dataDirectory), ("external_pid_file", ""), ("listen_addresses", ""), ("port", "5432"), ("unix_socket_directories", _folder), ("unix_socket_permissions", "0700"),
            ("ssl", "off"), ("bonjour", "off"), ("archive_mode", "off"), ("primary_conninfo", ""), ("primary_slot_name", ""), ("hot_standby", "off"), ("max_logical_replication_workers", "0"),
            ("shared_preload_libraries", ""), ("session_preload_libraries", ""), ("local_preload_libraries", ""), ("jit", "off"), ("autovacuum", "off"), ("logging_collector", "off"),
            ("log_destination", "stderr"), ("log_min_messages", "log"), ("log_statement", "none"), ("lc_messages", "C"), ("shared_buffers", "128MB"), ("huge_pages", "off"),
            ("recovery_target_action", "promote"),
        ];
        // Triggers on logging in are run for our sessions too.
        (string Name, string Value)[] ofVersion = majorVersion >= 17 ? [("event_triggers", "off")] : [];
        (string Name, string Value)[] ofRecovery = needsRestoreCommand ? [("restore_command", "false")] : [];
        return ["-D", dataDirectory, .. settings.Concat(ofVersion).Concat(ofRecovery).SelectMany(setting => (string[])["-c", $"{setting.Name}={setting.Value}"])];
    }

    private void Launch(string dataDirectory, int majorVersion, string program, (uint User, uint Group)? owner)
    {
        string[] words = [.. RunAs.Prefix(owner, [program, dataDirectory]), program, .. Arguments(dataDirectory, majorVersion, InterruptedRecovery.Continue(dataDirectory, owner))];
        var start = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        foreach (var name in start.Environment.Keys.Where(name => !Kept.Any(kept => name.StartsWith(kept, StringComparison.Ordinal))).ToList())
            start.Environment.Remove(name);
        var launched = new TaskCompletionSource<Process>();
        // "Die with the parent" means with the thread that forked: this one lives as long as the server.
        new Thread(() => Watch(start, launched)) { IsBackground = true, Name = "isolated PostgreSQL" }.Start();
        try
        {
            _process = launched.Task.GetAwaiter().GetResult();
        }
        catch (Win32Exception missing)
        {
            throw new SourcesException(SourcesFault.ServerUnsuitable, $"PostgreSQL could not be started: {missing.Message}", "The commands setsid and setpriv of util-linux are needed.", missing);
        }
    }

    private void Watch(ProcessStartInfo start, TaskCompletionSource<Process> launched)
    {
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception missing)
        {
            launched.SetException(missing);
            return;
        }

        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        launched.SetResult(process);
        while (process.StandardError.ReadLine() is { } line)
            Take(line);
        process.WaitForExit();
        output.GetAwaiter().GetResult();
        _exited.TrySetResult(process.ExitCode);
        _ready.TrySetException(Failure("did not start"));
        // Nobody may be waiting any more.
        _ = _ready.Task.Exception;
    }

    private void Take(string line)
    {
        lock (_lines)
        {
            if (_lines.Count == LinesKept)
                _lines.Dequeue();
            _lines.Enqueue(line);
        }

        if (line.Contains(Ready, StringComparison.Ordinal))
            _ready.TrySetResult();
    }

    private SourcesException Failure(string what)
    {
        lock (_lines)
        {
            return new SourcesException(
                SourcesFault.ServerUnavailable, $"The restored server {what}. It said last: {string.Join(" | ", _lines.TakeLast(8))}", "What it said tells why; the data directory is left as it is.");
        }
    }
}
