using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>Reads a cluster's files with several threads, the largest first, and stores the directories' trees.</summary>
internal sealed class ClusterReader(
    ServerFacts server, Lsn backupStart, int pageChunkBytes, SnapshotWriter writer, ProblemList problems, TransferCounters counters, BackupPace pace, TimeProvider clock)
{
    /// <summary>A file written more recently than this before it is read is read again next time: file systems' clocks are coarse.</summary>
    private static readonly TimeSpan FreshAge = TimeSpan.FromSeconds(3);

    private const int ControlReadsMax = 100;

    private readonly AccountNames _names = new();

    /// <summary>What the log says changed since the last backup; null when everything may have.</summary>
    internal LogSummary? Summary { get; set; }

    internal async Task ReadFilesAsync(IEnumerable<ClusterFile> files, int workers, CancellationToken cancel)
    {
        var queue = new ConcurrentQueue<ClusterFile>(files.OrderByDescending(file => file.Bytes));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Exception? failure = null;
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Factory.StartNew(
            () =>
            {
                try
                {
                    while (!stop.IsCancellationRequested && queue.TryDequeue(out var file))
                        file.Entry = Read(file, stop.Token);
                }
                catch (Exception error)
                {
                    Interlocked.CompareExchange(ref failure, error, null);
                    stop.Cancel();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        cancel.ThrowIfCancellationRequested();
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Last of all, and whole: the server may be rewriting it.</summary>
    internal TreeEntry ReadControlFile(ClusterDirectory global, CancellationToken cancel)
    {
        var name = "pg_control"u8.ToArray();
        var content = new byte[ControlFile.Bytes];
        for (var reads = 1; reads <= ControlReadsMax; reads++)
        {
            var error = global.Opened.OpenForReading(name, out var file);
            if (error.IsError)
                throw error.Failure("open", ClusterListing.ControlFilePath);
            using (file)
            {
                error = file!.ReadFully(content, 0, out _);
                FileStatus status = default;
                if (!error.IsError)
                    error = file.Status(out status);
                if (error.IsError)
                    throw error.Failure("read", ClusterListing.ControlFilePath);
                if (!ControlFile.IsWhole(content))
                    continue;
                counters.AddItem();
                return Describe(status, name, EntryType.File) with { Size = content.Length, Content = writer.AddContent(new MemoryStream(content), new ContentHints { LengthExpected = content.Length }, cancel) };
            }
        }

        throw new SourcesException(
            SourcesFault.DataDamaged, "global/pg_control does not fit its checksum.", "Check the server with pg_controldata; its disk may be failing.");
    }

    /// <summary>The directory's tree with what was read; <paramref name="extra"/> adds entries to it.</summary>
    internal TreeId Store(ClusterDirectory directory, params IEnumerable<TreeEntry> extra)
    {
        var entries = directory.Files.Select(file => file.Entry).OfType<TreeEntry>().Concat(extra).ToList();
        foreach (var (name, child) in directory.Directories)
            entries.Add(Describe(child.Status, ByteText.Encode(name), EntryType.Directory) with { Subtree = Store(child) });
        entries.Sort(static (left, right) => left.Name.Span.SequenceCompareTo(right.Name.Span));
        return writer.AddTree(entries);
    }

    internal TreeEntry Describe(in FileStatus status, byte[] name, EntryType type) => new()
    {
        Name = name,
        Type = type,
        Mode = status.Permissions,
        UserId = status.User,
        GroupId = status.Group,
        UserName = _names.User(status.User),
        GroupName = _names.Group(status.Group),
        ModifiedNanoseconds = status.ModifiedNanoseconds,
    };

    /// <summary>Null when the server removed the file: its removal is in the log, and so is everything else that happened to it.</summary>
    private TreeEntry? Read(ClusterFile clusterFile, CancellationToken cancel)
    {
        if (clusterFile.Cached is { } cached && TryReuse(clusterFile, cached, out var reused))
            return reused;
        var quietBefore = (clock.GetUtcNow() - FreshAge - DateTimeOffset.UnixEpoch).Ticks * 100;
        var error = clusterFile.Directory.Opened.OpenForReading(clusterFile.Name, out var file);
        if (error.IsVanished)
            return null;
        if (error.IsError)
            throw error.Failure("open", clusterFile.Path);
        using (file)
        {
            error = file!.Status(out var status);
            if (error.IsError)
                throw error.Failure("read", clusterFile.Path);
            var content = clusterFile.Relation is { } relation
                ? ReadPages(clusterFile, file, status, relation, cancel)
                : ReadPlain(clusterFile, file, status, cancel);
            counters.AddItem();
            // What is still being written is remembered too: the log may tell what of it stays as it is.
            var stamp = FileStamp.Of(status);
            if (!clusterFile.IsDamaged)
                clusterFile.Stamp = status.ChangedNanoseconds < quietBefore && content.Length == status.Size && !clusterFile.IsPieced ? stamp : stamp.Unsettled;
            // Shorter than it was: cut off while we read. Replay cuts it off too, or fills it again.
            return Describe(status, clusterFile.Name, EntryType.File) with { Size = content.Length, Content = content };
        }
    }

    private bool TryReuse(ClusterFile clusterFile, CachedEntry cached, out TreeEntry? reused)
    {
        reused = null;
        if (clusterFile.Directory.Opened.Status(clusterFile.Name, out var status).IsError || !cached.TryMatch(FileStamp.Of(status), out var remembered))
            return false;
        // The vault may have lost or pruned what the cache remembers; then the file is read as if it were new.
        if (CachedPayload.Read(remembered).Content is not { } content || !writer.TryReuse(content))
            return false;
        counters.AddBytes(content.Length);
        counters.AddItem();
        clusterFile.Stamp = FileStamp.Of(status);
        reused = Describe(status, clusterFile.Name, EntryType.File) with { Size = content.Length, Content = content };
        return true;
    }

    private Content ReadPages(ClusterFile clusterFile, Descriptor file, in FileStatus status, RelationFileName relation, CancellationToken cancel)
    {
        if (Summary?.Find(clusterFile.Directory.Path, relation) is not { } changes
            || Earlier(clusterFile, status) is not { } earlier
            || ChangedPages.Plan(earlier, status.Size, pageChunkBytes, changes) is not { } stretches)
        {
            return ReadPages(clusterFile, file, 0, status.Size, relation, cancel);
        }

        clusterFile.IsPieced = true;
        var pieces = new List<Content>();
        foreach (var stretch in stretches)
        {
            var (from, end) = ((long)stretch.First * pageChunkBytes, Math.Min((stretch.First + (long)stretch.Count) * pageChunkBytes, status.Size));
            var reused = stretch.IsReused ? earlier.Slice(stretch.First, stretch.Count) : null;
            if (reused is not null && writer.TryReuse(reused))
                counters.AddBytes(reused.Length);
            else
                reused = ReadPages(clusterFile, file, from, end, relation, cancel);
            pieces.Add(reused);
            // Cut off while we read: nothing follows.
            if (reused.Length < end - from)
                break;
        }

        return Content.Join([.. pieces]);
    }

    /// <summary>What the last backup found in the very same file; a file made anew under its name has another inode.</summary>
    private static Content? Earlier(ClusterFile clusterFile, in FileStatus status) =>
        clusterFile.Cached is { } cached && cached.TryRead(out var stamp, out var remembered) && stamp.Inode == status.Inode ? CachedPayload.Read(remembered).Content : null;

    private Content ReadPages(ClusterFile clusterFile, Descriptor file, long from, long end, RelationFileName relation, CancellationToken cancel)
    {
        using var stream = new FilePages(file, from, end, relation.Segment * RelationFileName.SegmentBlocks, backupStart, server.HasChecksums, counters, pace);
        try
        {
            var content = writer.AddContent(stream, ContentHints.PagesOfWords(pageChunkBytes, end - from), cancel);
            if (stream.DamagedBlocks.Count > 0)
            {
                clusterFile.IsDamaged = true;
                DamagedPages.Report(problems, clusterFile.Path, stream.DamagedBlocks);
            }

            return content;
        }
        catch (IOException) when (stream.Error.IsError)
        {
            throw stream.Error.Failure("read", clusterFile.Path);
        }
    }

    private Content ReadPlain(ClusterFile clusterFile, Descriptor file, in FileStatus status, CancellationToken cancel)
    {
        using var stream = new DescriptorStream(file, status.Size, null, counters);
        try
        {
            return writer.AddContent(stream, new ContentHints { LengthExpected = status.Size }, cancel);
        }
        catch (IOException) when (stream.Error.IsError)
        {
            throw stream.Error.Failure("read", clusterFile.Path);
        }
    }
}
