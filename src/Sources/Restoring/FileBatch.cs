using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>Some thousand files that are fetched together, so that each pack is visited once for all of them.</summary>
internal sealed class FileBatch(RestoreSettings settings, RestoreCounts counts, ProblemList problems, TransferCounters counters) : IChunkSink
{
    /// <summary>Bounds what waits in memory: a want takes about 100 bytes.</summary>
    private const int WantsMax = 32 * 1024;

    /// <summary>With the files below stays under the 4,096 open files that are an ordinary hard limit.</summary>
    private const int DirectoriesMax = 1024;
    private const int OpenFilesMax = 1024;

    private readonly EntryMetadata _metadata = new(settings, problems);
    private readonly List<ContentPart> _wanted = [];
    private readonly List<(FileItem Item, long Offset)> _places = [];
    private readonly HashSet<TargetDirectory> _directories = [];
    private int _openFiles;

    internal bool IsFull => _wanted.Count >= WantsMax || _directories.Count >= DirectoriesMax;

    internal void Add(FileItem item)
    {
        _directories.Add(item.Directory);
        long offset = 0;
        foreach (var part in item.Content.Parts)
        {
            _wanted.Add(part);
            _places.Add((item, offset));
            offset += part.Length;
        }

        // Empty files have no chunk that would finish them.
        if (item.Content.Parts.Length == 0)
            Finish(item);
    }

    /// <summary>Directories that are open on the batch's behalf besides those of its files.</summary>
    internal void Keep(TargetDirectory directory) => _directories.Add(directory);

    internal async Task RunAsync(VaultReader reader, CancellationToken cancel)
    {
        // Opened here by one thread; afterwards any thread may read the descriptors.
        foreach (var directory in _directories)
        {
            if (directory.Exists)
                _ = directory.Open(out _);
        }

        try
        {
            await reader.FetchAsync(_wanted, this, settings.Workers, cancel);
        }
        finally
        {
            foreach (var (item, _) in _places)
                item.Close();
            foreach (var directory in _directories)
                directory.Close();
        }

        _wanted.Clear();
        _places.Clear();
        _directories.Clear();
        _openFiles = 0;
    }

    public void Deliver(int want, ReadOnlySpan<byte> data)
    {
        var (item, offset) = _places[want];
        counts.AddVerified(data.Length);
        counters.AddBytes(data.Length);
        lock (item)
        {
            var wasOpen = item.IsOpen;
            item.Place(offset, data, settings, counts);
            if (!wasOpen && item.IsOpen)
                Interlocked.Increment(ref _openFiles);
            if (item.CountChunk())
                Finish(item);
            else if (Volatile.Read(ref _openFiles) > OpenFilesMax)
                Close(item);
        }
    }

    public void Fail(int want, VaultException why)
    {
        var (item, _) = _places[want];
        lock (item)
        {
            item.Fail(why.Message);
            if (item.CountChunk())
                Finish(item);
        }
    }

    private void Finish(FileItem item)
    {
        if (item.Failure is null && !settings.DryRun)
        {
            var error = item.Open(settings);
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
            problems.Add(item.Path, ItemProblemKind.Unreadable, failure);
        else
            counts.AddFile(item.Entry.Size, isUnchanged: !item.IsChanged);
    }

    private void Close(FileItem item)
    {
        if (!item.IsOpen)
            return;
        item.Close();
        Interlocked.Decrement(ref _openFiles);
    }
}
