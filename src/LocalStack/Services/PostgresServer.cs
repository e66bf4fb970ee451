using System.Globalization;
using System.Security.Cryptography;
using Npgsql;

namespace Backup.LocalStack.Services;

/// <summary>A PostgreSQL server of our own: made once in its folder, listening on 127.0.0.1 only, run as an unprivileged account.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    /// <summary>The superuser of every server the stack makes.</summary>
    public const string Superuser = "postgres";

    /// <summary>The file in a server's folder that holds its superuser's password.</summary>
    public const string PasswordFileName = "superuser.password";

    private const string Ready = "database system is ready to accept connections";
    private const string ReadyToRead = "database system is ready to accept read-only connections";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly LocalPackages _packages;
    private readonly PostgresOptions _options;
    private readonly ServiceAccount? _account;
    private ChildProcess? _child;

    private PostgresServer(LocalPackages packages, PostgresOptions options, ServiceAccount? account)
    {
        _packages = packages;
        _options = options;
        _account = account;
        Port = options.Port ?? FreePort.Next();
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; private set; }

    /// <summary>The data folder.</summary>
    public string DataFolder => Path.Combine(_options.Folder, "data");

    /// <summary>Everything the server printed.</summary>
    public string LogFile => Path.Combine(_options.Folder, "server.log");

    /// <summary>The running server process.</summary>
    /// <exception cref="InvalidOperationException">It is not running.</exception>
    public ChildProcess Child => _child ?? throw new InvalidOperationException($"{_options.Name} is not running");

    /// <summary>The account that owns the data folder; none when that is this process's own.</summary>
    public ServiceAccount? Account => _account;

    /// <summary>The folder of its programs.</summary>
    public string Programs => _options.Programs ?? _packages.PostgresPrograms;

    private string PasswordFile => Path.Combine(_options.Folder, PasswordFileName);

    /// <summary>Starts the server, making its cluster (with data checksums and a random superuser password) on the first call for a folder.</summary>
    /// <exception cref="LocalStackException">It did not start; the message ends with its last log lines.</exception>
    public static async Task<PostgresServer> StartAsync(LocalPackages packages, PostgresOptions options, CancellationToken cancel = default)
    {
        Directory.CreateDirectory(options.Folder);
        var server = new PostgresServer(packages, options with { Folder = Path.GetFullPath(options.Folder) }, ServiceAccount.ForPostgres());
        if (!File.Exists(server.PasswordFile))
        {
            await server.MakeClusterAsync(cancel).ConfigureAwait(false);
        }

        await server.StartAgainAsync(cancel).ConfigureAwait(false);
        return server;
    }

    /// <summary>Connects as superuser. Holds the password: not for logs.</summary>
    public string ConnectionString(string database = "postgres") => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = Superuser,
        Password = File.ReadAllText(PasswordFile),
        Database = database,
        SslMode = SslMode.Disable,
    }.ConnectionString;

    /// <summary>Makes a database.</summary>
    /// <returns>Its connection string, as superuser.</returns>
    public async Task<string> CreateDatabaseAsync(string name, CancellationToken cancel = default)
    {
        await using var connection = new NpgsqlConnection(ConnectionString() + ";Pooling=false");
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        await using var create = new NpgsqlCommand($"CREATE DATABASE {Quote(name)}", connection);
        await create.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
        return ConnectionString(name);
    }

    /// <summary>Whether a database of that name exists.</summary>
    public async Task<bool> HasDatabaseAsync(string name, CancellationToken cancel = default)
    {
        await using var connection = new NpgsqlConnection(ConnectionString() + ";Pooling=false");
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        await using var query = new NpgsqlCommand("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", connection) { Parameters = { new() { Value = name } } };
        return (bool)(await query.ExecuteScalarAsync(cancel).ConfigureAwait(false))!;
    }

    /// <summary>Starts the stopped or killed server again, on the same port.</summary>
    /// <exception cref="LocalStackException">It did not start; the message ends with its last log lines.</exception>
    public async Task StartAgainAsync(CancellationToken cancel = default)
    {
        var spec = new ChildSpec(_options.Name, Path.Combine(Programs, "postgres"), ServerArguments(), LogFile)
        {
            Account = _account,
            WorkingFolder = "/",
            // Fast shutdown: sessions are ended, nothing committed is lost. (SIGTERM would wait for every client to leave.)
            StopSignal = Native.SigInt,
        };
        // A standby never gets further; a server that recovers passes there on its way.
        var ready = File.Exists(Path.Combine(DataFolder, "standby.signal")) ? ReadyToRead : Ready;
        _child = await ChildProcess.StartAsync(spec, line => line.Contains(ready, StringComparison.Ordinal), StartLimit, cancel).ConfigureAwait(false);
    }

    /// <summary>Fast shutdown: open sessions are ended, nothing committed is lost.</summary>
    public Task StopAsync() => Child.StopAsync();

    /// <summary>Kills the server and all its processes as a power cut would; <see cref="StartAgainAsync"/> recovers.</summary>
    public Task KillAsync() => Child.KillAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_child is not null)
        {
            await _child.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal static string Quote(string identifier) => '"' + identifier.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    private string[] ServerArguments()
    {
        Dictionary<string, string> settings = new()
        {
            ["listen_addresses"] = "127.0.0.1",
            ["port"] = Port.ToString(CultureInfo.InvariantCulture),
            ["unix_socket_directories"] = string.Empty,
            ["logging_collector"] = "off",
            ["lc_messages"] = "C",
            ["fsync"] = _options.Durable ? "on" : "off",
        };
        foreach (var (name, value) in _options.Settings)
        {
            settings[name] = value;
        }

        return ["-D", DataFolder, .. settings.SelectMany(s => (string[])["-c", $"{s.Key}={s.Value}"])];
    }

    private async Task MakeClusterAsync(CancellationToken cancel)
    {
        // No password file means no finished cluster: what an interrupted attempt left is thrown away.
        if (Directory.Exists(DataFolder))
        {
            Directory.Delete(DataFolder, recursive: true);
        }

        Directory.CreateDirectory(DataFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _account?.TakeOwnership(DataFolder);
        var password = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        var handedOver = Path.Combine(_options.Folder, "initdb.password");
        await PrivateFile.WriteAsync(handedOver, password, cancel).ConfigureAwait(false);
        _account?.TakeOwnership(handedOver);

        string[] sync = _options.Durable ? [] : ["--no-sync"];
        var initdb = await ChildProcess.StartAsync(new ChildSpec($"{_options.Name} (initdb)", Path.Combine(Programs, "initdb"),
            ["-D", DataFolder, "-U", Superuser, $"--pwfile={handedOver}", "--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C", .. sync], LogFile)
        {
            Account = _account,
            WorkingFolder = "/",
        }, cancel).ConfigureAwait(false);
        await using (initdb.ConfigureAwait(false))
        {
            if (await initdb.Exited.WaitAsync(cancel).ConfigureAwait(false) != 0)
            {
                throw initdb.Failure("could not make a database cluster");
            }
        }

        File.Delete(handedOver);
        await PrivateFile.WriteAsync(PasswordFile, password, cancel).ConfigureAwait(false);
    }
}
