using System.Globalization;
using System.Text;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>What a physical backup can be recovered to, and what it needs for that; all of it is inside the snapshot.</summary>
/// <param name="Start">Replay begins here.</param>
/// <param name="Stop">From here on the cluster is consistent.</param>
/// <param name="Timeline">The timeline of the log.</param>
/// <param name="SystemIdentifier">The cluster's identity.</param>
/// <param name="ServerVersion">As server_version_num, for example 160004: a restore needs the same major version.</param>
/// <param name="FirstWalFile">The first write-ahead log file in the snapshot.</param>
/// <param name="LastWalFile">The last one; all between are there too.</param>
public sealed record ConsistencyPoint(
    Lsn Start, Lsn Stop, uint Timeline, ulong SystemIdentifier, int ServerVersion, string FirstWalFile, string LastWalFile)
{
    /// <param name="server">The server that was backed up.</param>
    /// <param name="start">Where the backup began.</param>
    /// <param name="stop">Where it ended.</param>
    /// <param name="segments">The log in between, by name.</param>
    internal static ConsistencyPoint Of(ServerFacts server, Lsn start, Lsn stop, IReadOnlyList<TreeEntry> segments) =>
        new(start, stop, server.Timeline, server.SystemIdentifier, server.VersionNumber, NameOf(segments[0]), NameOf(segments[^1]));

    /// <summary>The public tag of a base backup's snapshot: who repeats a backup's report from the vault alone reads it there, without a restore key.</summary>
    internal const string TagName = "consistency-point";

    /// <summary>What a base backup's snapshot says of itself.</summary>
    /// <param name="snapshot">Any snapshot.</param>
    /// <returns>Null when it is no base backup, or one made before there was the tag.</returns>
    public static ConsistencyPoint? Find(SnapshotInfo snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return snapshot.SourceKind == PostgresSource.Kind
            && snapshot.Tags.GetValueOrDefault(TagName)?.Split(' ') is [var start, var stop, var timeline, var system, var version, var first, var last]
            && Lsn.TryParse(start, out var from)
            && Lsn.TryParse(stop, out var to)
            && uint.TryParse(timeline, NumberStyles.None, CultureInfo.InvariantCulture, out var onTimeline)
            && ulong.TryParse(system, NumberStyles.None, CultureInfo.InvariantCulture, out var identifier)
            && int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new ConsistencyPoint(from, to, onTimeline, identifier, number, first, last)
            : null;
    }

    internal string ToTag() => string.Create(CultureInfo.InvariantCulture, $"{Start} {Stop} {Timeline} {SystemIdentifier} {ServerVersion} {FirstWalFile} {LastWalFile}");

    private static string NameOf(TreeEntry segment) => Encoding.ASCII.GetString(segment.Name.Span);
}
