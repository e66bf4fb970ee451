using System.Globalization;
using Npgsql;

namespace Backup.Sources.Postgres;

/// <summary>
/// Which blocks the log between the beginnings of two backups touches, as the server itself has written down (summarize_wal, PostgreSQL 17 and newer). What it
/// does not name is on disk as the earlier backup found it, hint bits apart, and what happened since the later one began comes back from the log.
/// </summary>
/// <remarks>
/// The rules are those of the server's incremental backups: only main forks (free space maps are not logged wholly, and both maps are small); a relation that was
/// made, removed or cut off is changed from its shortest length on; a database that was copied is changed wholly. Stricter than there, the summaries have to begin
/// and end exactly at the two positions: a server that was set back to an earlier state has no summary that begins where the earlier backup did.
/// </remarks>
internal sealed class LogSummary
{
    /// <summary>The first version that summarizes.</summary>
    internal const int VersionMin = 170000;

    /// <summary>Beyond this, most is read anyway, and the list costs more than it saves.</summary>
    private const int BlocksMax = 8 << 20;

    private const uint DefaultTablespace = 1663;
    private const uint SharedTablespace = 1664;

    /// <summary>The summary of the log before the checkpoint that begins a backup is written right behind it.</summary>
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan AskInterval = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<(uint Tablespace, uint Database, uint FileNode), Fork> _forks = [];
    private int _blocks;

    /// <summary>Reads the summaries of a stretch of log.</summary>
    /// <param name="connection">A session that may; by default a superuser's.</param>
    /// <param name="timeline">The timeline of all of it.</param>
    /// <param name="from">Where the earlier backup began.</param>
    /// <param name="to">Where the later one began.</param>
    /// <param name="clock">Paces waiting for the last summary.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Null when the server does not summarize, has not all of it any more, or will not tell: then everything counts as changed.</returns>
    internal static async Task<LogSummary?> ReadAsync(NpgsqlConnection connection, uint timeline, Lsn from, Lsn to, TimeProvider clock, CancellationToken cancel)
    {
        try
        {
            if (await connection.AskAsync("SELECT current_setting('summarize_wal', true) = 'on'", row => row.IsDBNull(0) || !row.GetBoolean(0), cancel))
                return null;
            var pieces = await ChainAsync(connection, timeline, from, to, clock, cancel);
            if (pieces is null)
                return null;
            var summary = new LogSummary();
            foreach (var (start, end) in pieces)
            {
                if (!await summary.AddAsync(connection, timeline, start, end, cancel))
                    return null;
            }

            return summary;
        }
        catch (PostgresException refused) when (!refused.SqlState.StartsWith("57", StringComparison.Ordinal))
        {
            // Not permitted, or removed meanwhile: this only ever saves work.
            return null;
        }
    }

    /// <summary>Whether a block may be other than the earlier backup found it; null when all of the file may be.</summary>
    /// <param name="folder">The file's folder in the cluster.</param>
    /// <param name="relation">The file's name.</param>
    internal Changes? Find(string folder, RelationFileName relation)
    {
        if (relation is not { Fork: RelationFork.Main, IsTemporary: false } || Place(folder) is not var (tablespace, database) || _forks.ContainsKey((tablespace, database, 0)))
            return null;
        var fork = _forks.GetValueOrDefault((tablespace, database, relation.FileNode));
        var first = relation.Segment * RelationFileName.SegmentBlocks;
        return fork is null ? new Changes([], uint.MaxValue, first) : fork.Limit <= first ? null : new Changes(fork.Sorted(), fork.Limit, first);
    }

    private static (uint Tablespace, uint Database)? Place(string folder) => folder.Split('/') switch
    {
        ["global"] => (SharedTablespace, 0),
        ["base", var name] when TryParse(name, out var database) => (DefaultTablespace, database),
        [ClusterRules.TablespaceDirectory, var space, _, var name] when TryParse(space, out var tablespace) && TryParse(name, out var database) => (tablespace, database),
        _ => null,
    };

    private static bool TryParse(string text, out uint number) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>Summaries that follow each other without a gap from one position to the other; null when there are none.</summary>
    private static async Task<IReadOnlyList<(Lsn Start, Lsn End)>?> ChainAsync(NpgsqlConnection connection, uint timeline, Lsn from, Lsn to, TimeProvider clock, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(AskInterval, clock);
        var begun = clock.GetTimestamp();
        while (true)
        {
            var (chain, at) = (new List<(Lsn Start, Lsn End)>(), from);
            foreach (var piece in await ListAsync(connection, timeline, from, to, cancel))
            {
                if (piece.Start != at || piece.End > to)
                    return null;
                chain.Add(piece);
                at = piece.End;
            }

            if (at == to)
                return chain;
            if (clock.GetElapsedTime(begun) > WaitMax)
                return null;
            await timer.WaitForNextTickAsync(cancel);
        }
    }

    private static async Task<List<(Lsn Start, Lsn End)>> ListAsync(NpgsqlConnection connection, uint timeline, Lsn from, Lsn to, CancellationToken cancel)
    {
        await using var command = Command(
            connection,
            "SELECT start_lsn::text, end_lsn::text FROM pg_available_wal_summaries() WHERE tli = $1::bigint AND end_lsn > $2::pg_lsn AND start_lsn < $3::pg_lsn ORDER BY start_lsn",
            timeline, from, to);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        var found = new List<(Lsn Start, Lsn End)>();
        while (await rows.ReadAsync(cancel))
            found.Add((Lsn.Parse(rows.GetString(0)), Lsn.Parse(rows.GetString(1))));
        return found;
    }

    private async Task<bool> AddAsync(NpgsqlConnection connection, uint timeline, Lsn start, Lsn end, CancellationToken cancel)
    {
        await using var command = Command(
            connection,
            "SELECT reltablespace, reldatabase, relfilenode, relblocknumber, is_limit_block FROM pg_wal_summary_contents($1::bigint, $2::pg_lsn, $3::pg_lsn) WHERE relforknumber = 0",
            timeline, start, end);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            var key = (rows.GetFieldValue<uint>(0), rows.GetFieldValue<uint>(1), rows.GetFieldValue<uint>(2));
            if (!_forks.TryGetValue(key, out var fork))
                _forks.Add(key, fork = new Fork());
            var block = checked((uint)rows.GetInt64(3));
            if (rows.GetBoolean(4))
                fork.Limit = Math.Min(fork.Limit, block);
            else if (++_blocks <= BlocksMax)
                fork.Add(block);
            else
                return false;
        }

        return true;
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string text, uint timeline, Lsn start, Lsn end)
    {
        var command = new NpgsqlCommand(text, connection);
        foreach (var value in (string[])[timeline.ToString(CultureInfo.InvariantCulture), start.ToString(), end.ToString()])
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = value });
        return command;
    }

    /// <summary>What happened to one file of a relation.</summary>
    /// <param name="blocks">Changed blocks of the relation, ascending.</param>
    /// <param name="limit">From this block of the relation on all are changed.</param>
    /// <param name="first">The file's first block in the relation.</param>
    internal sealed class Changes(uint[] blocks, uint limit, uint first)
    {
        /// <summary>Whether none of these blocks of the file has changed.</summary>
        /// <param name="block">The first, counted within the file.</param>
        /// <param name="count">How many; at least one.</param>
        internal bool LeaveAlone(uint block, uint count)
        {
            var (from, end) = ((ulong)first + block, (ulong)first + block + count);
            if (end > limit)
                return false;
            var at = Array.BinarySearch(blocks, (uint)from);
            return at < 0 && (~at == blocks.Length || blocks[~at] >= end);
        }
    }

    private sealed class Fork
    {
        private readonly List<uint> _changed = [];
        private uint[]? _sorted;

        /// <summary>The shortest length it had.</summary>
        internal uint Limit { get; set; } = uint.MaxValue;

        internal void Add(uint block) => _changed.Add(block);

        internal uint[] Sorted()
        {
            lock (_changed)
            {
                if (_sorted is null)
                {
                    _sorted = [.. _changed];
                    Array.Sort(_sorted);
                }

                return _sorted;
            }
        }
    }
}
