using System.Globalization;
using Backup.LocalStack.Services;
using Npgsql;

namespace Backup.LocalStack.Comparison;

/// <summary>A restored PostgreSQL data folder, started for inspection: reachable only through a private socket, whatever its own settings say.</summary>
internal sealed class RestoredCluster : IAsyncDisposable
{
    private const string Ready = "database system is ready to accept connections";

    private static readonly TimeSpan RecoveryLimit = TimeSpan.FromMinutes(5);

    private readonly ChildProcess _server;
    private readonly string _socketFolder;

    private RestoredCluster(ChildProcess server, string socketFolder, string superuser)
    {
        _server = server;
        _socketFolder = socketFolder;
        Superuser = superuser;
    }

    /// <summary>The role to connect as.</summary>
    public string Superuser { get; }

    /// <summary>Starts the folder; completes when recovery reached consistency and the server answers.</summary>
    /// <param name="packages">The bundled server, used when its major version fits.</param>
    /// <param name="dataFolder">The restored folder. Given to the service account when running as root.</param>
    /// <param name="superuser">A superuser of the restored cluster.</param>
    /// <param name="logFile">Receives the server's log.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="LocalStackException">No fitting server, or the folder does not start; the message ends with the last log lines.</exception>
    public static async Task<RestoredCluster> StartAsync(LocalPackages packages, string dataFolder, string superuser, string logFile, CancellationToken cancel)
    {
        var account = ServiceAccount.ForPostgres();
        // A socket path may have 107 bytes at most, so not below the state folder, which can be anywhere.
        var sockets = Directory.CreateTempSubdirectory("bf-pg-").FullName;
        var accessRules = Path.Combine(sockets, "hba.conf");
        await File.WriteAllTextAsync(accessRules, "local all all trust\n", cancel).ConfigureAwait(false);
        GiveTo(account, dataFolder, sockets);
        File.SetUnixFileMode(dataFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (string Name, string Value)[] settings =
        [
            ("listen_addresses", ""), ("unix_socket_directories", sockets), ("port", "5432"), ("hba_file", accessRules), ("logging_collector", "off"),
            ("log_destination", "stderr"), ("lc_messages", "C"), ("archive_mode", "off"), ("ssl", "off"), ("shared_preload_libraries", ""), ("log_min_messages", "log"),
        ];
        ChildProcess? server = null;
        try
        {
            server = await ChildProcess.StartAsync(new ChildSpec("restored PostgreSQL", Path.Combine(Programs(packages, dataFolder), "postgres"),
                ["-D", dataFolder, .. settings.SelectMany(s => (string[])["-c", $"{s.Name}={s.Value}"])], logFile)
            {
                Account = account,
                WorkingFolder = "/",
                StopSignal = Native.SigInt,
            }, cancel).ConfigureAwait(false);
            await server.WaitForLineAsync(line => line.Contains(Ready, StringComparison.Ordinal), RecoveryLimit, cancel).ConfigureAwait(false);
            return new RestoredCluster(server, sockets, superuser);
        }
        catch
        {
            if (server is not null)
            {
                await server.DisposeAsync().ConfigureAwait(false);
            }

            Directory.Delete(sockets, recursive: true);
            throw;
        }
    }

    public string ConnectionString(string database) => new NpgsqlConnectionStringBuilder
    {
        Host = _socketFolder,
        Username = Superuser,
        Database = database,
        Pooling = false,
        CommandTimeout = 300,
    }.ConnectionString;

    /// <summary>Stops the server cleanly: its pages are all on disk afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync().ConfigureAwait(false);
        Directory.Delete(_socketFolder, recursive: true);
    }

    private static void GiveTo(ServiceAccount? account, string dataFolder, string sockets)
    {
        if (account is null)
        {
            return;
        }

        account.TakeOwnershipOfTree(sockets);
        account.TakeOwnershipOfTree(dataFolder);
        var spaces = Path.Combine(dataFolder, "pg_tblspc");
        foreach (var space in Directory.Exists(spaces) ? Directory.GetDirectories(spaces) : [])
        {
            account.TakeOwnershipOfTree(Directory.ResolveLinkTarget(space, returnFinalTarget: true)?.FullName ?? space);
        }
    }

    private static string Programs(LocalPackages packages, string dataFolder)
    {
        const int BundledMajor = 18;
        var version = File.ReadAllText(Path.Combine(dataFolder, "PG_VERSION")).Trim();
        var system = $"/usr/lib/postgresql/{version}/bin";
        return version == BundledMajor.ToString(CultureInfo.InvariantCulture) ? packages.PostgresPrograms
            : Directory.Exists(system) ? system
            : throw new LocalStackException(LocalStackFault.Prerequisite, $"The restored data folder is of PostgreSQL {version}; the bundled server is {BundledMajor}",
                $"Install PostgreSQL {version} (expected in {system}) to have its restore verified here.");
    }
}
