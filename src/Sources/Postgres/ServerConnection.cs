using System.Net.Sockets;
using Npgsql;

namespace Backup.Sources.Postgres;

/// <summary>How sessions with a server are opened, and how their failures are told, without a password in any of it.</summary>
internal static class ServerConnection
{
    /// <summary>A condition on pg_database: it lets somebody in. An interrupted DROP DATABASE leaves one that lets nobody in, not even a superuser, until it is dropped again.</summary>
    internal const string CanBeEntered = "datallowconn AND datconnlimit <> -2";

    private const int CommandSecondsMax = 3600;

    /// <exception cref="SourcesException">ServerUnsuitable: the string cannot be read.</exception>
    internal static NpgsqlConnectionStringBuilder Settings(string connectionString, string applicationName)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(connectionString)
            {
                // A pooled session would outlive its use, and with it what the server keeps for it.
                Pooling = false,
                Multiplexing = false,
                ApplicationName = applicationName,
                CommandTimeout = CommandSecondsMax,
                KeepAlive = 30,
            };
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            // The text of this exception may quote the string, and with it a password.
            throw new SourcesException(SourcesFault.ServerUnsuitable, "The connection string cannot be read.", "Write it as Npgsql takes it: Host=…;Username=…;Password=…;Database=….");
        }
    }

    /// <summary>Null for what is no failure of a server or the way to it.</summary>
    internal static SourcesException? Translate(Exception error, string doing) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } denied => new SourcesException(
            SourcesFault.ServerUnsuitable,
            $"The database role may not {doing} the server: {denied.MessageText}.",
            "Use a superuser, or: GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO role; GRANT pg_monitor TO role; ALTER ROLE role REPLICATION.",
            denied),
        PostgresException refused => new SourcesException(
            refused.IsTransient || refused.SqlState.StartsWith("57P", StringComparison.Ordinal) ? SourcesFault.ServerUnavailable : SourcesFault.ServerUnsuitable,
            $"Cannot {doing} the database server: {refused.MessageText} ({refused.SqlState}).",
            HintFor(refused.SqlState) ?? refused.Hint ?? "See the server's log.",
            refused),
        NpgsqlException or SocketException or TimeoutException or IOException => new SourcesException(
            SourcesFault.ServerUnavailable,
            $"Cannot {doing} the database server: {error.Message}",
            "Check that the server runs and that host, port and password are right, then run the backup again.",
            error),
        _ => null,
    };

    /// <summary>What to do about a refusal that somebody's configuration explains; null for any other.</summary>
    /// <param name="state">Five characters, as PostgreSQL's documentation lists them.</param>
    internal static string? HintFor(string state) => state switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification => "Check the role and its password, and that pg_hba.conf lets it in from here.",
        PostgresErrorCodes.InvalidCatalogName => "Name a database that is there: Database=postgres usually is.",
        PostgresErrorCodes.TooManyConnections => "Raise max_connections, or max_wal_senders (a receiver of log takes one, a backup that the server sends takes two), and restart the server; or wait until others have gone.",
        _ => null,
    };

    /// <summary>Runs something and tells what fails in it as this project does.</summary>
    /// <param name="doing">What is done, as <see cref="Translate"/> puts it before "the server".</param>
    /// <param name="act">The thing to run.</param>
    /// <exception cref="SourcesException">ServerUnavailable or ServerUnsuitable.</exception>
    internal static async Task<T> GuardAsync<T>(string doing, Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (Exception error) when (Translate(error, doing) is { } known)
        {
            throw known;
        }
    }

    /// <summary>Asks what has one row for an answer.</summary>
    internal static async Task<T> AskAsync<T>(this NpgsqlConnection connection, string question, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params string[] values)
    {
        await using var command = Command(connection, question, values);
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return read(row);
    }

    /// <summary>Runs one or more statements. What they return is not read.</summary>
    internal static async Task ExecuteAsync(this NpgsqlConnection connection, string text, CancellationToken cancel, params string[] values)
    {
        await using var command = Command(connection, text, values);
        await command.ExecuteNonQueryAsync(cancel);
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string text, string[] values)
    {
        var command = new NpgsqlCommand(text, connection);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = value });
        return command;
    }
}
