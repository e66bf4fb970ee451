using System.Globalization;
using System.Text;
using Backup.Sources.Files.Scanning;
using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files;

/// <summary>Backs up file trees with all that Linux keeps about files.</summary>
/// <param name="clock">Stamps the snapshot, and decides which files are too fresh to be remembered as unchanged.</param>
public sealed class FilesSource(TimeProvider clock)
{
    /// <summary>What snapshots of this source say in <see cref="SnapshotDescription.SourceKind"/>.</summary>
    public const string Kind = "files";

    /// <summary>The sealed property that holds how many bytes of files a snapshot has.</summary>
    internal const string BytesProperty = "bytes";

    /// <summary>The sealed property that holds the request's paths, one per line; left out when they are too long for it.</summary>
    internal const string PathsProperty = "paths";

    /// <summary>Backs up and commits. What cannot be read is reported in the outcome and does not stop the rest.</summary>
    /// <param name="vault">Where to; a backup key is enough.</param>
    /// <param name="request">What.</param>
    /// <param name="options">How the vault compresses and packs.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up; then there is no snapshot.</param>
    /// <exception cref="SourcesException">PathMissing when none of the paths exists; PatternInvalid.</exception>
    /// <exception cref="VaultException">The vault or its store failed; then there is no snapshot.</exception>
    public async Task<BackupOutcome> BackupAsync(
        OpenVault vault, FilesBackupRequest request, WriterOptions options, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        Check(request);

        var started = clock.GetUtcNow();
        var problems = new ProblemList();
        using var counters = new TransferCounters(progress, clock);
        using var cache = UnchangedCache.Open(request.CacheFolder, vault.Id, request.Asset);
        await using var writer = await vault.BeginSnapshotAsync(options, cancel);

        counters.Enter(TransferPhase.Copying);
        var scan = new FileTreeScan(request, writer, problems, counters, cache.Next, started, cancel);
        var root = await EstimateWhileAsync(request, counters, () => scan.RunAsync(cache.Before.Root, cancel));

        counters.Enter(TransferPhase.Finishing);
        var snapshot = await writer.CommitAsync(Describe(request, cache.Before.Snapshot, started, counters, problems), root, cancel);
        cache.Next?.TryKeep(scan.RootRecordOffset, snapshot.Id);
        return BackupOutcome.Of(snapshot, started, started, writer, counters, problems) with
        {
            ItemsChangedWhileRead = problems.Count(ItemProblemKind.ChangedWhileRead),
        };
    }

    private static async Task<TreeId> EstimateWhileAsync(FilesBackupRequest request, TransferCounters counters, Func<Task<TreeId>> scan)
    {
        if (!request.EstimateTotal)
            return await scan();
        using var isDone = new CancellationTokenSource();
        var estimate = Task.Run(() => counters.BytesTotal = new SizeEstimate(request, isDone.Token).Measure(), CancellationToken.None);
        try
        {
            return await scan();
        }
        finally
        {
            await isDone.CancelAsync();
            await estimate;
        }
    }

    private static void Check(FilesBackupRequest request)
    {
        ArgumentException.ThrowIfNullOrEmpty(request.Asset);
        ArgumentOutOfRangeException.ThrowIfZero(request.Paths.Count);
        ArgumentOutOfRangeException.ThrowIfLessThan(request.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Workers, 64);
        if (!request.Paths.Any(Exists))
        {
            throw new SourcesException(
                SourcesFault.PathMissing,
                $"Nothing to back up: {string.Join(", ", request.Paths)} cannot be found.",
                "Check the paths of the asset, that the disk is mounted, and that this user may enter the folders above.");
        }
    }

    private static bool Exists(string path)
    {
        if (!path.StartsWith('/'))
            throw new ArgumentException($"\"{path}\" is not an absolute path.", nameof(path));
        var components = ByteText.Split(ByteText.Encode(path));
        var error = SafePath.OpenDirectory(components.Count == 0 ? "/"u8 : components.SkipLast(1).Aggregate("/"u8.ToArray(), static (parent, name) => ByteText.Join(parent, name)), out var parent);
        using (parent)
            return !error.IsError && (components.Count == 0 || !parent!.Status(components[^1], out _).IsError);
    }

    private static SnapshotDescription Describe(FilesBackupRequest request, SnapshotId? parent, DateTimeOffset started, TransferCounters counters, ProblemList problems) => new()
    {
        Asset = request.Asset,
        Parent = parent,
        SourceKind = Kind,
        ConsistentAt = started,
        Tags = request.Tags,
        SealedProperties = Properties(request, counters),
        ItemsTotal = counters.ItemsDone,
        ItemsUnreadable = problems.Count(ItemProblemKind.Unreadable),
    };

    private static Dictionary<string, string> Properties(FilesBackupRequest request, TransferCounters counters)
    {
        var properties = new Dictionary<string, string> { [BytesProperty] = counters.BytesDone.ToString(CultureInfo.InvariantCulture) };
        var paths = string.Join('\n', request.Paths);
        if (Encoding.UTF8.GetByteCount(paths) <= SnapshotDescription.TextBytesMax)
            properties.Add(PathsProperty, paths);
        return properties;
    }
}
