using Backup.Standalone.Durable.Schema;
using Npgsql;

namespace Backup.Standalone.Durable.Store;

/// <summary>The connections to one hub's schema.</summary>
internal sealed class DurableDatabase : IAsyncDisposable
{
    private const int PreparedStatementsMax = 100;

    // A process needs few connections, since its commits are grouped; a server has few to give (100 by default).
    private const int DurableConnectionsMax = 6;
    private const int RelaxedConnectionsMax = 12;

    /// <summary>What the sessions of a process are named in the database, followed by its <see cref="ProcessToken"/>.</summary>
    public const string SessionPrefix = "backup-standalone/";

    private readonly SemaphoreSlim _migrating = new(1, 1);
    private volatile bool _ready;

    public DurableDatabase(string connectionString, DurableStorageOptions options)
    {
        Schema = options.SchemaName;
        var builder = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = Schema,
            ApplicationName = SessionPrefix + ProcessToken,
            MaxAutoPrepare = PreparedStatementsMax,
            AutoPrepareMinUsages = 2,
            MaxPoolSize = DurableConnectionsMax,
            Enlist = false,
        };

        // A process that is stopped in the middle of a transaction keeps its locks, and whoever takes over its work would wait for
        // them. So PostgreSQL ends a session that leaves a transaction idle for as long as a lease lasts; and who takes over ends
        // the sessions of the process, which may also be stuck in sending an answer that the process does not read.
        var idle = $"-c idle_in_transaction_session_timeout={(long)options.Lease.TotalMilliseconds}";
        builder.Options = string.IsNullOrEmpty(builder.Options) ? idle : $"{builder.Options} {idle}";
        Durable = NpgsqlDataSource.Create(builder);

        // Claims and leases need no flush: what a crash of PostgreSQL forgets of them, the fence at the next commit refuses.
        builder.Options += " -c synchronous_commit=off";
        builder.MaxPoolSize = RelaxedConnectionsMax;
        Relaxed = NpgsqlDataSource.Create(builder);
    }

    /// <summary>Fails database calls on purpose, for tests of what happens then; told the call and whether it is about to begin or has ended.</summary>
    public Func<string, Task>? FaultPoint { get; set; }

    /// <summary>Names this process among those of the hub: who takes over its work ends its sessions by it.</summary>
    public string ProcessToken { get; } = Guid.NewGuid().ToString("N");

    /// <summary>The schema's name; also the prefix of notification channels.</summary>
    public string Schema { get; }

    /// <summary>Connections whose commits are on disk when they return.</summary>
    public NpgsqlDataSource Durable { get; }

    /// <summary>Connections whose commits may be forgotten when PostgreSQL crashes.</summary>
    public NpgsqlDataSource Relaxed { get; }

    /// <summary>The channel on which work and status changes are announced.</summary>
    public string Channel => Schema + "_work";

    /// <summary>Brings the schema up to date, once per process.</summary>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        if (_ready)
        {
            return;
        }

        await _migrating.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_ready)
            {
                await SchemaMigrator.MigrateAsync(Durable, Schema, cancellationToken).ConfigureAwait(false);
                _ready = true;
            }
        }
        finally
        {
            _migrating.Release();
        }
    }

    public Task FaultAsync(string call) => FaultPoint is null ? Task.CompletedTask : FaultPoint(call);

    /// <summary>Whether an exception means that PostgreSQL was away or gave way, so that trying again may help.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        // 40001/40P01: serialization failure, deadlock. 57P0x: shutting down. 53xxx: out of resources. 08xxx: connection.
        // 25P03: this process was stopped inside a transaction for longer than a lease.
        PostgresException postgres => postgres.IsTransient
            || postgres.SqlState is "40001" or "40P01" or "25P03" or "57P01" or "57P02" or "57P03"
            || postgres.SqlState.StartsWith("53", StringComparison.Ordinal)
            || postgres.SqlState.StartsWith("08", StringComparison.Ordinal),
        NpgsqlException or IOException or TimeoutException or System.Net.Sockets.SocketException => true,
        _ => exception.InnerException is not null && IsTransient(exception.InnerException),
    };

    public async ValueTask DisposeAsync()
    {
        await Durable.DisposeAsync().ConfigureAwait(false);
        await Relaxed.DisposeAsync().ConfigureAwait(false);
        _migrating.Dispose();
    }
}
