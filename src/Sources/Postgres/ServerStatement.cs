using Npgsql;

namespace Backup.Sources.Postgres;

/// <summary>Runs a statement of the owner's own on a server.</summary>
public static class ServerStatement
{
    /// <summary>Runs it in a session of its own. What it returns is not read.</summary>
    /// <param name="connectionString">An Npgsql connection string. Appears in no message.</param>
    /// <param name="database">Another database than the connection string's; or null.</param>
    /// <param name="sql">The statement.</param>
    /// <param name="cancel">Has the server stop it.</param>
    /// <exception cref="SourcesException">ServerUnavailable or ServerUnsuitable.</exception>
    public static async Task RunAsync(string connectionString, string? database, string sql, CancellationToken cancel)
    {
        var settings = ServerConnection.Settings(connectionString, "backup hook");
        if (database is not null)
            settings.Database = database;
        try
        {
            await RunAsync(settings, sql, cancel);
        }
        catch (Exception error) when (!cancel.IsCancellationRequested && ServerConnection.Translate(error, "run a hook on") is { } known)
        {
            throw known;
        }
    }

    /// <summary>Makes a named restore point.</summary>
    /// <returns>Why there is none; null when it is made.</returns>
    internal static async Task<string?> MakeRestorePointAsync(string connectionString, string name, CancellationToken cancel)
    {
        try
        {
            await RunAsync(ServerConnection.Settings(connectionString, "backup"), "SELECT pg_create_restore_point($1)", cancel, name);
            return null;
        }
        catch (PostgresException refused)
        {
            return refused.MessageText;
        }
        catch (Exception error) when (!cancel.IsCancellationRequested && ServerConnection.Translate(error, "make a restore point on") is { } known)
        {
            return known.Message.Split('\n')[0];
        }
    }

    private static async Task RunAsync(NpgsqlConnectionStringBuilder settings, string sql, CancellationToken cancel, params string[] values)
    {
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancel);
        await connection.ExecuteAsync(sql, cancel, values);
    }
}
