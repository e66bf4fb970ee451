using System.Collections.Concurrent;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Durable.Store;

/// <summary>One hub as this process uses it: its worker and its clients share connections, commits and news.</summary>
internal sealed class DurableHub : IAsyncDisposable
{
    public DurableHub(string connectionString, DurableStorageOptions options, TimeProvider time, ILogger logger)
    {
        Options = options;
        Database = new DurableDatabase(connectionString, options);
        Feed = new ChangeFeed(Database, time, logger);
        Committer = new GroupCommitter(Database, Feed.Announce, time, logger);
        Queries = new InstanceQueries(Database);
    }

    public DurableStorageOptions Options { get; }

    public DurableDatabase Database { get; }

    public ChangeFeed Feed { get; }

    public GroupCommitter Committer { get; }

    public InstanceQueries Queries { get; }

    /// <summary>How long to wait before looking for work of which there was no news.</summary>
    public TimeSpan PollInterval => Feed.IsListening ? Options.PollInterval * DurableStorageOptions.ListeningPollFactor : Options.PollInterval;

    public async ValueTask DisposeAsync()
    {
        await Committer.DisposeAsync().ConfigureAwait(false);
        await Feed.DisposeAsync().ConfigureAwait(false);
        await Database.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>The hubs of this process by connection and name.</summary>
internal sealed class DurableHubs(IServiceProvider services) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<(string Connection, string Schema), Lazy<DurableHub>> _hubs = new();

    /// <summary>The hub that a worker or client of this name uses.</summary>
    /// <exception cref="StandaloneException">No connection string is configured, or the hub name is not valid.</exception>
    public DurableHub Get(string name)
    {
        var options = services.GetRequiredService<IOptionsMonitor<DurableStorageOptions>>().Get(name);
        var configuration = services.GetService<IConfiguration>();
        var connection = options.ConnectionString
            ?? configuration?.GetConnectionString("Durable")
            ?? configuration?[DurableStorageOptions.ConnectionVariable]
            ?? Environment.GetEnvironmentVariable("ConnectionStrings__Durable")
            ?? Environment.GetEnvironmentVariable(DurableStorageOptions.ConnectionVariable);
        if (string.IsNullOrWhiteSpace(connection))
        {
            throw new StandaloneException(
                StandaloneFault.Configuration,
                "There is no connection string for the durable state.",
                $"Set {DurableStorageOptions.ConnectionSetting} (in the environment: ConnectionStrings__Durable, or "
                + $"{DurableStorageOptions.ConnectionVariable}) to a PostgreSQL connection string.");
        }

        return _hubs.GetOrAdd((connection, options.SchemaName), key => new Lazy<DurableHub>(() => new DurableHub(
            key.Connection,
            options,
            services.GetService<TimeProvider>() ?? TimeProvider.System,
            services.GetRequiredService<ILoggerFactory>().CreateLogger("Backup.Standalone.Durable")))).Value;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var hub in _hubs.Values.Where(h => h.IsValueCreated))
        {
            await hub.Value.DisposeAsync().ConfigureAwait(false);
        }
    }
}
