using System.Data;
using Backup.Sources.Postgres.Format;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>What comparing a restored cluster's tables with a content record showed.</summary>
public sealed record ContentResult
{
    /// <summary>Tables whose rows are as recorded.</summary>
    public int TablesEqual { get; init; }

    /// <summary>Of the compared ones, those that are too large to read all of: only some of their blocks were.</summary>
    public int TablesSampled { get; init; }

    /// <summary>Tables that the log changed after they were recorded, or that were being written then: nothing can be said of them.</summary>
    public int TablesChanged { get; init; }

    /// <summary>Tables that the record leaves out.</summary>
    public int TablesLeftOut { get; init; }

    /// <summary>Rows that were compared.</summary>
    public long RowsCompared { get; init; }

    /// <summary>Why nothing, or not everything, was compared; null when all was.</summary>
    public string? Note { get; init; }
}

/// <summary>Compares tables with what was recorded of them.</summary>
internal sealed class ContentComparison(ContentDocument record, ChangedRelations changes, Action<string> tell)
{
    private ContentResult _result = new() { Note = record.Note };

    internal async Task<ContentResult> RunAsync(IsolatedServer server, CancellationToken cancel)
    {
        foreach (var database in record.Databases)
        {
            _result = _result with { TablesChanged = _result.TablesChanged + database.TablesBusy, TablesLeftOut = _result.TablesLeftOut + database.TablesLeftOut };
            try
            {
                var connection = await OpenAsync(server, database.Name, cancel);
                try
                {
                    var tables = (await TableList.ReadAsync(connection, cancel)).ToDictionary(table => (table.Schema, table.Name));
                    foreach (var table in database.Tables)
                    {
                        // The client library gives up connections that report damage.
                        if (connection.State != ConnectionState.Open)
                        {
                            await connection.DisposeAsync();
                            connection = await OpenAsync(server, database.Name, cancel);
                        }

                        await CompareAsync(connection, database, table, tables, cancel);
                    }
                }
                finally
                {
                    await connection.DisposeAsync();
                }
            }
            catch (PostgresException missing) when (missing.SqlState == PostgresErrorCodes.InvalidCatalogName)
            {
                tell($"database {database.Name} is missing");
            }
            catch (PostgresException broken) when (!cancel.IsCancellationRequested)
            {
                tell($"database {database.Name} cannot be read: {broken.MessageText}");
            }
        }

        return _result;
    }

    private static async Task<NpgsqlConnection> OpenAsync(IsolatedServer server, string database, CancellationToken cancel)
    {
        var connection = await server.OpenAsync(database, cancel);
        await connection.ExecuteAsync(TableContent.SessionSettings, cancel);
        return connection;
    }

    private async Task CompareAsync(
        NpgsqlConnection connection, DatabaseContent database, TableRecord table, Dictionary<(string, string), TableFacts> tables, CancellationToken cancel)
    {
        var recordedAt = Lsn.Parse(database.Lsn);
        var name = $"{database.Name}: {table.Schema}.{table.Name}";
        var isThere = tables.TryGetValue((table.Schema, table.Name), out var now);
        if (IsChanged(table.FileNode) || ((!isThere || now.FileNode != table.FileNode || now.Columns != table.Columns) && IsChanged(database.CatalogFileNode)))
        {
            _result = _result with { TablesChanged = _result.TablesChanged + 1 };
            return;
        }

        if (!isThere)
        {
            tell($"{name} is missing");
            return;
        }

        try
        {
            var content = await TableContent.ReadAsync(connection, table.Schema, table.Name, table.Ranges, cancel);
            if (content.Rows != table.Rows)
                tell($"{name} has {content.Rows} rows where {table.Rows} were recorded");
            else if (content.Sum != table.Sum)
                tell($"{name} has other rows than were recorded: {content.Sum} is their hash, {table.Sum} was");
            else
                _result = _result with { TablesEqual = _result.TablesEqual + 1 };
            _result = _result with { RowsCompared = _result.RowsCompared + content.Rows, TablesSampled = _result.TablesSampled + (table.Ranges is null ? 0 : 1) };
        }
        catch (PostgresException broken) when (!cancel.IsCancellationRequested)
        {
            tell($"{name} cannot be read: {broken.MessageText}");
        }

        bool IsChanged(uint fileNode) => changes.IsChanged(database.ObjectId, fileNode, recordedAt, database.UnseenFromTransaction);
    }
}
