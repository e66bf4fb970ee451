using System.Globalization;
using System.Security.Cryptography;

namespace Backup.LocalStack.Services;

/// <summary>How an Azurite blob server runs.</summary>
/// <param name="Folder">Holds its data, its account key and its log; made when missing, continued when not.</param>
public sealed record AzuriteOptions(string Folder)
{
    /// <summary>TCP port on 127.0.0.1; a free one when not set. A restart keeps it.</summary>
    public int? Port { get; init; }

    /// <summary>Keeps blobs in memory only: they are gone when the server ends.</summary>
    public bool InMemory { get; init; }
}

/// <summary>An Azurite blob server with a storage account of our own, on 127.0.0.1 only.</summary>
public sealed class AzuriteServer : IAsyncDisposable
{
    /// <summary>The storage account's name.</summary>
    public const string AccountName = "backuplocal";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly LocalPackages _packages;
    private readonly AzuriteOptions _options;
    private readonly string _accountKey;
    private ChildProcess? _child;

    private AzuriteServer(LocalPackages packages, AzuriteOptions options, string accountKey)
    {
        _packages = packages;
        _options = options;
        _accountKey = accountKey;
        Port = options.Port ?? FreePort.Next();
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary>The account's blob endpoint, without a slash at the end.</summary>
    public Uri BlobEndpoint => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/{AccountName}"));

    /// <summary>Connects with the account key: not for logs.</summary>
    public string ConnectionString => $"DefaultEndpointsProtocol=http;AccountName={AccountName};AccountKey={_accountKey};BlobEndpoint={BlobEndpoint};";

    /// <summary>The running server process.</summary>
    /// <exception cref="InvalidOperationException">It is not running.</exception>
    public ChildProcess Child => _child ?? throw new InvalidOperationException("Azurite is not running");

    /// <summary>Everything the server printed.</summary>
    public string LogFile => Path.Combine(_options.Folder, "azurite.log");

    /// <summary>Starts the server, making its account key on the first call for a folder.</summary>
    /// <exception cref="LocalStackException">It did not start; the message ends with its last log lines.</exception>
    public static async Task<AzuriteServer> StartAsync(LocalPackages packages, AzuriteOptions options, CancellationToken cancel = default)
    {
        options = options with { Folder = Directory.CreateDirectory(Path.GetFullPath(options.Folder)).FullName };
        var keyFile = Path.Combine(options.Folder, "account.key");
        if (!File.Exists(keyFile))
        {
            await PrivateFile.WriteAsync(keyFile, Convert.ToBase64String(RandomNumberGenerator.GetBytes(64)), cancel).ConfigureAwait(false);
        }

        var server = new AzuriteServer(packages, options, await File.ReadAllTextAsync(keyFile, cancel).ConfigureAwait(false));
        await server.StartAgainAsync(cancel).ConfigureAwait(false);
        return server;
    }

    /// <summary>Starts the stopped or killed server again, on the same port.</summary>
    /// <exception cref="LocalStackException">It did not start; the message ends with its last log lines.</exception>
    public async Task StartAgainAsync(CancellationToken cancel = default)
    {
        string[] memory = _options.InMemory ? ["--inMemoryPersistence"] : ["--location", Directory.CreateDirectory(Path.Combine(_options.Folder, "data")).FullName];
        var spec = new ChildSpec("Azurite", "node",
            [_packages.AzuriteBlobScript, "--blobHost", "127.0.0.1", "--blobPort", Port.ToString(CultureInfo.InvariantCulture),
                "--skipApiVersionCheck", "--disableTelemetry", "--silent", .. memory],
            LogFile)
        {
            // By environment, since every user of the machine can read arguments.
            Environment = new Dictionary<string, string> { ["AZURITE_ACCOUNTS"] = $"{AccountName}:{_accountKey}" },
        };
        _child = await ChildProcess.StartAsync(spec, line => line.Contains("successfully listen", StringComparison.Ordinal), StartLimit, cancel).ConfigureAwait(false);
    }

    /// <summary>Ends the server; what it stored stays unless it was started in memory.</summary>
    public Task StopAsync() => Child.StopAsync();

    /// <summary>Kills the server as a power cut would.</summary>
    public Task KillAsync() => Child.KillAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_child is not null)
        {
            await _child.DisposeAsync().ConfigureAwait(false);
        }
    }
}
