using System.Globalization;
using Npgsql;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// What makes a snapshot on a standby one that a restore can be compared with. Who is writing on the primary cannot be seen here by locks, only by transaction ids: from a
/// certain id on transactions may have written what is in the log already and what the snapshot does not show. All that they wrote has to be in the backup's log, so that
/// it can be told which tables that concerns.
/// </summary>
internal static class StandbyMoment
{
    /// <summary>How long transactions of the primary are waited for that were running when the backup began.</summary>
    internal static readonly TimeSpan PatienceMax = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Where a backup of a standby ends is moved by checkpoints; the second one finds nothing to do and moves it all the way.</summary>
    private const int CheckpointsMax = 3;

    /// <summary>Waits until every transaction has ended that may have written before the backup began. Snapshots that are taken later show all of those.</summary>
    /// <returns>False when one ran all the time.</returns>
    internal static async Task<bool> WaitAsync(NpgsqlConnection connection, TimeProvider clock, CancellationToken cancel)
    {
        var begun = clock.GetTimestamp();
        var known = await connection.AskAsync("SELECT pg_snapshot_xmax(pg_current_snapshot())::text", row => row.GetString(0), cancel);
        while (!await connection.AskAsync("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8", row => row.GetBoolean(0), cancel, known))
        {
            if (clock.GetElapsedTime(begun) > PatienceMax)
                return false;
            await Task.Delay(Pause, clock, cancel);
        }

        return true;
    }

    /// <summary>The oldest transaction that the session's snapshot does not show, without its epoch, as the log has it.</summary>
    internal static uint Unseen(string oldest) => (uint)ulong.Parse(oldest, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>Has the standby write what it has replayed, so that the backup ends behind it.</summary>
    /// <param name="connection">Any session.</param>
    /// <param name="reached">What has been replayed.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Behind what the standby would now call consistent; <paramref name="reached"/> when the role may not ask for that.</returns>
    internal static async Task<Lsn> PassAsync(NpgsqlConnection connection, Lsn reached, CancellationToken cancel)
    {
        try
        {
            var end = default(Lsn);
            for (var count = 0; count < CheckpointsMax && end < reached; count++)
            {
                await connection.ExecuteAsync("CHECKPOINT", cancel);
                end = Lsn.Parse(await connection.AskAsync("SELECT min_recovery_end_lsn::text FROM pg_control_recovery()", row => row.GetString(0), cancel));
            }

            return end > reached ? end : reached;
        }
        catch (PostgresException denied) when (denied.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return reached;
        }
    }
}
