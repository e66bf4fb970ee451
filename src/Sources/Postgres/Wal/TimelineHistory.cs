using System.Globalization;
using System.Text;

namespace Backup.Sources.Postgres.Wal;

/// <summary>The timelines that lead to one, oldest first, each with the position where the next one left it.</summary>
internal sealed class TimelineHistory
{
    private readonly List<(uint Timeline, Lsn End)> _ancestors;

    private TimelineHistory(uint timeline, List<(uint Timeline, Lsn End)> ancestors)
    {
        Timeline = timeline;
        _ancestors = ancestors;
    }

    internal uint Timeline { get; }

    /// <summary>The timeline that nothing came before.</summary>
    internal static TimelineHistory First(uint timeline) => new(timeline, []);

    /// <summary>Reads a history file: lines of a timeline, a position and a remark; <c>#</c> begins a comment.</summary>
    /// <exception cref="SourcesException">DataDamaged.</exception>
    internal static TimelineHistory Parse(uint timeline, ReadOnlySpan<byte> content)
    {
        var ancestors = new List<(uint, Lsn)>();
        foreach (var line in Encoding.UTF8.GetString(content).Split('\n'))
        {
            var fields = line.Split('\t', ' ').Where(field => field.Length > 0).ToArray();
            if (fields.Length == 0 || fields[0].StartsWith('#'))
                continue;
            if (fields.Length < 2 || !uint.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ancestor) || !Lsn.TryParse(fields[1], out var end)
                || ancestor == 0 || ancestor >= timeline || (ancestors.Count > 0 && (ancestor <= ancestors[^1].Item1 || end < ancestors[^1].Item2)))
            {
                throw new SourcesException(SourcesFault.DataDamaged, $"The history file of timeline {timeline} cannot be read.", "Take it from the server's pg_wal, or restore to another timeline.");
            }

            ancestors.Add((ancestor, end));
        }

        return new TimelineHistory(timeline, ancestors);
    }

    /// <summary>Where a timeline ends for this one: the highest position for itself, null for one that does not lead here.</summary>
    internal Lsn? EndOf(uint timeline)
    {
        if (timeline == Timeline)
            return new Lsn(ulong.MaxValue);
        foreach (var (ancestor, end) in _ancestors)
        {
            if (ancestor == timeline)
                return end;
        }

        return null;
    }

    /// <summary>The timelines that have a part of a stretch of log, oldest first.</summary>
    internal IEnumerable<uint> TimelinesWithin(Lsn start, Lsn end)
    {
        var begin = default(Lsn);
        foreach (var (ancestor, ancestorEnd) in _ancestors)
        {
            if (begin < end && ancestorEnd > start)
                yield return ancestor;
            begin = ancestorEnd;
        }

        if (begin < end)
            yield return Timeline;
    }

    /// <summary>The timeline that a byte of the log belongs to.</summary>
    internal uint TimelineAt(Lsn position)
    {
        foreach (var (ancestor, end) in _ancestors)
        {
            if (position < end)
                return ancestor;
        }

        return Timeline;
    }
}
