using Backup.Sources.Files.Unchanged;
using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files.Scanning;

/// <summary>Walks the request's paths with several threads and stores every directory's tree, children before parents.</summary>
internal sealed class FileTreeScan
{
    /// <summary>
    /// A file whose status changed this shortly before the walk began, or after, is not remembered as unchanged: file systems' clocks are
    /// coarse and a second change could leave the same times. Its modification time does not count: programs set it as they like.
    /// </summary>
    private const long FreshNanoseconds = 3_000_000_000;

    private static readonly byte[] CacheTagName = "CACHEDIR.TAG"u8.ToArray();

    private readonly FilesBackupRequest _request;
    private readonly SnapshotWriter _writer;
    private readonly ProblemList _problems;
    private readonly TransferCounters _counters;
    private readonly ExcludeRules _excludes;
    private readonly EntryReader _reader;
    private readonly CacheWriter? _cacheWriter;
    private readonly Idle<CacheRecordBuilder> _idleRecords = new();
    private readonly long _freshFrom;
    private readonly JobPool _jobs = new();
    private readonly CancellationTokenSource _stop;
    private Exception? _failure;
    private TreeId? _root;

    internal FileTreeScan(
        FilesBackupRequest request,
        SnapshotWriter writer,
        ProblemList problems,
        TransferCounters counters,
        CacheWriter? cacheWriter,
        DateTimeOffset startedAt,
        CancellationToken cancel)
    {
        _request = request;
        _writer = writer;
        _problems = problems;
        _counters = counters;
        _excludes = new ExcludeRules(request.Excludes);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        _reader = new EntryReader(writer, problems, counters, _stop.Token);
        _cacheWriter = cacheWriter;
        _freshFrom = ((startedAt - DateTimeOffset.UnixEpoch).Ticks * 100) - FreshNanoseconds;
    }

    /// <summary>Where the top directory's record is in the new cache.</summary>
    internal long RootRecordOffset { get; private set; }

    /// <exception cref="SourcesException">None of the paths exists.</exception>
    internal async Task<TreeId> RunAsync(CachedDirectory cached, CancellationToken cancel)
    {
        _jobs.Add(new DirectoryJob(null, 0, [], "/"u8.ToArray(), 1, PathNode.Of(_request.Paths)) { Cached = cached });
        await using (_stop.Token.Register(_jobs.Stop))
            await Task.WhenAll(Enumerable.Range(0, _request.Workers).Select(_ => Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        _stop.Dispose();
        _jobs.CloseAbandoned();
        cancel.ThrowIfCancellationRequested();
        if (_failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
        return _root ?? throw new SourcesException(SourcesFault.PathMissing, "The top directory cannot be read.", "Run as a user who may list /.");
    }

    private void Work()
    {
        DirectoryJob? job = null;
        try
        {
            while ((job = _jobs.Take(out var isNew)) is not null)
            {
                if (isNew && !Open(job))
                    continue;
                while (job.TryClaim(out var index))
                {
                    _stop.Token.ThrowIfCancellationRequested();
                    TakeEntry(job, index);
                }
            }
        }
        catch (Exception error)
        {
            // The first failure is the reason; what it causes in other threads is not.
            Interlocked.CompareExchange(ref _failure, error, null);
            _jobs.Abandon(job);
            _stop.Cancel();
        }
    }

    /// <summary>False when the directory is already finished: empty, or not to be read.</summary>
    private bool Open(DirectoryJob job)
    {
        var error = OpenDirectory(job, out var status);
        List<DirectoryEntry> entries = [];
        if (!error.IsError && !StaysOutside(job, status))
            error = job.Preset is { IsWanted: false } preset ? List(preset, entries) : DirectoryListing.Read(job.Directory!, out entries);
        job.Status = status;
        if (error.IsError)
        {
            Fail(job, error);
            return false;
        }

        var directory = job.Directory!;
        if (job.Preset is { IsWanted: true } || job.Parent is null)
            job.RootDevice = status.Device;
        FileStamp? none = null;
        job.Attributes = _reader.AttributesOf(directory, job.Path, [], ref none);
        if (_request.SkipCacheDirectories && IsCacheDirectory(directory, entries))
            entries.RemoveAll(static entry => !entry.Name.AsSpan().SequenceEqual(CacheTagName));
        if (!_excludes.IsEmpty && job.Preset is not { IsWanted: false })
            entries.RemoveAll(entry => _excludes.Excludes(ByteText.Join(job.Path, entry.Name), job.RootLength, IsDirectory(directory, entry)));
        job.Begin(entries);
        if (entries.Count == 0)
        {
            directory.Dispose();
            Finish(job);
            return false;
        }

        _jobs.Begun(job);
        return true;
    }

    private static Errno OpenDirectory(DirectoryJob job, out FileStatus status)
    {
        Descriptor? directory;
        Errno error;
        status = default;
        if (job.Parent is null)
        {
            error = Descriptor.OpenRoot(out directory);
        }
        else
        {
            var parent = job.Parent.Directory!;
            // What only leads to a wanted path is taken as the person wrote it, through links.
            error = job.Preset is { IsWanted: false }
                ? Descriptor.Open(parent.Number, job.Name, Libc.ReadOnly | Libc.DirectoryOnly, 0, out directory)
                : parent.OpenDirectory(job.Name, out directory);
            if (error.IsError)
                _ = parent.Status(job.Name, out status);
            job.Parent.ReleaseDescriptor();
        }

        job.Directory = directory;
        return error.IsError ? error : directory!.Status(out status);
    }

    private bool StaysOutside(DirectoryJob job, in FileStatus status) =>
        _request.OneFileSystem && job.Preset is null && status.Device != job.RootDevice;

    private static Errno List(PathNode preset, List<DirectoryEntry> entries)
    {
        entries.AddRange(preset.Children.Select(child => new DirectoryEntry(child.Key, child.Value.IsWanted ? FileType.Unknown : FileType.Directory, 0)));
        return Errno.None;
    }

    private static bool IsDirectory(Descriptor directory, in DirectoryEntry entry) =>
        entry.Type == FileType.Directory
        || (entry.Type == FileType.Unknown && !directory.Status(entry.Name, out var status).IsError && status.Type == FileType.Directory);

    internal static bool IsCacheDirectory(Descriptor directory, List<DirectoryEntry> entries)
    {
        if (!entries.Exists(static entry => entry.Name.AsSpan().SequenceEqual(CacheTagName)))
            return false;
        if (directory.OpenForReading(CacheTagName, out var tag).IsError)
            return false;
        using (tag)
        {
            var signature = "Signature: 8a477f597d28d172789f06886806bc55"u8;
            var start = new byte[signature.Length];
            return !tag!.ReadFully(start, 0, out _).IsError && start.AsSpan().SequenceEqual(signature);
        }
    }

    private void TakeEntry(DirectoryJob job, int index)
    {
        var entry = job.Entries[index];
        if (IsDirectory(job.Directory!, entry))
        {
            PathNode? preset = null;
            if (job.Preset is { IsWanted: false } parent)
                preset = parent.Children.First(child => child.Key.AsSpan().SequenceEqual(entry.Name)).Value;
            var path = ByteText.Join(job.Path, entry.Name);
            _jobs.Add(new DirectoryJob(job, index, entry.Name, path, preset is null ? job.RootLength : path.Length, preset)
            {
                RootDevice = job.RootDevice,
                Cached = job.CachedEntries?[index]?.Directory ?? default,
            });
            return;
        }

        if (job.Preset is { IsWanted: false } && job.Directory!.Status(entry.Name, out _) is { IsError: true } error)
        {
            // A path that a person asked for by name and that is not there makes the backup partial, unlike one that came and went.
            _problems.Add(ByteText.Join(job.Path, entry.Name), ItemProblemKind.Unreadable, $"{error}.");
        }
        else
        {
            job.Results[index] = NoteTime(job.Path, _reader.Read(job, index, out job.Stamps[index]));
            if (job.Preset is { IsWanted: false } && job.Results[index] is { Type: EntryType.SymbolicLink })
                _problems.Add(ByteText.Join(job.Path, entry.Name), ItemProblemKind.Note, "It is a symbolic link: the link is protected, not what it points to.");
        }

        job.ReleaseDescriptor();
        if (job.FinishEntry())
            Finish(job);
    }

    /// <summary>Stores the directory and, when it was its parent's last entry, the parent, and so on up: a loop, since trees may be very deep.</summary>
    private void Finish(DirectoryJob job)
    {
        for (var current = job; current is not null;)
        {
            var tree = _writer.AddTree([.. current.Results.OfType<TreeEntry>()]);
            var entry = _reader.Describe(current.Name, current.Status) with { Subtree = tree, Attributes = current.Attributes };
            current = Deliver(current, NoteTime(current.Path, entry)) ? current.Parent : null;
        }
    }

    private TreeEntry? NoteTime(ReadOnlySpan<byte> folder, TreeEntry? entry)
    {
        if (entry?.ModifiedNanoseconds is long.MinValue or long.MaxValue)
        {
            _problems.Add(
                entry.Type == EntryType.Directory ? folder : ByteText.Join(folder, entry.Name.Span), ItemProblemKind.Note,
                "Its modification time is beyond the years 1677 to 2262 and is kept as the nearest time within.");
        }

        return entry;
    }

    private void Fail(DirectoryJob job, Errno error)
    {
        job.Directory?.Dispose();
        var isGone = error.IsVanished && job.Preset is null;
        _problems.Add(job.Path, isGone ? ItemProblemKind.Vanished : ItemProblemKind.Unreadable, isGone ? "It was removed before it could be read." : $"{error}.");
        var entry = job.Status.Type == FileType.Directory ? _reader.Describe(job.Name, job.Status) with { Notes = EntryNotes.Unreadable } : null;
        if (Deliver(job, entry))
            Finish(job.Parent!);
    }

    /// <summary>True when the parent is complete now.</summary>
    private bool Deliver(DirectoryJob job, TreeEntry? entry)
    {
        _counters.AddItem();
        var record = WriteCacheRecord(job);
        var completes = false;
        if (job.Parent is { } parent)
        {
            parent.Results[job.Slot] = entry;
            parent.RecordOffsets[job.Slot] = record;
            completes = parent.FinishEntry();
        }
        else
        {
            _root = entry?.Subtree;
            RootRecordOffset = record;
        }

        _jobs.Finished();
        return completes;
    }

    private long WriteCacheRecord(DirectoryJob job)
    {
        if (_cacheWriter is null)
            return 0;
        if (!_idleRecords.TryTake(out var record))
            record = new CacheRecordBuilder();
        for (var i = 0; i < job.Entries.Count; i++)
        {
            if (job.RecordOffsets[i] > 0)
                record.AddDirectory(job.Entries[i].Name, job.RecordOffsets[i]);
            else if (job.Results[i] is { } result && job.Stamps[i] is { } stamp && stamp.ChangedNanoseconds < _freshFrom)
                record.AddFile(job.Entries[i].Name, stamp, Remember(job, i, result, stamp));
        }

        var offset = record.Finish(_cacheWriter);
        _idleRecords.Return(record);
        return offset;
    }

    private static ReadOnlySpan<byte> Remember(DirectoryJob job, int index, TreeEntry result, in FileStamp stamp) =>
        job.IsReused[index] && job.CachedEntries![index]!.Value.TryMatch(stamp, out var remembered) ? remembered : CachedPayload.Write(result);
}
