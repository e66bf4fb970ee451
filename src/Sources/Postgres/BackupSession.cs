using System.Globalization;
using Backup.Sources.Postgres.Proving;
using Npgsql;

namespace Backup.Sources.Postgres;

/// <summary>What pg_backup_stop gave.</summary>
/// <param name="Stop">The end of the log that a restore needs.</param>
/// <param name="Label">The file <c>backup_label</c>.</param>
/// <param name="TablespaceMap">The file <c>tablespace_map</c>; empty without tablespaces.</param>
internal sealed record BackupEnd(Lsn Stop, string Label, string TablespaceMap);

/// <summary>
/// The one server session that a backup lives in. While it is open the server is in backup mode for us and, where the role allows,
/// a temporary slot keeps the log; both end by themselves when the session does, so a killed backup leaves nothing behind.
/// </summary>
internal sealed class BackupSession : IAsyncDisposable
{
    /// <summary>The first version with idle_session_timeout.</summary>
    private const int IdleTimeoutVersion = 14;

    private readonly NpgsqlConnection _connection;

    private BackupSession(NpgsqlConnection connection, ServerFacts server)
    {
        _connection = connection;
        Server = server;
    }

    internal ServerFacts Server { get; }

    /// <exception cref="SourcesException">ServerUnavailable, or ServerUnsuitable with everything that is wrong with it.</exception>
    internal static async Task<BackupSession> OpenAsync(string connectionString, CancellationToken cancel)
    {
        var settings = ServerConnection.Settings(connectionString, "backup");
        var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancel);
            // The session is idle while files are copied, and the checkpoint at the start takes what it takes.
            var idle = connection.PostgreSqlVersion.Major >= IdleTimeoutVersion ? "SET idle_session_timeout = 0; " : "";
            await connection.ExecuteAsync($"{idle}SET statement_timeout = 0; SET lock_timeout = 0", cancel);
            var server = await PrerequisiteCheck.RunAsync(connection, cancel);
            return new BackupSession(connection, server with { Timeline = await ReadTimelineAsync(connection, server.IsStandby, cancel) });
        }
        catch (Exception error)
        {
            await connection.DisposeAsync();
            if (ServerConnection.Translate(error, "connect to") is { } known)
                throw known;
            throw;
        }
    }

    /// <summary>Makes the server keep all log from the last checkpoint on. False when the server would not.</summary>
    internal async Task<bool> ReserveLogAsync(string slot, CancellationToken cancel)
    {
        if (!Server.CanUseSlot)
            return false;
        try
        {
            await _connection.ExecuteAsync("SELECT pg_create_physical_replication_slot($1, true, true)", cancel, slot);
            return true;
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.ConfigurationLimitExceeded or PostgresErrorCodes.InsufficientPrivilege)
        {
            return false;
        }
        catch (Exception error) when (ServerConnection.Translate(error, "make a replication slot on") is { } known)
        {
            throw known;
        }
    }

    /// <summary>Enters backup mode after a checkpoint, which is done at once or spread over time.</summary>
    internal Task<Lsn> StartAsync(string label, bool isSpread, CancellationToken cancel) => ServerConnection.GuardAsync("start a backup on", async () =>
    {
        await using var command = new NpgsqlCommand(BackupFunctions.Of(Server.VersionNumber).Start, _connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = label });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = !isSpread });
        return Lsn.Parse(await command.ExecuteScalarAsync(cancel) as string);
    });

    /// <summary>How many clients the server works for now, or did a second ago, without our own sessions.</summary>
    internal Task<long> CountClientsAsync(CancellationToken cancel) => ServerConnection.GuardAsync("count the clients of", () => _connection.AskAsync(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> $1
        AND (state = 'active' OR state_change > clock_timestamp() - interval '1 second')
        """,
        row => row.GetInt64(0),
        cancel,
        ContentRecorder.SessionName));

    /// <summary>Leaves backup mode. Does not wait for archiving: the caller copies the log itself.</summary>
    internal Task<BackupEnd> StopAsync(CancellationToken cancel) => ServerConnection.GuardAsync("stop the backup on", () => _connection.AskAsync(
        BackupFunctions.Of(Server.VersionNumber).Stop, row => new BackupEnd(Lsn.Parse(row.GetString(0)), row.GetString(1), row.IsDBNull(2) ? "" : row.GetString(2)), cancel));

    /// <summary>What the log between two positions changed; null when the server cannot tell.</summary>
    internal Task<LogSummary?> SummarizeAsync(Lsn from, Lsn to, TimeProvider clock, CancellationToken cancel) =>
        ServerConnection.GuardAsync("read the log summaries of", () => LogSummary.ReadAsync(_connection, Server.Timeline, from, to, clock, cancel));

    /// <summary>The timeline that is being written, or on a standby received, now.</summary>
    internal Task<uint> ReadTimelineAsync(CancellationToken cancel) =>
        ServerConnection.GuardAsync("ask the timeline of", () => ReadTimelineAsync(_connection, Server.IsStandby, cancel));

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private static Task<uint> ReadTimelineAsync(NpgsqlConnection connection, bool isStandby, CancellationToken cancel) => connection.AskAsync(
        // A standby that follows an archive has no receiver; then its last restart point tells.
        isStandby
            ? "SELECT to_hex(coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint())))"
            : "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)",
        row => uint.Parse(row.GetString(0), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        cancel);
}
