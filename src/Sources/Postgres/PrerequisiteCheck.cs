using System.Globalization;
using System.Text;
using Backup.Sources.Posix;
using Npgsql;

namespace Backup.Sources.Postgres;

/// <summary>Everything that must hold before a physical backup starts, checked at once so that a person hears all of it at once.</summary>
internal static class PrerequisiteCheck
{
    /// <summary>The oldest version whose log and backup functions are known here.</summary>
    internal const int VersionMin = 130000;

    private const string LogTooShort = "minimal";
    private const string LogHint = "ALTER SYSTEM SET wal_level = 'replica'; then restart the server.";

    private const string Questions =
        """
        SELECT current_setting('server_version_num')::int,
               pg_is_in_recovery(),
               current_setting('wal_level'),
               (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
               current_setting('data_checksums') = 'on',
               (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
               (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
               has_function_privilege($1, 'EXECUTE') AND has_function_privilege($2, 'EXECUTE'),
               current_setting('max_replication_slots')::int > (SELECT count(*) FROM pg_replication_slots),
               current_user::text,
               current_setting('block_size')::int,
               (SELECT rolname::text FROM pg_roles WHERE oid = 10)
        """;

    internal static async Task<ServerFacts> RunAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        var version = await connection.AskAsync("SELECT current_setting('server_version_num')::int", row => row.GetInt32(0), cancel);
        RequireVersion(version);
        var problems = new Problems();
        var functions = BackupFunctions.Of(version);
        var facts = await connection.AskAsync(Questions, row => Read(row, functions, problems), cancel, functions.StartSignature, functions.StopSignature);
        problems.ThrowIfAny();

        // Asked only now: a role without rights would have been answered with an error instead.
        var control = await connection.AskAsync(
            "SELECT system_identifier::text, catalog_version_no::bigint FROM pg_control_system()",
            row => (System: (ulong)long.Parse(row.GetString(0), CultureInfo.InvariantCulture), Catalog: (uint)row.GetInt64(1)),
            cancel);
        facts = facts with { SystemIdentifier = control.System, CatalogVersion = control.Catalog };
        CheckPlace(facts, problems);
        problems.ThrowIfAny();
        return facts;
    }

    /// <exception cref="SourcesException">ServerUnsuitable: the server is too old for physical backups.</exception>
    internal static void RequireVersion(int version)
    {
        if (version < VersionMin)
        {
            throw new SourcesException(
                SourcesFault.ServerUnsuitable,
                $"The server is PostgreSQL {version / 10000}; physical backups need 13 or newer.",
                "Upgrade the server, or protect it with pg_dump output as a file asset.");
        }
    }

    /// <param name="level">The setting wal_level; null when it may not be seen.</param>
    /// <exception cref="SourcesException">ServerUnsuitable: the log does not hold what a restore needs.</exception>
    internal static void RequireLog(string? level)
    {
        if (level == LogTooShort)
            throw new SourcesException(SourcesFault.ServerUnsuitable, "The server's wal_level is minimal.", LogHint);
    }

    private static ServerFacts Read(NpgsqlDataReader row, BackupFunctions functions, Problems problems)
    {
        var role = row.GetString(9);
        if (row.GetString(2) == LogTooShort)
            problems.Add("wal_level is minimal", LogHint);
        if (row.IsDBNull(3) || row.GetString(3).Length == 0)
            problems.Add($"the role {role} may not see data_directory", $"GRANT pg_monitor TO \"{role}\";");
        if (!row.GetBoolean(7))
        {
            problems.Add(
                $"the role {role} may not execute {functions.StartSignature} and {functions.StopSignature}",
                $"GRANT EXECUTE ON FUNCTION {functions.StartSignature}, {functions.StopSignature} TO \"{role}\";");
        }

        if (row.GetInt32(10) != PageChecksum.PageBytes)
            problems.Add($"its block size is {row.GetInt32(10)}", $"Only servers built with {PageChecksum.PageBytes} byte blocks are supported.");
        return new ServerFacts(
            row.GetInt32(0),
            0,
            0,
            0,
            row.IsDBNull(3) ? "" : row.GetString(3),
            checked((int)row.GetInt64(5)),
            row.GetBoolean(4),
            row.GetBoolean(6) && row.GetBoolean(8),
            row.GetBoolean(1))
        {
            Superuser = row.IsDBNull(11) ? null : row.GetString(11),
        };
    }

    private static void CheckPlace(ServerFacts facts, Problems problems)
    {
        const string local = "Run the agent on the database server's machine, as root or as the user that owns the data directory, or have the server send its files (--remote).";
        var content = new byte[ControlFile.Bytes];
        var error = SafePath.OpenDirectory(facts.DataDirectory, out var data);
        using (data)
        {
            Descriptor? global = null, file = null;
            if (!error.IsError)
                error = data!.OpenDirectory("global"u8, out global);
            using (global)
            {
                if (!error.IsError)
                    error = global!.OpenForReading("pg_control"u8, out file);
                using (file)
                {
                    if (!error.IsError)
                        error = file!.ReadFully(content, 0, out _);
                }
            }
        }

        if (error.IsError)
            problems.Add($"its data directory {facts.DataDirectory} cannot be read on this machine: {error}", local);
        else if (ControlFile.SystemIdentifier(content) is var found && found != facts.SystemIdentifier)
            problems.Add($"{facts.DataDirectory} on this machine belongs to another cluster ({found}, the server says {facts.SystemIdentifier})", local);
    }

    private sealed class Problems
    {
        private readonly List<(string What, string Hint)> _found = [];

        internal void Add(string what, string hint) => _found.Add((what, hint));

        internal void ThrowIfAny()
        {
            if (_found.Count == 0)
                return;
            var what = new StringBuilder("This database server cannot be backed up physically: ").AppendJoin("; ", _found.Select(problem => problem.What)).Append('.');
            throw new SourcesException(SourcesFault.ServerUnsuitable, what.ToString(), string.Join(' ', _found.Select(problem => problem.Hint).Distinct()));
        }
    }
}
