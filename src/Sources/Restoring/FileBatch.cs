using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>
/// Some thousand files that are restored together, so that each pack is visited once for all of them. One thread gathers them, with the
/// directories they need held open; then <see cref="RunAsync"/> works on them with several, while the next batch is being gathered.
/// </summary>
internal sealed class FileBatch(RestoreSettings settings, RestoreCounts counts, ProblemList problems, TransferCounters counters, Idle<RestoreSlice> slices)
{
    /// <summary>Bounds what waits in memory: a part takes about 100 bytes. Two batches exist at a time.</summary>
    private const int PartsMax = 16 * 1024;

    /// <summary>Two batches' directories and one's files stay under the 4,096 open files that are an ordinary hard limit.</summary>
    private const int DirectoriesMax = 1024;
    private const int OpenFilesMax = 1024;

    /// <summary>Parts of a large file that one thread compares at a time.</summary>
    private const int PartsCompared = 16;

    /// <summary>Stretches this long are sent to the disk at once, while the next are decoded; what is smaller is better gathered by the kernel.</summary>
    private const int EarlyFlushBytesMin = 128 * 1024;

    /// <summary>Staged chunks are written in stretches of this length at most.</summary>
    private const int WriteBytesMax = 4 * 1024 * 1024;

    /// <summary>So many slices are fetched at once: while one waits for the last of its frames, the other goes on.</summary>
    private const int LanesMax = 2;

    private readonly EntryMetadata _metadata = new(settings, problems);
    private readonly List<FileItem> _items = [];
    private readonly List<ContentPart> _wanted = [];
    private readonly List<(FileItem Item, long Offset)> _places = [];
    private readonly HashSet<TargetDirectory> _directories = [];
    private int _parts;
    private int _openFiles;
    private int _nextWant;

    internal bool IsFull => _parts + _items.Count >= PartsMax || _directories.Count >= DirectoriesMax;

    internal void Add(FileItem item)
    {
        _items.Add(item);
        _parts += item.Content.Parts.Length;
        Keep(item.Directory);
    }

    /// <summary>Holds an open directory open until <see cref="Release"/>; a file's own directory, or one on the way.</summary>
    internal void Keep(TargetDirectory directory)
    {
        if (_directories.Add(directory))
            directory.Users++;
    }

    /// <summary>Opens the directories of its files, by one thread: afterwards any thread may use them.</summary>
    internal void OpenDirectories()
    {
        foreach (var directory in _directories)
        {
            if (directory.Exists)
                _ = directory.Open(out _);
        }
    }

    /// <summary>Compares what is on disk already, then fetches and writes what is not right (with a dry run: counts it).</summary>
    internal async Task RunAsync(VaultReader reader, CancellationToken cancel)
    {
        try
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = settings.Workers, CancellationToken = cancel };
            await Parallel.ForEachAsync(Comparisons(), options, (unit, _) =>
            {
                AddRight(unit.Item.Compare(unit.Parts, unit.Offset, reader));
                return ValueTask.CompletedTask;
            });
            await Parallel.ForEachAsync(_items.Where(item => !Want(item)).ToList(), options, (item, _) =>
            {
                Finish(item);
                return ValueTask.CompletedTask;
            });
            if (settings.DryRun)
                Plan(reader);
            else
                await FetchAsync(reader, cancel);
        }
        finally
        {
            foreach (var item in _items)
                item.Close();
        }
    }

    /// <summary>Empties it and closes the directories that nobody else holds. By the gathering thread.</summary>
    internal void Release()
    {
        foreach (var directory in _directories)
        {
            if (--directory.Users == 0)
                directory.Close();
        }

        _items.Clear();
        _wanted.Clear();
        _places.Clear();
        _directories.Clear();
        _parts = _openFiles = _nextWant = 0;
    }

    private void Deliver(RestoreSlice slice, int want, int count, ReadOnlySpan<byte> data)
    {
        counts.AddVerified(data.Length);
        counters.AddBytes(data.Length);
        for (var end = want + count; want < end;)
        {
            var stretch = Stretch(slice, want, end, int.MaxValue, out var length);
            if (slice.IsStaged(want))
                slice.Take(want, data[..length]);
            else
                Write(want, stretch, data[..length]);
            data = data[length..];
            want += stretch;
        }
    }

    private void Fail(RestoreSlice slice, int want, VaultException why)
    {
        slice.Drop(want);
        var (item, _) = _places[want];
        lock (item)
        {
            item.Fail(why.Message);
            if (item.CountChunks(1))
                Finish(item);
        }
    }

    private async Task FetchAsync(VaultReader reader, CancellationToken cancel)
    {
        var first = TakeSlice();
        if (!TryBegin(first))
            return;
        // What fits into one slice is not divided: each pack is visited once for it.
        var lanes = _nextWant == _wanted.Count ? 1 : Math.Min(settings.Workers, LanesMax);
        var options = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancel };
        await Parallel.ForEachAsync(
            Enumerable.Range(0, lanes), options, async (lane, inner) => await FetchLaneAsync(reader, lane == 0 ? first : null, (settings.Workers + lanes - 1) / lanes, inner));
    }

    /// <summary>
    /// Slice by slice: what a slice has of small chunks is put together in memory and goes to disk in long stretches while the next slice is fetched.
    /// </summary>
    private async Task FetchLaneAsync(VaultReader reader, RestoreSlice? begun, int workers, CancellationToken cancel)
    {
        var (slice, before) = (begun ?? TakeSlice(), TakeSlice());
        var writing = Task.CompletedTask;
        try
        {
            for (var goesOn = begun is not null || TryBegin(slice); goesOn; goesOn = TryBegin(slice))
            {
                counts.AddFetched(await reader.FetchAsync(_wanted[slice.Start..slice.End], new SliceSink(this, slice), workers, cancel));
                await writing;
                var fetched = slice;
                // A thread of its own: it waits for the disk, and would keep one of the pool's from decoding.
                writing = fetched.HasStaged ? Task.Factory.StartNew(() => WriteStaged(fetched, cancel), cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default) : Task.CompletedTask;
                (slice, before) = (before, slice);
            }
        }
        finally
        {
            await writing;
        }

        slices.Return(slice);
        slices.Return(before);
    }

    /// <summary>False when there is nothing left to begin with.</summary>
    private bool TryBegin(RestoreSlice slice)
    {
        lock (_wanted)
        {
            if (_nextWant == _wanted.Count)
                return false;
            _nextWant = slice.Begin(_nextWant, _wanted, _places);
            return true;
        }
    }

    private RestoreSlice TakeSlice() => slices.TryTake(out var slice) ? slice : new RestoreSlice();

    private void WriteStaged(RestoreSlice slice, CancellationToken cancel)
    {
        for (int want = slice.Start, stretch; want < slice.End; want += stretch)
        {
            cancel.ThrowIfCancellationRequested();
            stretch = Stretch(slice, want, slice.End, WriteBytesMax, out var length);
            if (slice.IsStaged(want))
                Write(want, stretch, slice.Staged(want, length));
        }
    }

    /// <summary>How many of the wants from the first on stand one after another in one file and go the same way, up to a length.</summary>
    private int Stretch(RestoreSlice slice, int first, int end, int bytesMax, out int length)
    {
        var (item, offset) = _places[first];
        length = (int)_wanted[first].Length;
        var isStaged = slice.IsStaged(first);
        var next = first + 1;
        for (; next < end && _places[next] == (item, offset + length) && slice.IsStaged(next) == isStaged && length + _wanted[next].Length <= bytesMax; next++)
            length += (int)_wanted[next].Length;
        return next - first;
    }

    /// <summary>Writes a stretch of one file, and finishes the file when it was the last.</summary>
    private void Write(int want, int parts, ReadOnlySpan<byte> data)
    {
        var (item, offset) = _places[want];
        bool mayWrite;
        lock (item)
        {
            var wasOpen = item.IsOpen;
            mayWrite = item.BeginWrite();
            if (!wasOpen && item.IsOpen)
                Interlocked.Increment(ref _openFiles);
        }

        if (mayWrite)
        {
            item.Write(offset, data, beginFlush: settings.Sync && data.Length >= EarlyFlushBytesMin);
            counts.AddWritten(data.Length);
        }

        lock (item)
        {
            if (mayWrite)
                item.EndWrite();
            if (item.CountChunks(parts))
                Finish(item);
            else if (item.IsIdle && Volatile.Read(ref _openFiles) > OpenFilesMax)
                Close(item);
        }
    }

    private IEnumerable<(FileItem Item, Range Parts, long Offset)> Comparisons()
    {
        foreach (var item in _items.Where(item => item.Exists))
        {
            var parts = item.Content.Parts;
            long offset = 0;
            for (int first = 0, next; first < parts.Length; first = next)
            {
                next = Math.Min(first + PartsCompared, parts.Length);
                yield return (item, first..next, offset);
                for (var part = first; part < next; part++)
                    offset += parts[part].Length;
            }
        }
    }

    private void AddRight(long bytes)
    {
        counts.AddVerified(bytes);
        counters.AddBytes(bytes);
    }

    /// <summary>False when nothing is wanted of the file that would finish it: it is empty, right already, or has failed.</summary>
    private bool Want(FileItem item)
    {
        var before = _wanted.Count;
        foreach (var (part, offset) in item.Wanted(settings))
        {
            _wanted.Add(part);
            _places.Add((item, offset));
        }

        return _wanted.Count > before;
    }

    /// <summary>A dry run's end: every part that the index has is counted as fetched and written.</summary>
    private void Plan(VaultReader reader)
    {
        counts.AddFetched(reader.MeasureFetch(_wanted, new Missing(_places)));
        for (var want = 0; want < _wanted.Count; want++)
        {
            var item = _places[want].Item;
            if (item.Failure is null)
                counts.AddWritten(_wanted[want].Length);
            if (item.CountChunks(1))
                Finish(item);
        }
    }

    /// <summary>Takes what is fetched for one slice, whose wants are counted from its start.</summary>
    private sealed class SliceSink(FileBatch batch, RestoreSlice slice) : IChunkSink
    {
        public void Deliver(int want, int count, ReadOnlySpan<byte> data) => batch.Deliver(slice, slice.Start + want, count, data);

        public void Fail(int want, VaultException why) => batch.Fail(slice, slice.Start + want, why);
    }

    /// <summary>Takes what a dry run finds to be in no index.</summary>
    private sealed class Missing(List<(FileItem Item, long Offset)> places) : IChunkSink
    {
        public void Deliver(int want, int count, ReadOnlySpan<byte> data) => throw new InvalidOperationException("A dry run fetches nothing.");

        public void Fail(int want, VaultException why) => places[want].Item.Fail(why.Message);
    }

    private void Finish(FileItem item)
    {
        if (item.Failure is null && !settings.DryRun)
        {
            var error = item.Open();
            if (!error.IsError)
                error = item.Shape();
            if (error.IsFull)
                throw error.Failure("write", ByteText.Display(item.Path));
            if (error.IsError)
                item.Fail($"{error}.");
            else if (!item.Directory.Open(out var parent).IsError)
                _metadata.ApplyToFile(parent!, item.File, item.Entry, item.Path, isNew: !item.Exists);
        }

        Close(item);
        counters.AddItem();
        if (item.Failure is { } failure)
        {
            problems.Add(item.Path, ItemProblemKind.Unreadable, failure);
            counts.AddFailedFile();
        }
        else
        {
            counts.AddFile(item.Entry.Size, isUnchanged: !item.IsChanged);
        }
    }

    private void Close(FileItem item)
    {
        if (!item.IsOpen)
            return;
        item.Close();
        Interlocked.Decrement(ref _openFiles);
    }
}
