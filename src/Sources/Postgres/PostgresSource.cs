using System.Globalization;
using System.Text;
using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Sources.Postgres.Format;
using Backup.Sources.Postgres.Proving;
using Backup.Sources.Postgres.Streaming;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>Backs up a running PostgreSQL server physically: its files as they are, and the log that makes them consistent.</summary>
/// <remarks>
/// Killed at any moment it leaves nothing behind: backup mode and the replication slot belong to its session, and without a commit there
/// is no snapshot. README.md in this folder says what a snapshot holds.
/// </remarks>
/// <param name="clock">Stamps the snapshot and paces the log copy.</param>
public sealed class PostgresSource(TimeProvider clock)
{
    /// <summary>What snapshots of this source say in <see cref="SnapshotDescription.SourceKind"/>.</summary>
    public const string Kind = "postgres";

    /// <summary>The tag that names the restore point behind a backup, where one was made.</summary>
    public const string RestorePointTag = "restore-point";

    /// <summary>The tag that says whether pages carried checksums.</summary>
    internal const string ChecksumsTag = "page-checksums";

    internal const string DataName = "data";
    internal const string WalName = "wal";
    internal const string TablespacesName = "tablespaces";
    internal const string LabelName = "backup_label";
    internal const string MapName = "tablespace_map";
    internal const string FactsName = "backup.json";
    internal const string ContentName = "content.json";

    /// <summary>Level 3 takes no more time than 1 does, with pages.</summary>
    internal static readonly WriterOptions FirstOptions = new() { CompressionLevel = 3 };

    private static readonly WriterOptions LaterOptions = new() { CompressionLevel = 9, TypedFrameBytes = 8 << 20 };

    /// <summary>Backs up and commits.</summary>
    /// <param name="vault">Where to; a backup key is enough.</param>
    /// <param name="request">What.</param>
    /// <param name="options">How the vault compresses and packs; null for what suits: a first backup shall be done soon, what changed later shall be small.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up; then there is no snapshot.</param>
    /// <remarks>
    /// (1) check the server (2) reserve log (3) enter backup mode (4) read all files (5) leave backup mode (6) collect the log
    /// (7) commit. A server on another machine sends its files instead: <see cref="StreamedBackup"/>. Pages that the server's own disk holds damaged make the outcome partial and are named.
    /// </remarks>
    /// <exception cref="SourcesException">ServerUnavailable, ServerUnsuitable, WalMissing, or files that this user may not read.</exception>
    /// <exception cref="VaultException">The vault or its store failed; then there is no snapshot.</exception>
    public async Task<BackupOutcome> BackupAsync(
        OpenVault vault, PostgresBackupRequest request, WriterOptions? options, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentException.ThrowIfNullOrEmpty(request.Asset);
        ArgumentOutOfRangeException.ThrowIfLessThan(request.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Workers, 64);
        if (request.RestorePoint is { } restorePoint && Encoding.UTF8.GetByteCount(restorePoint) is 0 or > PostgresBackupRequest.RestorePointBytesMax)
            throw new ArgumentException($"A restore point's name has 1 to {PostgresBackupRequest.RestorePointBytesMax} bytes.", nameof(request));
        ArgumentOutOfRangeException.ThrowIfNegative(request.RecordMebibytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.RecordMebibytes, ContentRecorder.SampleMebibytesMax);

        if (request.Streamed ?? WireSettings.IsElsewhere(request.ConnectionString))
            return await new StreamedBackup(clock).RunAsync(vault, request, options, progress, cancel);

        var started = clock.GetUtcNow();
        var problems = new ProblemList();
        using var counters = new TransferCounters(progress, clock);
        using var cache = UnchangedCache.Open(request.CacheFolder, vault.Id, request.Asset);
        await using var session = await BackupSession.OpenAsync(request.ConnectionString, cancel);                   // (1)
        var server = session.Server;
        // Before backup mode, so that the server's log is not held up while an index is loaded.
        await using var writer = await vault.BeginSnapshotAsync(options ?? (cache.Before.Root.IsEmpty ? FirstOptions : LaterOptions), cancel);
        var isLogKept = await session.ReserveLogAsync($"backup_{Guid.NewGuid():N}", cancel);                         // (2)
        await using var pace = new BackupPace(session, request.Workers, clock, cancel);
        var start = await session.StartAsync($"backup of {request.Asset}", request.SpreadCheckpoint, cancel);                                  // (3)

        counters.Enter(TransferPhase.Copying);
        var listing = new ClusterListing(server);
        using var data = listing.Read();
        var wal = new WalCollector(server, data.Directories[ClusterRules.WalDirectory].Opened, writer, counters, clock);
        var files = data.AllFiles().Concat(listing.Tablespaces.SelectMany(tablespace => tablespace.Files.AllFiles())).ToList();
        counters.BytesTotal = files.Sum(file => file.Bytes);
        var pageChunkBytes = PageChunks.BytesFor(files.Where(file => file.Relation is not null).Sum(file => file.Bytes));
        var reader = new ClusterReader(server, start, pageChunkBytes, writer, problems, counters, pace, clock);
        var remembered = new ClusterCache(cache);
        remembered.Recall(data, listing.Tablespaces);
        reader.Summary = await SummaryAsync(vault, cache, session, start, cancel);
        await using var recording = new ContentRecording(request, clock, cancel);
        recording.Start();
        if (!request.FullSpeed)
            pace.Begin();
        try
        {
            await ReadAsync(reader, wal, files, start, isLogKept, request.Workers, cancel);                          // (4)
            var control = reader.ReadControlFile(data.Directories["global"], cancel);
            await recording.Done;
            await pace.EndAsync();
            var end = await session.StopAsync(cancel);                                                               // (5)
            var consistentAt = clock.GetUtcNow();

            counters.Enter(TransferPhase.Finishing);
            server.CheckTimeline(await session.ReadTimelineAsync(cancel));
            var segments = wal.Collect(start, end.Stop, cancel);                                                     // (6)
            var point = ConsistencyPoint.Of(server, start, end.Stop, segments);
            var root = Root(reader, data, listing, control, segments, end, FactsDocument.Of(server, point, Locations(listing))) with { Content = await recording.FinishAsync(end.Stop, problems) };
            var outcome = await root.CommitAsync(writer, request, point, started, consistentAt, counters, problems, cancel);   // (7)
            remembered.Keep(data, listing.Tablespaces, outcome.SnapshotId);
            return outcome;
        }
        finally
        {
            foreach (var tablespace in listing.Tablespaces)
                tablespace.Files.Dispose();
        }
    }

    private static async Task ReadAsync(
        ClusterReader reader, WalCollector wal, List<ClusterFile> files, Lsn start, bool isLogKept, int workers, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var follow = isLogKept ? Task.CompletedTask : Task.Run(() => wal.FollowAsync(start, stop.Token), CancellationToken.None);
        try
        {
            await reader.ReadFilesAsync(files, workers, cancel);
        }
        finally
        {
            await stop.CancelAsync();
            await follow;
        }
    }

    /// <summary>What the server says changed between the backup that the cache remembers and this one; null when it cannot say so for all of it.</summary>
    private async Task<LogSummary?> SummaryAsync(OpenVault vault, UnchangedCache cache, BackupSession session, Lsn start, CancellationToken cancel)
    {
        var server = session.Server;
        // A standby's backup may begin where the last one did, and hold younger pages.
        if (server.IsStandby || server.VersionNumber < LogSummary.VersionMin || cache.Before.Snapshot is not { } snapshot)
            return null;
        return await FindAsync(vault, snapshot, cancel) is { } earlier && ConsistencyPoint.Find(earlier) is { } point
            && point.SystemIdentifier == server.SystemIdentifier && point.Timeline == server.Timeline && point.Stop <= start
            // Turning checksums on or off rewrites pages without log.
            && earlier.Tags.GetValueOrDefault(ChecksumsTag) == ChecksumsText(server.HasChecksums)
            ? await session.SummarizeAsync(point.Start, start, clock, cancel)
            : null;
    }

    private static async Task<SnapshotInfo?> FindAsync(OpenVault vault, SnapshotId snapshot, CancellationToken cancel)
    {
        try
        {
            return await vault.ReadSnapshotAsync(snapshot, cancel);
        }
        catch (VaultException e) when (e.Fault == VaultFault.NotFound)
        {
            return null;
        }
    }

    internal static string ChecksumsText(bool areOn) => areOn ? "on" : "off";

    /// <summary>The control file, which is read last, joins the others.</summary>
    private static SnapshotRoot Root(
        ClusterReader reader, ClusterDirectory data, ClusterListing listing, TreeEntry control, IReadOnlyList<TreeEntry> segments, BackupEnd end, FactsDocument facts)
    {
        var folder = reader.Describe(data.Status, [], EntryType.Directory);
        var tablespaces = listing.Tablespaces.Select(tablespace =>
            reader.Describe(tablespace.Files.Status, ByteText.Encode(tablespace.ObjectId.ToString(CultureInfo.InvariantCulture)), EntryType.Directory) with { Subtree = reader.Store(tablespace.Files) });
        data.Directories["global"].Files.Add(new ClusterFile(data.Directories["global"], control.Name.ToArray(), null, control.Size) { Entry = control });
        return new SnapshotRoot(folder, reader.Store(data), segments, [.. tablespaces], end.Label, end.TablespaceMap, facts);
    }

    private static Dictionary<string, string> Locations(ClusterListing listing) =>
        listing.Tablespaces.ToDictionary(tablespace => tablespace.ObjectId.ToString(CultureInfo.InvariantCulture), tablespace => tablespace.Location);
}
