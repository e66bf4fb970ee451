using System.Globalization;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Wal;

/// <summary>How log came into the vault.</summary>
internal enum WalOrigin
{
    /// <summary>By streaming replication.</summary>
    Stream,

    /// <summary>By archive_command.</summary>
    Archive,
}

/// <summary>A file in a snapshot of log.</summary>
/// <param name="Name">As in PostgreSQL's archive.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Fingerprint">Says, to holders of the backup key, whether two contents are the same; nothing to others.</param>
internal sealed record WalFile(string Name, long Bytes, string Fingerprint)
{
    private const int FingerprintDigits = 24;

    internal static WalFile Of(string name, Content content) => new(
        name, content.Length, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content.ToBytes()))[..FingerprintDigits]);
}

/// <summary>
/// What a snapshot of log says about itself in tags, which a backup key can read: a receiver that starts again, and archive_command, must
/// know what is there without being able to read it. Tags are persisted: add, never rename.
/// </summary>
internal sealed record WalFacts
{
    /// <summary>What snapshots of log say in <see cref="SnapshotDescription.SourceKind"/>.</summary>
    internal const string Kind = "postgres-wal";

    /// <summary>Tag values are limited; a file takes up to 72 characters.</summary>
    internal const int FilesMax = 56;

    private const string SystemTag = "wal-system";
    private const string TimelineTag = "wal-timeline";
    private const string SegmentBytesTag = "wal-segment-bytes";
    private const string VersionTag = "wal-version";
    private const string OriginTag = "wal-origin";
    private const string EndTag = "wal-end";
    private const string FirstCommitTag = "wal-first-commit";
    private const string LastCommitTag = "wal-last-commit";
    private const string RunSinceTag = "wal-run-since";
    private const string FilesTag = "wal-files";

    /// <summary>The cluster; null when only a history file was ever archived.</summary>
    internal ulong? SystemIdentifier { get; init; }

    internal required uint Timeline { get; init; }

    internal required int SegmentBytes { get; init; }

    /// <summary>The server's major version.</summary>
    internal required int MajorVersion { get; init; }

    internal required WalOrigin Origin { get; init; }

    /// <summary>Behind the last byte that is in; zero when there is no log in it.</summary>
    internal required Lsn End { get; init; }

    /// <summary>The times of the first and last commits in it.</summary>
    internal DateTimeOffset? FirstCommit { get; init; }

    internal DateTimeOffset? LastCommit { get; init; }

    /// <summary>When the unbroken run of log began that this belongs to: only younger base backups lead into it.</summary>
    internal required DateTimeOffset RunSince { get; init; }

    internal required IReadOnlyList<WalFile> Files { get; init; }

    /// <summary>What is to be said of a stretch of log that is about to be committed.</summary>
    internal static WalFacts Of(WalCluster cluster, uint timeline, WalOrigin origin, Lsn end, WalEvents events, DateTimeOffset runSince, IReadOnlyList<WalFile> files) => new()
    {
        SystemIdentifier = cluster.SystemIdentifier,
        Timeline = timeline,
        SegmentBytes = cluster.SegmentBytes,
        MajorVersion = cluster.MajorVersion,
        Origin = origin,
        End = end,
        FirstCommit = events.FirstCommit,
        LastCommit = events.LastCommit,
        RunSince = runSince,
        Files = files,
    };

    /// <summary>Log lies beside its cluster's base backups under a name of its own, so that an asset's latest snapshot is one that can be restored.</summary>
    internal static string AssetOf(string asset) => asset + ":wal";

    internal Dictionary<string, string> ToTags()
    {
        var tags = new Dictionary<string, string>
        {
            [TimelineTag] = Text(Timeline),
            [SegmentBytesTag] = Text(SegmentBytes),
            [VersionTag] = Text(MajorVersion),
            [OriginTag] = Origin.ToString().ToLowerInvariant(),
            [EndTag] = End.ToString(),
            [RunSinceTag] = Text(RunSince),
            [FilesTag] = string.Join(' ', Files.Select(file => string.Create(CultureInfo.InvariantCulture, $"{file.Name}:{file.Bytes}:{file.Fingerprint}"))),
        };
        if (SystemIdentifier is { } system)
            tags[SystemTag] = Text(system);
        if (FirstCommit is { } first)
            tags[FirstCommitTag] = Text(first);
        if (LastCommit is { } last)
            tags[LastCommitTag] = Text(last);
        return tags;
    }

    /// <summary>Null for a snapshot of another kind, or one whose tags are not as this version writes them: it is not relied on.</summary>
    internal static WalFacts? Read(SnapshotInfo snapshot)
    {
        var tags = snapshot.Tags;
        if (snapshot.SourceKind != Kind
            || !uint.TryParse(tags.GetValueOrDefault(TimelineTag), NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
            || !int.TryParse(tags.GetValueOrDefault(SegmentBytesTag), NumberStyles.None, CultureInfo.InvariantCulture, out var segmentBytes)
            || segmentBytes < 1 << 20 || segmentBytes > 1 << 30 || !int.IsPow2(segmentBytes)
            || !int.TryParse(tags.GetValueOrDefault(VersionTag), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            || !Enum.TryParse<WalOrigin>(tags.GetValueOrDefault(OriginTag), ignoreCase: true, out var origin)
            || !Lsn.TryParse(tags.GetValueOrDefault(EndTag), out var end)
            || ReadTime(tags, RunSinceTag) is not { } runSince
            || ReadFiles(tags.GetValueOrDefault(FilesTag, "")) is not { } files)
        {
            return null;
        }

        return new WalFacts
        {
            SystemIdentifier = ulong.TryParse(tags.GetValueOrDefault(SystemTag), NumberStyles.None, CultureInfo.InvariantCulture, out var system) ? system : null,
            Timeline = timeline,
            SegmentBytes = segmentBytes,
            MajorVersion = version,
            Origin = origin,
            End = end,
            FirstCommit = ReadTime(tags, FirstCommitTag),
            LastCommit = ReadTime(tags, LastCommitTag),
            RunSince = runSince,
            Files = files,
        };
    }

    private static List<WalFile>? ReadFiles(string text)
    {
        var files = new List<WalFile>();
        foreach (var item in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (item.Split(':') is not [var name, var bytes, var fingerprint] || !WalFileName.TryParse(name, out _)
                || !long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            {
                return null;
            }

            files.Add(new WalFile(name, length, fingerprint));
        }

        return files;
    }

    private static DateTimeOffset? ReadTime(IReadOnlyDictionary<string, string> tags, string name) =>
        DateTimeOffset.TryParseExact(tags.GetValueOrDefault(name), "O", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    private static string Text(DateTimeOffset time) => time.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture);

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
