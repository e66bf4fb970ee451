using Backup.Standalone.Durable.Store;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Timers;

/// <summary>The state of a schedule.</summary>
/// <param name="Last">The last firing, UTC.</param>
/// <param name="Next">The next firing, UTC.</param>
/// <param name="Updated">When this was stored, UTC.</param>
internal sealed record TimerState(DateTime? Last, DateTime Next, DateTime Updated);

/// <summary>Keeps schedules in the hub's database, so that each firing happens in one process.</summary>
/// <remarks>
/// A firing is claimed for a while, and only its end moves the schedule on: when a process dies in the middle, another one
/// fires again once the claim has run out. A firing is thus at least once, and in one process at a time.
/// </remarks>
internal sealed class TimerStore(DurableHubs hubs)
{
    private DurableDatabase Database => hubs.Get(string.Empty).Database;

    /// <summary>Stores a schedule, or reads the state of the one already stored unless it has changed.</summary>
    /// <param name="function">The function.</param>
    /// <param name="schedule">The schedule.</param>
    /// <param name="catchesUp">Whether a firing missed while nothing ran is made up for.</param>
    /// <param name="now">Now, UTC.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<TimerState> OpenAsync(
        string function, TimerSchedule schedule, bool catchesUp, DateTime now, CancellationToken cancellationToken)
    {
        await Database.EnsureReadyAsync(cancellationToken).ConfigureAwait(false);
        await using var command = Database.Durable.CreateCommand("""
            INSERT INTO schedules AS s (function_name, schedule, next_at, updated_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (function_name) DO UPDATE
            SET next_at = CASE WHEN s.schedule <> excluded.schedule OR (NOT $5 AND s.next_at < $4) THEN excluded.next_at ELSE s.next_at END,
                schedule = excluded.schedule
            RETURNING last_at, next_at, updated_at
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = function });
        command.Parameters.Add(new NpgsqlParameter { Value = schedule.Text });
        command.Parameters.Add(Time(schedule.Next(now)));
        command.Parameters.Add(Time(now));
        command.Parameters.Add(new NpgsqlParameter { Value = catchesUp });
        return (await ReadAsync(command, cancellationToken).ConfigureAwait(false))!;
    }

    public async Task<TimerState?> FindAsync(string function, CancellationToken cancellationToken)
    {
        await using var command = Database.Relaxed.CreateCommand("SELECT last_at, next_at, updated_at FROM schedules WHERE function_name = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = function });
        return await ReadAsync(command, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Claims a firing.</summary>
    /// <param name="function">The function.</param>
    /// <param name="expected">The firing; null: one outside the schedule.</param>
    /// <param name="claim">The id of the claim.</param>
    /// <param name="now">Now, UTC.</param>
    /// <param name="until">How long the claim holds, UTC.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>False when somebody else has it.</returns>
    public async Task<bool> ClaimAsync(
        string function, DateTime? expected, Guid claim, DateTime now, DateTime until, CancellationToken cancellationToken)
    {
        await using var command = Database.Durable.CreateCommand("""
            UPDATE schedules SET claimed_by = $3, claimed_until = $5
            WHERE function_name = $1 AND ($2::timestamptz IS NULL OR next_at = $2)
              AND (claimed_by IS NULL OR claimed_by = $3 OR claimed_until < $4)
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = function });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)expected ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter { Value = claim });
        command.Parameters.Add(Time(now));
        command.Parameters.Add(Time(until));
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    /// <summary>Ends a firing and moves the schedule on; does nothing when the claim was lost meanwhile.</summary>
    public async Task EndAsync(string function, Guid claim, DateTime fired, DateTime next, DateTime now, CancellationToken cancellationToken)
    {
        await using var command = Database.Durable.CreateCommand("""
            UPDATE schedules SET last_at = $3, next_at = $4, updated_at = $5, claimed_by = NULL, claimed_until = NULL
            WHERE function_name = $1 AND claimed_by = $2
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = function });
        command.Parameters.Add(new NpgsqlParameter { Value = claim });
        command.Parameters.Add(Time(fired));
        command.Parameters.Add(Time(next));
        command.Parameters.Add(Time(now));
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private static NpgsqlParameter Time(DateTime time) => new() { Value = time, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static async Task<TimerState?> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            ? new TimerState(reader.IsDBNull(0) ? null : reader.GetDateTime(0), reader.GetDateTime(1), reader.GetDateTime(2))
            : null;
    }
}
