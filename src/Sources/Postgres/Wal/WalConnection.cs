using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;

namespace Backup.Sources.Postgres.Wal;

/// <summary>What the server says about itself and our slot.</summary>
internal sealed record WalServer(WalCluster Cluster, uint Timeline, Lsn End);

/// <summary>Our slot.</summary>
/// <param name="Kept">From here on the server keeps log for it.</param>
/// <param name="WasMade">It did not exist, or was of no use any more.</param>
internal readonly record struct WalSlot(Lsn Kept, bool WasMade);

/// <summary>Two sessions with one server: one that streams, one that asks.</summary>
internal sealed class WalConnection : IAsyncDisposable
{
    /// <summary>Little beside the second that log may take into the vault at the least, and much beside the time between two commits.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(25);

    /// <summary>As much as comes meanwhile is read at once.</summary>
    private const int ReadBufferBytes = 512 << 10;

    private readonly PhysicalReplicationConnection _stream;
    private readonly NpgsqlConnection _asking;

    private WalConnection(PhysicalReplicationConnection stream, NpgsqlConnection asking)
    {
        _stream = stream;
        _asking = asking;
    }

    /// <exception cref="SourcesException">ServerUnavailable or ServerUnsuitable.</exception>
    internal static async Task<WalConnection> OpenAsync(string connectionString, TimeSpan statusInterval, CancellationToken cancel)
    {
        var settings = ServerConnection.Settings(connectionString, "backup log receiver");
        var stream = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { ReadBufferSize = ReadBufferBytes };
        var connection = new WalConnection(new PhysicalReplicationConnection(stream.ConnectionString) { WalReceiverStatusInterval = statusInterval }, new NpgsqlConnection(settings.ConnectionString));
        try
        {
            await connection._asking.OpenAsync(cancel);
            await connection._stream.Open(cancel);
            return connection;
        }
        catch (Exception error)
        {
            await connection.DisposeAsync();
            if (ServerConnection.Translate(error, "connect to") is { } known)
                throw known;
            throw;
        }
    }

    internal async Task<WalServer> IdentifyAsync(CancellationToken cancel)
    {
        var (version, segmentBytes, level) = await AskAsync(
            "SELECT current_setting('server_version_num')::int, (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'), current_setting('wal_level')",
            row => (row.GetInt32(0), checked((int)row.GetInt64(1)), row.GetString(2)), cancel);
        if (version < PrerequisiteCheck.VersionMin)
            throw new SourcesException(SourcesFault.ServerUnsuitable, $"The server is PostgreSQL {version / 10000}; log is received from 13 on.", "Upgrade the server.");
        PrerequisiteCheck.RequireLog(level);
        var identity = await ServerConnection.GuardAsync("identify", () => _stream.IdentifySystem(cancel));
        var cluster = new WalCluster(ulong.Parse(identity.SystemId, CultureInfo.InvariantCulture), segmentBytes, version / 10000);
        return new WalServer(cluster, identity.Timeline, new Lsn((ulong)identity.XLogPos));
    }

    /// <summary>The history file of a timeline above the first.</summary>
    internal async Task<byte[]> ReadHistoryAsync(uint timeline, CancellationToken cancel)
    {
        var row = await ServerConnection.GuardAsync("ask the history of a timeline of", () => ReadSingleRow(_stream, string.Create(CultureInfo.InvariantCulture, $"TIMELINE_HISTORY {timeline}"), cancel));
        return row[1] switch
        {
            byte[] bytes => bytes,
            string text => Encoding.UTF8.GetBytes(text),
            _ => throw new SourcesException(SourcesFault.DataDamaged, $"The server gave no history of timeline {timeline}.", "See the server's log."),
        };
    }

    /// <summary>Finds our slot, or makes it; one that the server has given up is made anew.</summary>
    internal async Task<WalSlot> PrepareSlotAsync(string slot, CancellationToken cancel)
    {
        var (found, isPhysical, kept) = await AskAsync(
            "SELECT count(*) > 0, bool_and(slot_type = 'physical'), max(restart_lsn)::text FROM pg_replication_slots WHERE slot_name = $1",
            row => (row.GetBoolean(0), row.IsDBNull(1) || row.GetBoolean(1), row.IsDBNull(2) ? null : row.GetString(2)), cancel, slot);
        if (!isPhysical)
            throw new SourcesException(SourcesFault.ServerUnsuitable, $"The replication slot {slot} is a logical one.", "Choose another slot name for receiving log.");
        if (found && kept is not null)
            return new WalSlot(Lsn.Parse(kept), WasMade: false);
        if (found)
            await DropSlotAsync(slot, cancel);
        var made = await AskAsync("SELECT lsn::text FROM pg_create_physical_replication_slot($1, true)", row => row.GetString(0), cancel, slot);
        return new WalSlot(Lsn.Parse(made), WasMade: true);
    }

    /// <summary>Drops our slot. False while another session uses it.</summary>
    internal async Task<bool> DropSlotAsync(string slot, CancellationToken cancel)
    {
        await AskAsync("SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active", row => row.GetInt64(0), cancel, slot);
        return !await AskAsync("SELECT count(*) > 0 FROM pg_replication_slots WHERE slot_name = $1", row => row.GetBoolean(0), cancel, slot);
    }

    /// <summary>Where the server's log on disk ends, and how much of it is kept for our slot (null without a slot).</summary>
    internal Task<(Lsn End, long? SlotBytes)> WatchAsync(string slot, CancellationToken cancel) => AskAsync(
        """
        SELECT e.lsn::text, (SELECT (e.lsn - restart_lsn)::bigint FROM pg_replication_slots WHERE slot_name = $1)
        FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END AS lsn) e
        """,
        row => (row.IsDBNull(0) ? default : Lsn.Parse(row.GetString(0)), row.IsDBNull(1) ? (long?)null : row.GetInt64(1)), cancel, slot);

    /// <summary>Streams until the server ends it: always with an exception, that of the cancellation included.</summary>
    internal async Task StreamAsync(string slot, uint timeline, Lsn position, Func<Lsn, ReadOnlyMemory<byte>, Task> take, CancellationToken cancel)
    {
        await using var messages = _stream.StartReplication(new PhysicalReplicationSlot(slot), new NpgsqlLogSequenceNumber(position.Value), cancel, timeline).GetAsyncEnumerator(cancel);
        while (await NextAsync(messages, cancel))
        {
            var message = messages.Current;
            using var bytes = new MemoryStream();
            await message.Data.CopyToAsync(bytes, cancel);
            await take(new Lsn((ulong)message.WalStart), bytes.ToArray());
        }
    }

    /// <summary>
    /// A busy server sends a message for every commit, some thousand a second. To be woken for each costs a quarter of a processor, so when everything that came has been
    /// taken, some more is left to come together before it is looked at.
    /// </summary>
    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<XLogDataMessage> messages, CancellationToken cancel)
    {
        var next = messages.MoveNextAsync();
        if (!next.IsCompleted)
            await Task.Delay(Gathering, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await next;
    }

    /// <summary>What the server is told with every status message.</summary>
    internal void NoteFlushed(Lsn durable) => _stream.SetReplicationStatus(new NpgsqlLogSequenceNumber(durable.Value));

    /// <summary>Tells it now. Nothing happens when streaming has ended meanwhile: the next stream tells it again.</summary>
    internal async Task TellFlushedAsync(CancellationToken cancel)
    {
        try
        {
            await _stream.SendStatusUpdate(cancel);
        }
        catch (Exception error) when (error is InvalidOperationException or ObjectDisposedException or NpgsqlException or IOException or NullReferenceException)
        {
            // The stream ended between two instructions (the library's timers are then gone too).
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        await _asking.DisposeAsync();
    }

    /// <summary>
    /// What the library's own TimelineHistory does before it takes the content for bytea, and fails: servers send text. Nothing public of the
    /// library sends another replication command.
    /// </summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "ReadSingleRow")]
    private static extern Task<object[]> ReadSingleRow(ReplicationConnection connection, string command, CancellationToken cancel);

    private Task<T> AskAsync<T>(string question, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params string[] arguments) =>
        ServerConnection.GuardAsync("ask", () => _asking.AskAsync(question, read, cancel, arguments));
}
