using System.Globalization;
using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Backup.Sources.Postgres.Dumps;
using Backup.Sources.Restoring;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files;

/// <summary>Brings snapshots of file trees back.</summary>
/// <param name="clock">Stamps the outcome.</param>
public sealed class FilesRestore(TimeProvider clock)
{
    /// <summary>Restores, or with <see cref="FilesRestoreRequest.DryRun"/> says what a restore would do.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="snapshot">Which snapshot; made by <see cref="FilesSource"/>.</param>
    /// <param name="request">Where to and what.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up. What was written stays, and the same request continues.</param>
    /// <remarks>
    /// Killed at any moment, the same request continues: finished files are recognised by size and time (the time is set after the last
    /// byte), or after a restart of the machine by their content. Content is checked against its chunk ids, and everything is durable,
    /// before the mark in the target goes. The mark stays when files could not be restored, or have to wait: once the cause is gone, the same request
    /// brings those.
    /// </remarks>
    /// <exception cref="SourcesException">TargetNotEmpty, SnapshotUnsuitable, PatternInvalid, DiskFull, or the target cannot be made.</exception>
    /// <exception cref="VaultException">The vault cannot be read at all. Single damaged chunks fail only their files.</exception>
    public async Task<RestoreOutcome> RestoreAsync(
        OpenVault vault, SnapshotId snapshot, FilesRestoreRequest request, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfLessThan(request.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Workers, 64);
        _ = new IncludeRules(request.Include); // a pattern that cannot be read is told before the vault is asked
        using var counters = new TransferCounters(progress, clock);
        var info = await vault.ReadSnapshotAsync(snapshot, cancel);
        if (info.SourceKind is not (FilesSource.Kind or PostgresDumpSource.Kind))
        {
            throw new SourcesException(
                SourcesFault.SnapshotUnsuitable, $"Snapshot {snapshot} is of kind {info.SourceKind}, not {FilesSource.Kind}.", "Restore it as what it is.");
        }

        var roots = PathsOf(info);
        var include = new IncludeRules(request.Include, request.Subtree is null ? roots : [.. roots, ByteText.Encode(request.Subtree.TrimEnd('/'))]);
        using var reader = await vault.OpenReaderAsync(cancel);
        var (root, path) = await FindSubtreeAsync(reader, info, request.Subtree, cancel);
        if (request.Include.Count == 0 && request.Subtree is null && info.SealedProperties.TryGetValue(FilesSource.BytesProperty, out var bytes))
            counters.BytesTotal = long.Parse(bytes, CultureInfo.InvariantCulture);

        var counts = new RestoreCounts();
        var problems = new ProblemList();
        using var target = OpenTarget(request);
        var mark = target is null ? RestoreMarkState.None : RestoreMark.Check(target, request.Target, snapshot, request.Overwrite || request.DryRun);
        if (target is not null && !request.DryRun)
            RestoreMark.Set(target, request.Target, snapshot, overwrites: request.Overwrite || mark == RestoreMarkState.InterruptedUnsure);

        counters.Enter(TransferPhase.Copying);
        var isRoot = Libc.EffectiveUser() == 0;
        if (!isRoot)
            problems.Add(request.Target, ItemProblemKind.Note, "Restored files belong to the user who runs this, who is not root.");
        var settings = new RestoreSettings
        {
            Overwrite = request.Overwrite || request.DryRun || mark == RestoreMarkState.InterruptedUnsure,
            TrustTimes = mark == RestoreMarkState.Interrupted,
            DryRun = request.DryRun,
            Sync = request.Sync,
            Workers = request.Workers,
            MustWait = request.IsWaiting is { } isWaiting ? content => reader.PacksOf(content.Parts).Any(isWaiting) : null,
            Owner = isRoot ? new OwnersByName().Of : null,
        };
        var restore = new TreeRestore(reader, settings, counts, problems, counters, new Idle<RestoreSlice>()) { IsOnlyOnTheWay = OnTheWay(roots) };
        await restore.RunAsync(root, target, path, include, cancel);
        if (target is not null && !request.DryRun && counts is { FilesFailed: 0, FilesWaiting: 0 })
            RestoreMark.Clear(target, request.Target);
        return RestoreOutcome.Of(request.Target, counts, problems, clock.GetUtcNow()) with { ItemsMatched = counters.ItemsDone };
    }

    private static async Task<(TreeId Root, byte[] Path)> FindSubtreeAsync(VaultReader reader, SnapshotInfo info, string? subtree, CancellationToken cancel)
    {
        var root = info.Root!.Value;
        var path = "/"u8.ToArray();
        foreach (var component in ByteText.Split(ByteText.Encode(subtree ?? "")))
        {
            var entries = await reader.ReadTreeAsync(root, cancel);
            path = ByteText.Join(path, component);
            root = entries.FirstOrDefault(entry => entry.Name.Span.SequenceEqual(component))?.Subtree
                ?? throw new SourcesException(
                    SourcesFault.PathMissing, $"Snapshot {info.Id} has no folder {ByteText.Display(path)}.", "List the snapshot to see what it holds.");
        }

        return (root, path);
    }

    private static Descriptor? OpenTarget(FilesRestoreRequest request)
    {
        if (!request.Target.StartsWith('/'))
            throw new ArgumentException($"The target \"{request.Target}\" is not an absolute path.", nameof(request));
        var error = request.DryRun ? Errno.None : SafePath.MakeDirectory(request.Target);
        Descriptor? target = null;
        if (!error.IsError)
            error = SafePath.OpenDirectory(request.Target, out target);
        if (request.DryRun && error == Errno.NoEntry)
            return null;
        return error.IsError ? throw error.Failure("open the target", request.Target) : target;
    }

    /// <summary>What the backup was asked for; empty where the snapshot does not say.</summary>
    internal static byte[][] PathsOf(SnapshotInfo info) =>
        info.SealedProperties.TryGetValue(FilesSource.PathsProperty, out var joined)
            ? [.. joined.Split('\n').Select(one => ByteText.Encode(one.TrimEnd('/')))]
            : [];

    private static Func<byte[], bool> OnTheWay(byte[][] paths) =>
        directory => paths.Any(path => path.Length > directory.Length && path.AsSpan().StartsWith(directory) && path[directory.Length] == (byte)'/');
}
