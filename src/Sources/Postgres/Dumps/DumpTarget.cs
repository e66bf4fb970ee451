using Backup.Sources.Postgres.Proving;
using Npgsql;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>The database that a dump is restored into.</summary>
/// <param name="server">How to reach its server.</param>
/// <param name="name">Its name.</param>
internal sealed class DumpTarget(NpgsqlConnectionStringBuilder server, string name)
{
    /// <summary>What a database holds beside what every new one has: objects that initdb did not make.</summary>
    private const string HeldQuestion =
        """
        SELECT count(*), (array_agg(what ORDER BY rank, what))[1] FROM (
            SELECT 1 AS rank, format('%I.%I', n.nspname, c.relname) AS what FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid >= 16384 AND c.relkind NOT IN ('i', 'I', 't') AND n.nspname !~ '^pg_(toast|temp)'
            UNION ALL SELECT 2, 'function ' || oid::regprocedure FROM pg_proc WHERE oid >= 16384
            UNION ALL SELECT 3, 'type ' || oid::regtype FROM pg_type WHERE oid >= 16384 AND typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'
            UNION ALL SELECT 4, 'extension ' || quote_ident(extname) FROM pg_extension WHERE oid >= 16384
            UNION ALL SELECT 5, 'schema ' || quote_ident(nspname) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast|temp)'
            UNION ALL SELECT 6, 'event trigger ' || quote_ident(evtname) FROM pg_event_trigger WHERE oid >= 16384
            UNION ALL SELECT 7, 'publication ' || quote_ident(pubname) FROM pg_publication WHERE oid >= 16384
            UNION ALL SELECT 8, 'foreign-data wrapper ' || quote_ident(fdwname) FROM pg_foreign_data_wrapper WHERE oid >= 16384
            UNION ALL SELECT 9, 'large object ' || oid FROM pg_largeobject_metadata) held
        """;

    private string Quoted => TableContent.Quote(name);

    /// <summary>Another database of the server, to make and drop this one from.</summary>
    internal string DatabaseBeside => server.Database is { } other && other != name ? other : "postgres";

    /// <exception cref="SourcesException">ServerUnavailable or ServerUnsuitable.</exception>
    internal Task<(int ServerVersion, bool IsThere)> LookAsync(CancellationToken cancel) => BesideAsync(connection => connection.AskAsync(
        "SELECT current_setting('server_version_num')::int, EXISTS (SELECT FROM pg_database WHERE datname = $1)", row => (row.GetInt32(0), row.GetBoolean(1)), cancel, name), cancel);

    /// <summary>The names that global objects may not be made anew of.</summary>
    internal Task<(string[] Roles, string[] Tablespaces)> AskForGlobalsAsync(CancellationToken cancel) => BesideAsync(connection => connection.AskAsync(
        "SELECT (SELECT array_agg(rolname::text) FROM pg_roles), (SELECT array_agg(spcname::text) FROM pg_tablespace)",
        row => (row.GetFieldValue<string[]>(0), row.GetFieldValue<string[]>(1)), cancel), cancel);

    /// <summary>What it holds, and how much of it there is; null when it is empty.</summary>
    internal Task<string?> HoldsAsync(CancellationToken cancel) => InAsync(name, connection => connection.AskAsync(
        HeldQuestion,
        row => row.GetInt64(0) switch
        {
            0 => null,
            1 => row.GetString(1),
            var count => $"{row.GetString(1)} and {count - 1} more",
        },
        cancel), cancel);

    /// <param name="options">What follows CREATE DATABASE and the name.</param>
    /// <param name="owner">Whose it shall be; null for the role that makes it.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="SourcesException">RestoreRefused: the server does not know that locale, role or tablespace, or does not allow it.</exception>
    internal Task MakeAsync(string options, string? owner, CancellationToken cancel) => BesideAsync(async connection =>
    {
        try
        {
            await connection.ExecuteAsync($"CREATE DATABASE {Quoted}{options}", cancel);
            if (owner is not null)
                await GiveAsync(connection, owner, cancel);
            return true;
        }
        catch (PostgresException refused)
        {
            throw new SourcesException(
                SourcesFault.RestoreRefused, $"The server does not make database \"{name}\" as the dumped one was made: {refused.MessageText} ({refused.SqlState}).",
                "A missing role comes with --globals, or is not needed with --no-owner. Or make the database by hand, and leave out --create.", refused);
        }
    }, cancel);

    /// <summary>After a failure: what was made goes.</summary>
    /// <param name="isMade">The database was made for this restore.</param>
    /// <param name="isInParts">What went well stays.</param>
    /// <returns>A sentence that says how things are.</returns>
    internal async Task<string> LeaveAsync(bool isMade, bool isInParts)
    {
        if (!isMade)
            return isInParts ? $"What had been restored by then is in database \"{name}\"." : $"Database \"{name}\" is as it was before: everything was one transaction.";
        try
        {
            // Ours since a moment ago: who is in there is what pg_restore left behind.
            await BesideAsync(async connection =>
            {
                await connection.ExecuteAsync($"DROP DATABASE {Quoted} WITH (FORCE)", CancellationToken.None);
                return true;
            }, CancellationToken.None);
            return $"Database \"{name}\", which was made for it, is removed again.";
        }
        catch (SourcesException e)
        {
            return $"Database \"{name}\", which was made for it, is left behind{(isInParts ? "" : ", empty")}: {e.Message.Split('\n')[0]}";
        }
    }

    private async Task GiveAsync(NpgsqlConnection connection, string owner, CancellationToken cancel)
    {
        try
        {
            await connection.ExecuteAsync($"ALTER DATABASE {Quoted} OWNER TO {TableContent.Quote(owner)}", cancel);
        }
        catch (PostgresException)
        {
            await connection.ExecuteAsync($"DROP DATABASE {Quoted}", CancellationToken.None);
            throw;
        }
    }

    private Task<T> BesideAsync<T>(Func<NpgsqlConnection, Task<T>> ask, CancellationToken cancel) => InAsync(DatabaseBeside, ask, cancel);

    private Task<T> InAsync<T>(string database, Func<NpgsqlConnection, Task<T>> ask, CancellationToken cancel) => ServerConnection.GuardAsync("restore into", async () =>
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = database }.ConnectionString);
        await connection.OpenAsync(cancel);
        return await ask(connection);
    });
}
