using System.Text;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>The cluster that log comes from.</summary>
/// <param name="SystemIdentifier">Its identity; null when only a history file is known.</param>
/// <param name="SegmentBytes">Its segment size.</param>
/// <param name="MajorVersion">Its major version.</param>
internal sealed record WalCluster(ulong? SystemIdentifier, int SegmentBytes, int MajorVersion);

/// <summary>What happened in a stretch of log, for the tags.</summary>
internal sealed class WalEvents
{
    /// <summary>More than this many fit in no snapshot's properties; recovery then finds the rest by reading the log.</summary>
    private const int RestorePointsMax = 200;

    private readonly Dictionary<string, string> _restorePoints = [];

    internal DateTimeOffset? FirstCommit { get; private set; }

    internal DateTimeOffset? LastCommit { get; private set; }

    internal IReadOnlyDictionary<string, string> RestorePoints => _restorePoints;

    internal void Take(WalRecord record)
    {
        if (record.Kind == WalRecordKind.Commit && record.Time is { } time)
        {
            FirstCommit ??= time;
            LastCommit = LastCommit > time ? LastCommit : time;
        }

        if (record is { Kind: WalRecordKind.RestorePoint, Name: { } name })
            Take(RestorePointProperty.Name(record.End), name);
    }

    /// <summary>What came later.</summary>
    internal void Take(WalEvents later)
    {
        FirstCommit ??= later.FirstCommit;
        LastCommit = LastCommit > later.LastCommit ? LastCommit : later.LastCommit ?? LastCommit;
        foreach (var (key, name) in later._restorePoints)
            Take(key, name);
    }

    private void Take(string key, string restorePoint)
    {
        if (_restorePoints.Count < RestorePointsMax)
            _restorePoints[key] = restorePoint;
    }
}

/// <summary>How restore points are kept in a snapshot's sealed properties: by their position, since names may repeat.</summary>
internal static class RestorePointProperty
{
    private const string Prefix = "restore-point ";

    internal static string Name(Lsn end) => Prefix + end;

    internal static IEnumerable<(Lsn End, string Name)> Read(SnapshotInfo snapshot)
    {
        foreach (var (key, value) in snapshot.SealedProperties)
        {
            if (key.StartsWith(Prefix, StringComparison.Ordinal) && Lsn.TryParse(key.AsSpan(Prefix.Length), out var end))
                yield return (end, value);
        }
    }
}

/// <summary>A stretch of log that is to be stored, following what was stored before.</summary>
internal sealed record WalStretch
{
    internal required Lsn Start { get; init; }

    internal required IReadOnlyList<ReadOnlyMemory<byte>> Bytes { get; init; }

    internal WalEvents Events { get; init; } = new();

    /// <summary>The state that all of this brings a restore to, by the clock of this machine.</summary>
    internal required DateTimeOffset RestorableAt { get; init; }
}

/// <summary>
/// Stores a stream of log: each call commits one small snapshot with the files of log that were completed and the beginning of the next.
/// Log of one timeline, from the beginning of a file on; not for several threads.
/// </summary>
internal sealed class WalWriter
{
    private readonly string _asset;
    private readonly WalCluster _cluster;
    private readonly uint _timeline;
    private readonly DateTimeOffset _runSince;
    private readonly SnapshotSeries _series;
    private readonly IReadOnlyDictionary<string, string> _tags;
    private readonly List<(WalSegment Segment, Content Content)> _span = [];
    private readonly List<(string Name, byte[] Content)> _histories = [];
    private WalEvents _spanEvents = new();
    private OpenSegment _open;

    internal WalWriter(
        OpenVault vault, string asset, WalCluster cluster, uint timeline, Lsn start, DateTimeOffset runSince, IReadOnlyDictionary<string, string> tags)
    {
        _asset = asset;
        _cluster = cluster;
        _timeline = timeline;
        _runSince = runSince;
        _tags = tags;
        _series = new SnapshotSeries(vault, new WriterOptions { DataPackBytes = 8 << 20, MetaPackBytes = 1 << 20 });
        _open = new OpenSegment(WalSegment.Holding(timeline, start, cluster.SegmentBytes));
        if (_open.Segment.Start != start)
            throw new ArgumentOutOfRangeException(nameof(start), $"{start} is not the beginning of a file of log.");
    }

    /// <summary>Completed files since the last snapshot that lists many of them.</summary>
    internal int SpanFiles => _span.Count;

    /// <summary>Up to here everything is durable.</summary>
    internal Lsn End => _open.End;

    /// <summary>Puts a history file into the next snapshot.</summary>
    internal void AddHistory(uint timeline, byte[] content) => _histories.Add((WalFileName.HistoryOf(timeline), content));

    /// <summary>Stores and commits. After a failure everything is as before, and the same call may be made again.</summary>
    /// <exception cref="VaultException">The store failed; or WriterExpired: what was stored before may be gone, begin again with a new writer.</exception>
    internal async Task CommitAsync(WalStretch stretch, CancellationToken cancel)
    {
        if (stretch.Start != End)
            throw new ArgumentOutOfRangeException(nameof(stretch), $"The log at {stretch.Start} does not follow {End}.");
        await using var writer = await _series.BeginAsync(cancel);
        Rely(writer, _open.Whole);
        var open = _open.Copy();
        var completed = new List<(WalSegment Segment, Content Content)>();
        foreach (var piece in stretch.Bytes)
        {
            for (var rest = piece; rest.Length > 0;)
            {
                rest = rest[open.Append(writer, rest.Span, cancel)..];
                if (!open.IsComplete)
                    continue;
                completed.Add((open.Segment, open.Whole));
                open = new OpenSegment(open.Segment.Next);
            }
        }

        var contents = completed.Select(done => (done.Segment.FileName, done.Content)).ToList();
        if (open.End > open.Segment.Start)
            contents.Add((open.Segment.FileName + WalFileName.PartialSuffix, open.Finish(writer, cancel)));
        foreach (var (name, bytes) in _histories)
            contents.Add((name, writer.AddContent(new MemoryStream(bytes, writable: false), new ContentHints { LengthExpected = bytes.Length }, cancel)));
        await CommitAsync(writer, contents, open.End, stretch.Events, stretch.RestorableAt, cancel);
        _open = open;
        _span.AddRange(completed);
        _histories.Clear();
        _spanEvents.Take(stretch.Events);
    }

    /// <summary>
    /// Lists the files completed since the last call in one snapshot, which supersedes the many small ones. Stores nothing but the list; a
    /// failure costs nothing but another call.
    /// </summary>
    internal async Task ConsolidateAsync(DateTimeOffset restorableAt, CancellationToken cancel)
    {
        if (_span.Count == 0)
            return;
        await using (var writer = await _series.BeginAsync(cancel))
        {
            foreach (var (_, content) in _span)
                Rely(writer, content);
            await CommitAsync(writer, [.. _span.Select(done => (done.Segment.FileName, done.Content))], _span[^1].Segment.End, _spanEvents, restorableAt, cancel);
        }

        _span.Clear();
        _spanEvents = new WalEvents();
        _series.Forget(except: _open.Whole);
    }

    private async Task CommitAsync(
        SnapshotWriter writer, List<(string Name, Content Content)> contents, Lsn end, WalEvents events, DateTimeOffset restorableAt, CancellationToken cancel)
    {
        var facts = WalFacts.Of(_cluster, _timeline, WalOrigin.Stream, end, events, _runSince, [.. contents.Select(file => WalFile.Of(file.Name, file.Content))]);
        await WalSnapshot.CommitAsync(writer, _asset, facts, contents, events, restorableAt, _tags, cancel);
    }

    private static void Rely(SnapshotWriter writer, Content content)
    {
        if (content.Length > 0 && !writer.TryReuse(content))
            throw new VaultException(VaultFault.WriterExpired, "Log stored earlier has been marked for deletion meanwhile.", "It is sent again from the beginning of its file.");
    }
}

/// <summary>Makes a snapshot of files of log.</summary>
internal static class WalSnapshot
{
    internal static async Task<SnapshotInfo> CommitAsync(
        SnapshotWriter writer, string asset, WalFacts facts, List<(string Name, Content Content)> contents, WalEvents events, DateTimeOffset restorableAt,
        IReadOnlyDictionary<string, string> tags, CancellationToken cancel)
    {
        var root = writer.AddTree([.. contents.OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => new TreeEntry
        {
            Name = Encoding.ASCII.GetBytes(file.Name),
            Type = EntryType.File,
            Mode = PrivateFile.Mode,
            ModifiedNanoseconds = restorableAt.ToUnixTimeMilliseconds() * 1_000_000,
            Size = file.Content.Length,
            Content = file.Content,
        })]);
        var description = new SnapshotDescription
        {
            Asset = WalFacts.AssetOf(asset),
            SourceKind = WalFacts.Kind,
            ConsistentAt = restorableAt,
            Tags = new Dictionary<string, string>(tags.Concat(facts.ToTags())),
            SealedProperties = events.RestorePoints,
            ItemsTotal = contents.Count,
        };
        return await writer.CommitAsync(description, root, cancel);
    }
}
