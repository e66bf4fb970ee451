using System.Collections.Concurrent;
using System.Data;
using System.Globalization;
using Backup.Sources.Postgres.Format;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// Notes what a server's tables hold while it is backed up. Reads only, and in bounds: a large table is sampled, a table is locked (against being dropped)
/// only while it is read, and after a time the rest is left out. Whatever fails here is a note in the record, never the failure of a backup.
/// </summary>
/// <remarks>Each database is read in one snapshot of its own; PostgreSQL has none that spans databases.</remarks>
internal sealed class ContentRecorder(string connectionString, int sampleMebibytes, TimeProvider clock)
{
    internal const int SampleMebibytesMax = 1 << 20;

    /// <summary>The application name of its sessions: a backup does not yield to them.</summary>
    internal const string SessionName = "backup content record";

    private const int TablesMax = 10_000;

    /// <summary>Each takes a connection of the server's while the record is made.</summary>
    private const int DatabasesMax = 32;

    /// <summary>The server's oldest snapshot holds its vacuum back; so does a backup, but not for ever.</summary>
    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(5);

    private readonly List<string> _notes = [];
    private readonly ConcurrentBag<NpgsqlConnection> _connections = [];
    private string? _superuser;
    private int _tables;

    /// <summary>Called once every database's snapshot is taken that can be.</summary>
    internal Action? WhenSnapshotsTaken { get; init; }

    internal async Task<ContentDocument> RunAsync(CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(TimeMax, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        var databases = new List<DatabaseContent>();
        try
        {
            var opened = await OpenAsync(await ListDatabasesAsync(stop.Token), stop.Token);
            WhenSnapshotsTaken?.Invoke();
            foreach (var database in opened)
                databases.Add(await ReadAsync(database, stop.Token));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            _notes.Add($"the time of {TimeMax.TotalMinutes} minutes was up");
        }
        catch (Exception failure) when (failure is NpgsqlException or SourcesException or TimeoutException or IOException)
        {
            _notes.Add(Reason(failure));
        }
        finally
        {
            foreach (var connection in _connections)
                await connection.DisposeAsync();
        }

        return new ContentDocument
        {
            Version = ContentDocument.CurrentVersion,
            Hash = TableContent.Method,
            Superuser = _superuser,
            Databases = databases,
            Note = _notes.Count == 0 ? null : string.Join("; ", _notes),
        };
    }

    private async Task<List<string>> ListDatabasesAsync(CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(Settings(null).ConnectionString);
        await connection.OpenAsync(cancel);
        await using var query = new NpgsqlCommand(
            "SELECT datname::text, pg_is_in_recovery(), (SELECT rolname::text FROM pg_roles WHERE oid = 10) FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1", connection);
        await using var rows = await query.ExecuteReaderAsync(cancel);
        var names = new List<string>();
        while (await rows.ReadAsync(cancel))
        {
            _superuser = rows.IsDBNull(2) ? null : rows.GetString(2);
            if (rows.GetBoolean(1))
            {
                // Who writes on the primary cannot be seen from here, so nothing could be compared with certainty.
                _notes.Add("the server is a standby");
                return [];
            }

            names.Add(rows.GetString(0));
        }

        return names;
    }

    /// <summary>Takes the snapshots of all databases at about the same time, so that all of them fall within the backup.</summary>
    private async Task<List<Opened>> OpenAsync(List<string> names, CancellationToken cancel)
    {
        if (names.Count > DatabasesMax)
            _notes.Add($"only the first {DatabasesMax} of {names.Count} databases are read");
        var attempts = await Task.WhenAll(names.Take(DatabasesMax).Select(name => TryOpenAsync(name, cancel)));
        _notes.AddRange(attempts.Select(attempt => attempt.Refusal).OfType<string>());
        return [.. attempts.Select(attempt => attempt.Opened).OfType<Opened>()];
    }

    private async Task<(Opened? Opened, string? Refusal)> TryOpenAsync(string name, CancellationToken cancel)
    {
        var connection = new NpgsqlConnection(Settings(name).ConnectionString);
        _connections.Add(connection);
        try
        {
            await connection.OpenAsync(cancel);
            return (await SnapshotAsync(connection, name, cancel), null);
        }
        catch (NpgsqlException failure)
        {
            return (null, $"database \"{name}\": {Reason(failure)}");
        }
    }

    private static async Task<Opened> SnapshotAsync(NpgsqlConnection connection, string name, CancellationToken cancel)
    {
        // The order matters: whoever wrote before the position and is not in the snapshot still holds its table in between.
        const string where = "SELECT pg_current_wal_insert_lsn()::text, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), pg_relation_filenode('pg_catalog.pg_class')::bigint";
        await connection.ExecuteAsync(TableContent.SessionSettings, cancel);
        var (lsn, objectId, catalog) = await connection.AskAsync(where, row => (row.GetString(0), (uint)row.GetInt64(1), (uint)row.GetInt64(2)), cancel);
        var tables = await TableList.ReadAsync(connection, cancel);
        await connection.ExecuteAsync("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", cancel);
        // The statement takes the snapshot before it asks: whoever is in it committed before this position.
        var until = await connection.AskAsync("SELECT pg_current_wal_insert_lsn()::text", row => row.GetString(0), cancel);
        return new Opened(connection, [.. tables.Where(table => !table.IsBusy)], new DatabaseContent
        {
            Name = name,
            ObjectId = objectId,
            Lsn = lsn,
            UntilLsn = until,
            CatalogFileNode = catalog,
            Tables = [],
            TablesBusy = tables.Count(table => table.IsBusy),
        });
    }

    private async Task<DatabaseContent> ReadAsync(Opened database, CancellationToken cancel)
    {
        var read = new List<TableRecord>();
        try
        {
            foreach (var table in database.Tables)
            {
                if (_tables < TablesMax && await ReadAsync(database.Connection, table, cancel) is { } content)
                {
                    _tables++;
                    read.Add(content);
                }
            }
        }
        catch (Exception failure) when (!cancel.IsCancellationRequested && database.Connection.State != ConnectionState.Open)
        {
            // The client library gives up connections that report damage, and the server those of a database that is dropped: the others are read all the same.
            _notes.Add($"database \"{database.Content.Name}\": {Reason(failure)}");
        }

        return database.Content with { Tables = read, TablesLeftOut = database.Tables.Count - read.Count };
    }

    /// <summary>Null, with a note, for a table that cannot be read: dropped meanwhile, locked, or forbidden.</summary>
    private async Task<TableRecord?> ReadAsync(NpgsqlConnection connection, TableFacts table, CancellationToken cancel)
    {
        var ranges = BlockSample.Of(table.Blocks, sampleMebibytes * BlockSample.RunBlocks);
        await connection.ExecuteAsync("SAVEPOINT one", cancel);
        try
        {
            var content = await TableContent.ReadAsync(connection, table.Schema, table.Name, ranges, cancel);
            return new TableRecord
            {
                Schema = table.Schema,
                Name = table.Name,
                FileNode = table.FileNode,
                Columns = table.Columns,
                BlocksTotal = table.Blocks,
                Ranges = ranges,
                Rows = content.Rows,
                Sum = content.Sum,
            };
        }
        catch (PostgresException refused) when (!refused.SqlState.StartsWith("57", StringComparison.Ordinal))
        {
            if (_notes.Count < 20)
                _notes.Add($"{table.Schema}.{table.Name}: {refused.MessageText}");
            return null;
        }
        finally
        {
            // Lets go of the table too.
            if (connection.State == System.Data.ConnectionState.Open && !cancel.IsCancellationRequested)
                await connection.ExecuteAsync("ROLLBACK TO SAVEPOINT one", cancel);
        }
    }

    private NpgsqlConnectionStringBuilder Settings(string? database)
    {
        var settings = ServerConnection.Settings(connectionString, SessionName);
        if (database is not null)
            settings.Database = database;
        return settings;
    }

    private static string Reason(Exception failure) => failure is PostgresException refused
        ? string.Create(CultureInfo.InvariantCulture, $"{refused.MessageText} ({refused.SqlState})")
        : failure.Message.Split('\n')[0];

    /// <summary>A database whose snapshot is taken.</summary>
    private sealed record Opened(NpgsqlConnection Connection, IReadOnlyList<TableFacts> Tables, DatabaseContent Content);
}
