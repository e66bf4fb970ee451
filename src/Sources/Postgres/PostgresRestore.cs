using System.Globalization;
using System.Text;
using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Backup.Sources.Restoring;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>Makes a data directory out of a snapshot of <see cref="PostgresSource"/>; <c>postgres -D</c> then recovers it to consistency.</summary>
/// <param name="clock">Stamps the outcome.</param>
public sealed class PostgresRestore(TimeProvider clock)
{
    private const string ControlPattern = "/" + ClusterListing.ControlFilePath;
    private const uint PrivateDirectory = 0x1C0;

    /// <summary>Restores.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="snapshot">Which snapshot.</param>
    /// <param name="request">Where to.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up. What was written stays, and the same request continues.</param>
    /// <remarks>
    /// (1) tablespaces (2) the cluster without pg_control (3) the log (4) label and tablespace map (5) pg_control: a server refuses to
    /// start without it, so that nobody can start half a restore.
    /// </remarks>
    /// <exception cref="SourcesException">TargetNotEmpty, SnapshotUnsuitable, DiskFull, or DataDamaged when anything could not be restored: half a cluster is none.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public Task<RestoreOutcome> RestoreAsync(
        OpenVault vault, SnapshotId snapshot, PostgresRestoreRequest request, IProgress<TransferProgress>? progress, CancellationToken cancel) =>
        RestoreAsync(vault, snapshot, request, static (_, _) => Task.CompletedTask, progress, cancel);

    // The extra argument adds to the data directory, for its owner, before it can be started.
    internal async Task<RestoreOutcome> RestoreAsync(
        OpenVault vault, SnapshotId snapshot, PostgresRestoreRequest request, Func<Descriptor, (uint User, uint Group)?, Task> configure,
        IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfLessThan(request.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Workers, 64);
        var target = request.Target.TrimEnd('/');
        if (!target.StartsWith('/'))
            throw new ArgumentException($"The target \"{request.Target}\" is not an absolute path.", nameof(request));

        using var counters = new TransferCounters(progress, clock);
        var info = await vault.ReadSnapshotAsync(snapshot, cancel);
        if (info.SourceKind != PostgresSource.Kind)
            throw new SourcesException(SourcesFault.SnapshotUnsuitable, $"Snapshot {snapshot} is of kind {info.SourceKind}, not {PostgresSource.Kind}.", "Restore it as what it is.");
        using var reader = await vault.OpenReaderAsync(cancel);
        var parts = (await reader.ReadTreeAsync(info.Root!.Value, cancel)).ToDictionary(entry => Encoding.UTF8.GetString(entry.Name.Span));
        var owner = TargetOwner.Find(request.Owner, target);
        if (request.Overwrite)
        {
            InPlaceTarget.Check(target, info);
            request = request with { Tablespaces = new Dictionary<uint, string>(InPlaceTarget.Tablespaces(target).Where(now => !request.Tablespaces.ContainsKey(now.Key)).Concat(request.Tablespaces)) };
        }

        var session = new Session(reader, request, owner, snapshot, counters);

        counters.Enter(TransferPhase.Copying);
        using var data = session.Prepare(target);
        if (request.Overwrite)
            InPlaceTarget.MakeUnstartable(target);
        var locations = await RestoreTablespacesAsync(session, parts, target, cancel);                                             // (1)
        await session.RestoreAsync(Subtree(parts, PostgresSource.DataName), data, "/", ["!" + ControlPattern], cancel);            // (2)
        if (request.Overwrite)
            await InPlaceTarget.RemoveRestAsync(reader, Subtree(parts, PostgresSource.DataName), target, isShared: false, cancel);
        await RestoreLogAsync(session, parts, data, cancel);                                                                       // (3)
        WriteLinks(session, data, target, locations);
        await WriteFileAsync(session, data, parts[PostgresSource.LabelName], content => content, cancel);                          // (4)
        if (parts.TryGetValue(PostgresSource.MapName, out var map))
            await WriteFileAsync(session, data, map, content => TablespaceMap.Rewrite(content, locations), cancel);
        session.ThrowIfIncomplete();
        await configure(data, owner);
        await session.RestoreAsync(Subtree(parts, PostgresSource.DataName), data, "/", [ControlPattern], cancel);                  // (5)
        session.ThrowIfIncomplete();
        var outcome = session.Outcome(target, clock.GetUtcNow());
        request.WhenInPlace?.Invoke(outcome);
        foreach (var location in locations.Values)
            Session.Finish(location);
        Session.Finish(target);
        return outcome;
    }

    /// <summary>Ends a restore that died between <see cref="PostgresRestoreRequest.WhenInPlace"/> and its end. Nothing happens to one that ended.</summary>
    /// <exception cref="SourcesException">The mark cannot be removed.</exception>
    public static void Unmark(string target)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        var tablespaces = target.TrimEnd('/') + ".tablespaces";
        foreach (var place in (string[])[.. Directory.Exists(tablespaces) ? Directory.GetDirectories(tablespaces) : [], target])
        {
            if (Directory.Exists(place))
                Session.Finish(place);
        }
    }

    private static async Task<Dictionary<uint, string>> RestoreTablespacesAsync(
        Session session, Dictionary<string, TreeEntry> parts, string target, CancellationToken cancel)
    {
        var locations = new Dictionary<uint, string>();
        if (!parts.ContainsKey(PostgresSource.TablespacesName))
            return locations;
        foreach (var tablespace in await session.Reader.ReadTreeAsync(Subtree(parts, PostgresSource.TablespacesName), cancel))
        {
            var objectId = uint.Parse(Encoding.ASCII.GetString(tablespace.Name.Span), NumberStyles.None, CultureInfo.InvariantCulture);
            var location = session.Request.Tablespaces.GetValueOrDefault(objectId)
                ?? string.Create(CultureInfo.InvariantCulture, $"{target}.tablespaces/{objectId}");
            locations.Add(objectId, location);
            using var place = session.Prepare(location);
            await session.RestoreAsync(tablespace.Subtree!.Value, place, $"/{PostgresSource.TablespacesName}/{objectId}", [], cancel);
            if (session.Request.Overwrite)
                await InPlaceTarget.RemoveRestAsync(session.Reader, tablespace.Subtree!.Value, location, isShared: true, cancel);
        }

        return locations;
    }

    private static async Task RestoreLogAsync(Session session, Dictionary<string, TreeEntry> parts, Descriptor data, CancellationToken cancel)
    {
        var error = data.OpenDirectory("pg_wal"u8, out var log);
        using (log)
        {
            if (error.IsError)
                throw error.Failure("open pg_wal in", session.Request.Target);
            await session.RestoreAsync(Subtree(parts, PostgresSource.WalName), log!, "/pg_wal", [], cancel);
        }
    }

    /// <summary>The server makes these from the map as well; they are made so that tools see the tablespaces before the first start.</summary>
    private static void WriteLinks(Session session, Descriptor data, string target, Dictionary<uint, string> locations)
    {
        if (locations.Count == 0)
            return;
        var error = data.OpenDirectory("pg_tblspc"u8, out var links);
        using (links)
        {
            foreach (var (objectId, location) in locations)
            {
                if (error.IsError)
                    break;
                var name = ByteText.Encode(objectId.ToString(CultureInfo.InvariantCulture));
                _ = links!.RemoveFile(name);
                error = links!.MakeSymbolicLink(name, ByteText.Encode(location));
                if (!error.IsError && session.Owner is { } owner)
                    error = links!.SetOwner(name, owner.User, owner.Group);
            }
        }

        if (error.IsError)
            throw error.Failure("make the tablespaces' links in", target);
    }

    private static async Task WriteFileAsync(Session session, Descriptor data, TreeEntry entry, Func<string, string> change, CancellationToken cancel)
    {
        await using var stream = await session.Reader.OpenContentAsync(entry.Content!, cancel);
        using var text = new StreamReader(stream, new UTF8Encoding(false));
        var content = Encoding.UTF8.GetBytes(change(await text.ReadToEndAsync(cancel)));
        var error = PrivateFile.Replace(data, entry.Name.Span, content, session.Owner);
        if (error.IsError)
            throw error.Failure("write", $"{session.Request.Target}/{ByteText.Display(entry.Name.Span)}");
    }

    private static TreeId Subtree(Dictionary<string, TreeEntry> parts, string name) =>
        parts.TryGetValue(name, out var entry) && entry.Subtree is { } tree
            ? tree
            : throw new SourcesException(SourcesFault.SnapshotUnsuitable, $"The snapshot has no folder {name}.", "It was not made by this source; restore it as files.");

    /// <summary>What the steps share.</summary>
    private sealed class Session(VaultReader reader, PostgresRestoreRequest request, (uint User, uint Group)? owner, SnapshotId snapshot, TransferCounters counters)
    {
        private readonly RestoreCounts _counts = new();
        private readonly ProblemList _problems = new();

        /// <summary>One tree is restored after another, and takes over the buffers.</summary>
        private readonly Idle<RestoreSlice> _slices = new();
        private bool _isUnsure;

        internal VaultReader Reader => reader;

        internal PostgresRestoreRequest Request => request;

        internal (uint User, uint Group)? Owner => owner;

        /// <summary>Opens an empty (or our own half-restored) directory, made when missing, for its owner only: the server insists.</summary>
        internal Descriptor Prepare(string path)
        {
            var error = SafePath.MakeDirectory(path, owner);
            Descriptor? directory = null;
            if (!error.IsError)
                error = SafePath.OpenDirectory(path, out directory);
            if (!error.IsError && owner is { } account)
                error = directory!.SetOwner(account.User, account.Group);
            if (!error.IsError)
                error = directory!.SetMode(PrivateDirectory);
            if (error.IsError)
                throw error.Failure("make", path);
            _isUnsure |= RestoreMark.Check(directory!, path, snapshot, request.Overwrite) == RestoreMarkState.InterruptedUnsure || request.Overwrite;
            RestoreMark.Set(directory!, path, snapshot, overwrites: _isUnsure);
            return directory!;
        }

        internal Task RestoreAsync(TreeId tree, Descriptor place, string path, string[] include, CancellationToken cancel)
        {
            var settings = new RestoreSettings
            {
                TrustTimes = !_isUnsure,
                Overwrite = _isUnsure,
                Workers = request.Workers,
                Owner = owner is { } account ? _ => account : null,
            };
            return new TreeRestore(reader, settings, _counts, _problems, counters, _slices).RunAsync(tree, place, ByteText.Encode(path), new IncludeRules(include), cancel);
        }

        internal void ThrowIfIncomplete()
        {
            if (_problems.Kept().FirstOrDefault(problem => problem.MakesPartial) is { } first)
            {
                throw new SourcesException(
                    SourcesFault.DataDamaged,
                    $"The cluster could not be restored completely: {_problems.Count(ItemProblemKind.Unreadable)} items failed, the first is {first.Path}: {first.Reason}",
                    "Repair the vault from a replica, or restore from a replica or another snapshot. pg_control was not written, so this copy cannot be started.");
            }
        }

        internal static void Finish(string path)
        {
            var error = SafePath.OpenDirectory(path, out var directory);
            if (error.IsError)
                throw error.Failure("open", path);
            using (directory)
                RestoreMark.Clear(directory!, path);
        }

        internal RestoreOutcome Outcome(string target, DateTimeOffset now) => RestoreOutcome.Of(target, _counts, _problems, now);
    }
}
