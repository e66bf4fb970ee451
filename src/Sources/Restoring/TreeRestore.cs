using Backup.Sources.Patterns;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>
/// Brings one stored tree to disk: (1) walk the tree, make directories, gather files; (2) meanwhile compare, fetch and write what was
/// gathered before, in batches; (3) hard links; (4) directories' own metadata, deepest first, since everything before touches their times;
/// (5) make all of it durable.
/// </summary>
internal sealed class TreeRestore(VaultReader reader, RestoreSettings settings, RestoreCounts counts, ProblemList problems, TransferCounters counters, Idle<RestoreSlice> slices)
{
    /// <summary>Each may open two directories.</summary>
    private const int LinksPerClose = 256;

    private readonly EntryMetadata _metadata = new(settings, problems);
    private readonly Dictionary<ulong, TargetDirectory> _fileSystems = [];
    private readonly List<TargetDirectory> _directories = [];
    private readonly Dictionary<HardLinkKey, (TargetDirectory Directory, byte[] Name)> _firstNames = [];
    private readonly List<(TargetDirectory Directory, TreeEntry Entry)> _links = [];
    private readonly HashSet<HardLinkKey> _waiting = [];

    /// <summary>The batch that is being gathered, and the one before it, at which <see cref="_running"/> works.</summary>
    private FileBatch _batch = new(settings, counts, problems, counters, slices);
    private FileBatch _batchBefore = new(settings, counts, problems, counters, slices);
    private Task _running = Task.CompletedTask;

    /// <summary>Directories for which this is true keep the metadata they have, if they were there before.</summary>
    internal Func<byte[], bool> IsOnlyOnTheWay { get; init; } = static _ => false;

    /// <param name="root">The tree whose entries go into <paramref name="target"/>.</param>
    /// <param name="target">An open directory, not closed; null for one that a dry run would make.</param>
    /// <param name="path">The root's path in the snapshot, which patterns and messages use.</param>
    /// <param name="include">What to take.</param>
    /// <param name="cancel">Gives up; what was written stays.</param>
    internal async Task RunAsync(TreeId root, Descriptor? target, byte[] path, IncludeRules include, CancellationToken cancel)
    {
        var top = new TargetDirectory(target, path);
        if (target is not null && !target.Status(out var status).IsError)
            _fileSystems.Add(status.Device, top);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            await WalkAsync(top, root, include, stop.Token);                                                     // (1)
            await NextBatchAsync(stop.Token);                                                                    // (2)
            await _running;
            _batchBefore.Release();
        }
        finally
        {
            await stop.CancelAsync();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        counters.Enter(TransferPhase.Finishing);
        for (var i = 0; i < _links.Count; i++)                                                                   // (3)
        {
            cancel.ThrowIfCancellationRequested();
            MakeLink(_links[i].Directory, _links[i].Entry);
            if (i % LinksPerClose == 0)
                CloseAll();
        }

        CloseAll();
        FinishDirectories();                                                                                     // (4)
        CloseAll();
        if (settings.Sync && !settings.DryRun)
            MakeDurable();                                                                                       // (5)
        CloseAll();
    }

    private async Task WalkAsync(TargetDirectory top, TreeId root, IncludeRules include, CancellationToken cancel)
    {
        var open = new Stack<(TargetDirectory Directory, IReadOnlyList<TreeEntry> Entries, int Next, bool IsIncluded)>();
        open.Push((top, await reader.ReadTreeAsync(root, cancel), 0, include.Includes(top.SnapshotPath, true, false)));
        while (open.TryPop(out var frame))
        {
            if (frame.Next == frame.Entries.Count)
                continue;
            open.Push(frame with { Next = frame.Next + 1 });
            var entry = frame.Entries[frame.Next];
            if (entry.Type == EntryType.Directory)
            {
                if (TakeDirectory(frame.Directory, entry, include, frame.IsIncluded) is { } directory)
                    open.Push((directory, await reader.ReadTreeAsync(entry.Subtree!.Value, cancel), 0, directory.IsIncluded));
            }
            else if (include.Includes(ByteText.Join(frame.Directory.SnapshotPath, entry.Name.Span), false, frame.IsIncluded))
            {
                await TakeEntryAsync(frame.Directory, entry, cancel);
            }

            if (_batch.IsFull)
                await NextBatchAsync(cancel);
        }
    }

    /// <summary>Waits for the batch before, and sets threads to work at the one that is gathered.</summary>
    private async Task NextBatchAsync(CancellationToken cancel)
    {
        await _running;
        _batchBefore.Release();
        (_batch, _batchBefore) = (_batchBefore, _batch);
        _batchBefore.OpenDirectories();
        var batch = _batchBefore;
        _running = Task.Run(() => batch.RunAsync(reader, cancel), cancel);
    }

    /// <summary>Null when nothing inside is wanted or can be had.</summary>
    private TargetDirectory? TakeDirectory(TargetDirectory parent, TreeEntry entry, IncludeRules include, bool parentIncluded)
    {
        var path = ByteText.Join(parent.SnapshotPath, entry.Name.Span);
        var isIncluded = include.Includes(path, true, parentIncluded);
        if (!isIncluded && !include.MayIncludeBelow(path))
            return null;
        var directory = new TargetDirectory(parent, entry, isIncluded);
        _directories.Add(directory);
        if (isIncluded)
        {
            if (Make(directory) is { IsError: true })
                return null;
            counters.AddItem();
        }

        if (entry.Subtree is null)
        {
            problems.Add(path, ItemProblemKind.Note, "It could not be read when the snapshot was made; it is restored empty.");
            return null;
        }

        return directory;
    }

    private Errno Make(TargetDirectory directory)
    {
        var error = directory.Make(settings);
        if (error.IsFull)
            throw error.Failure("make", ByteText.Display(directory.SnapshotPath));
        if (error.IsError)
            problems.Add(directory.SnapshotPath, ItemProblemKind.Unreadable, $"{error}.");
        for (var kept = directory; kept is not null; kept = kept.Parent)
        {
            if (kept.IsOpen)
                _batch.Keep(kept);
            if (kept.Device is { } device)
                _fileSystems.TryAdd(device, kept);
        }

        return error;
    }

    private async Task TakeEntryAsync(TargetDirectory directory, TreeEntry entry, CancellationToken cancel)
    {
        if (Make(directory).IsError)
            return;
        if (entry.Type == EntryType.File && entry.Content is null)
        {
            problems.Add(ByteText.Join(directory.SnapshotPath, entry.Name.Span), ItemProblemKind.Note, "It could not be read when the snapshot was made; it is not restored.");
            return;
        }

        if (entry.HardLink is { } key && !_firstNames.TryAdd(key, (directory, entry.Name.ToArray())))
        {
            _links.Add((directory, entry));
            return;
        }

        if (entry.Type == EntryType.File)
            await TakeFileAsync(directory, entry, cancel);
        else
            MakeSpecial(directory, entry);
    }

    private async Task TakeFileAsync(TargetDirectory directory, TreeEntry entry, CancellationToken cancel)
    {
        var content = await reader.ExpandAsync(entry.Content!, cancel);
        if (settings.MustWait?.Invoke(content) == true)
        {
            counts.AddWaiting();
            if (entry.HardLink is { } key)
                _waiting.Add(key);
            return;
        }

        var error = Look(directory, entry, out var parent, out var found);
        if (error.IsError)
            return;
        long? foundBytes = null;
        if (found is not null)
        {
            var isFile = found.Value.Type == FileType.Regular;
            if (isFile && settings.TrustTimes && found.Value.Size == entry.Size && found.Value.ModifiedNanoseconds == entry.ModifiedNanoseconds)
            {
                counters.AddBytes(content.Length);
                counters.AddItem();
                counts.AddFile(entry.Size, isUnchanged: true);
                return;
            }

            if (!CheckMayReplace(directory, entry, found.Value))
                return;
            // A file with names of its own elsewhere is replaced, or its other names would change with it.
            if (isFile && (found.Value.Links == 1 || entry.HardLink is not null))
                foundBytes = found.Value.Size;
            else if (!settings.DryRun && Remove(directory, entry, parent!).IsError)
                return;
        }

        _batch.Add(new FileItem(directory, entry, content, foundBytes));
    }

    private void MakeSpecial(TargetDirectory directory, TreeEntry entry)
    {
        counters.AddItem();
        var error = Look(directory, entry, out var parent, out var found);
        if (error.IsError || entry.Type == EntryType.Socket)
            return;
        var name = entry.Name.Span;
        var path = ByteText.Join(directory.SnapshotPath, name);
        var isNew = true;
        if (found is { } status)
        {
            if (!CheckMayReplace(directory, entry, status))
                return;
            isNew = !IsSame(parent!, entry, status);
            if (isNew && !settings.DryRun && Remove(directory, entry, parent!).IsError)
                return;
        }

        if (settings.DryRun)
            return;
        if (isNew)
        {
            error = entry.Type == EntryType.SymbolicLink
                ? parent!.MakeSymbolicLink(name, entry.LinkTarget.Span)
                : parent!.MakeNode(name, TypeOf(entry), entry.Mode, entry.DeviceNumber);
        }

        if (error.IsError)
            problems.Add(path, ItemProblemKind.Unreadable, error == Errno.NotPermitted ? "Only root may make device nodes." : $"{error}.");
        else
            _metadata.ApplyByName(parent!, entry, path, isNew);
    }

    private void MakeLink(TargetDirectory directory, TreeEntry entry)
    {
        if (_waiting.Contains(entry.HardLink!.Value))
        {
            counts.AddWaiting();
            return;
        }

        counters.AddItem();
        var (firstDirectory, firstName) = _firstNames[entry.HardLink!.Value];
        var path = ByteText.Join(directory.SnapshotPath, entry.Name.Span);
        var error = Errno.None;
        Descriptor? from = null;
        Descriptor? parent = null;
        FileStatus first = default;
        FileStatus? found = null;
        // A dry run has no directories that would be made, and so nothing in them.
        if (firstDirectory.Exists && directory.Exists)
        {
            error = firstDirectory.Open(out from);
            if (!error.IsError)
                error = directory.Open(out parent);
            if (!error.IsError)
                error = from!.Status(firstName, out first);
            if (!error.IsError && !parent!.Status(entry.Name.Span, out var status).IsError)
                found = status;
        }

        if (settings.DryRun || found?.Identity == first.Identity)
        {
            if (entry.Type == EntryType.File)
                counts.AddFile(entry.Size, isUnchanged: found is { } one && one.Identity == first.Identity);
            return;
        }

        if (found is { } other && (!CheckMayReplace(directory, entry, other) || Remove(directory, entry, parent!).IsError))
            return;
        if (!error.IsError)
            error = parent!.MakeHardLink(entry.Name.Span, from!, firstName);
        if (error.IsError)
            problems.Add(path, ItemProblemKind.Unreadable, $"It could not be linked to {ByteText.Display(ByteText.Join(firstDirectory.SnapshotPath, firstName))}: {error}.");
        else if (entry.Type == EntryType.File)
            counts.AddFile(entry.Size, isUnchanged: false);
    }

    private void FinishDirectories()
    {
        if (settings.DryRun)
            return;
        for (var i = _directories.Count - 1; i >= 0; i--)
        {
            var directory = _directories[i];
            if (!directory.Exists || (!directory.IsNew && (!directory.IsIncluded || IsOnlyOnTheWay(directory.SnapshotPath))))
                continue;
            var error = directory.Parent!.Open(out var parent);
            if (!error.IsError)
                error = directory.Open(out _);
            if (error.IsError)
                problems.Add(directory.SnapshotPath, ItemProblemKind.Note, $"Its owner, mode and times could not be set: {error}.");
            else if (directory.Open(out var file) is { IsError: false })
                _metadata.ApplyToFile(parent!, file!, directory.Entry!, directory.SnapshotPath, directory.IsNew);
            directory.Close();
        }
    }

    /// <summary>
    /// Whole file systems, not file by file: one flush per file would cost more than the restore. What others write there meanwhile is
    /// flushed as well.
    /// </summary>
    private void MakeDurable()
    {
        foreach (var directory in _fileSystems.Values)
        {
            var error = directory.Open(out var opened);
            if (!error.IsError)
                error = opened!.SyncFileSystem();
            if (error.IsError)
                throw error.Failure("make durable", ByteText.Display(directory.SnapshotPath));
        }
    }

    private void CloseAll()
    {
        foreach (var directory in _directories)
            directory.Close();
    }

    /// <summary>What the name stands for on disk; nothing in a directory that this restore made.</summary>
    private Errno Look(TargetDirectory directory, TreeEntry entry, out Descriptor? parent, out FileStatus? found)
    {
        (parent, found) = (null, null);
        if (!directory.Exists)
            return Errno.None;
        var error = directory.Open(out parent);
        if (error.IsError)
        {
            problems.Add(ByteText.Join(directory.SnapshotPath, entry.Name.Span), ItemProblemKind.Unreadable, $"{error}.");
            return error;
        }

        _batch.Keep(directory);
        if (!directory.IsNew && !parent!.Status(entry.Name.Span, out var status).IsError)
            found = status;
        return Errno.None;
    }

    private bool CheckMayReplace(TargetDirectory directory, TreeEntry entry, in FileStatus found)
    {
        var problem = !settings.Overwrite && !settings.TrustTimes ? "Something of this name exists."
            : found.Type == FileType.Directory ? "A directory of this name exists; it is not removed."
            : null;
        if (problem is not null)
            problems.Add(ByteText.Join(directory.SnapshotPath, entry.Name.Span), ItemProblemKind.Unreadable, problem);
        return problem is null;
    }

    private Errno Remove(TargetDirectory directory, TreeEntry entry, Descriptor parent)
    {
        var error = parent.RemoveFile(entry.Name.Span);
        if (error.IsError)
            problems.Add(ByteText.Join(directory.SnapshotPath, entry.Name.Span), ItemProblemKind.Unreadable, $"What has its name cannot be removed: {error}.");
        return error;
    }

    private static bool IsSame(Descriptor parent, TreeEntry entry, in FileStatus found) => entry.Type switch
    {
        EntryType.SymbolicLink => found.Type == FileType.SymbolicLink
            && !parent.ReadLink(entry.Name.Span, out var target).IsError && target.AsSpan().SequenceEqual(entry.LinkTarget.Span),
        EntryType.Fifo => found.Type == FileType.Fifo,
        _ => found.Type == TypeOf(entry) && found.NodeNumber == entry.DeviceNumber,
    };

    private static FileType TypeOf(TreeEntry entry) => entry.Type switch
    {
        EntryType.CharacterDevice => FileType.CharacterDevice,
        EntryType.BlockDevice => FileType.BlockDevice,
        _ => FileType.Fifo,
    };
}
