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
    private bool _isStandby;
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
            await using var server = new NpgsqlConnection(Settings(null).ConnectionString);
            await server.OpenAsync(stop.Token);
            var opened = await OpenAsync(await ListDatabasesAsync(server, stop.Token), stop.Token);
            if (_isStandby && opened.Count > 0)
                opened = await PassAsync(server, opened, stop.Token);
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
            Version = _isStandby ? ContentDocument.CurrentVersion : ContentDocument.PrimaryVersion,
            Hash = TableContent.Method,
            Superuser = _superuser,
            Databases = databases,
            Note = _notes.Count == 0 ? null : string.Join("; ", _notes),
        };
    }

    /// <summary>Those to read. Of a standby none, when none can be read in a state that is known.</summary>
    private async Task<List<string>> ListDatabasesAsync(NpgsqlConnection server, CancellationToken cancel)
    {
        var names = new List<string>();
        await using (var query = new NpgsqlCommand(
            $"SELECT datname::text, pg_is_in_recovery(), (SELECT rolname::text FROM pg_roles WHERE oid = 10) FROM pg_database WHERE {ServerConnection.CanBeEntered} AND NOT datistemplate ORDER BY 1", server))
        {
            await using var rows = await query.ExecuteReaderAsync(cancel);
            while (await rows.ReadAsync(cancel))
            {
                names.Add(rows.GetString(0));
                _isStandby = rows.GetBoolean(1);
                _superuser = rows.IsDBNull(2) ? null : rows.GetString(2);
            }
        }

        if (!_isStandby || await StandbyMoment.WaitAsync(server, clock, cancel))
            return names;
        _notes.Add($"the server is a standby, and a transaction that its primary had begun before the backup was still running {StandbyMoment.PatienceMax.TotalSeconds} seconds later");
        return [];
    }

    /// <summary>Of a standby: the backup must not end before what is recorded.</summary>
    private static async Task<List<Opened>> PassAsync(NpgsqlConnection server, List<Opened> opened, CancellationToken cancel)
    {
        var passed = await StandbyMoment.PassAsync(server, opened.Max(database => Lsn.Parse(database.Content.UntilLsn)), cancel);
        return [.. opened.Select(database => database with { Content = database.Content with { UntilLsn = passed.ToString() } })];
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

    private async Task<Opened> SnapshotAsync(NpgsqlConnection connection, string name, CancellationToken cancel)
    {
        // The order matters: whoever wrote before the position and is not in the snapshot still holds its table in between.
        var position = _isStandby ? "pg_last_wal_replay_lsn()" : "pg_current_wal_insert_lsn()";
        var where = $"SELECT {position}::text, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), pg_relation_filenode('pg_catalog.pg_class')::bigint";
        await connection.ExecuteAsync(TableContent.SessionSettings, cancel);
        var (lsn, objectId, catalog) = await connection.AskAsync(where, row => (row.GetString(0), (uint)row.GetInt64(1), (uint)row.GetInt64(2)), cancel);
        var tables = await TableList.ReadAsync(connection, cancel);
        await connection.ExecuteAsync("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", cancel);
        // The statement takes the snapshot before it asks: whoever is in it committed before this position.
        var (until, oldest) = await connection.AskAsync($"SELECT {position}::text, pg_snapshot_xmin(pg_current_snapshot())::text", row => (row.GetString(0), row.GetString(1)), cancel);
        return new Opened(connection, [.. tables.Where(table => !table.IsBusy)], new DatabaseContent
        {
            Name = name,
            ObjectId = objectId,
            Lsn = lsn,
            UntilLsn = until,
            UnseenFromTransaction = _isStandby ? StandbyMoment.Unseen(oldest) : null,
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
            // A connection that is lost, also to a conflict with a standby's recovery, is noted where that shows.
            foreach (var table in database.Tables.TakeWhile(_ => database.Connection.State == ConnectionState.Open))
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
            if (connection.State == ConnectionState.Open && !cancel.IsCancellationRequested)
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
