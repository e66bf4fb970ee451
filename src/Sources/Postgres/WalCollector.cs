using Backup.Sources.Posix;
using Backup.Sources.Postgres.Wal;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>
/// Copies the log a backup needs. With a replication slot the server keeps it and one pass at the end suffices; without one, finished
/// segments are copied while the backup runs, before the server recycles them.
/// </summary>
internal sealed class WalCollector(ServerFacts server, Descriptor logDirectory, SnapshotWriter writer, TransferCounters counters, TimeProvider clock)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    private readonly SortedDictionary<ulong, TreeEntry> _copied = [];

    /// <summary>Runs beside the backup until cancelled, copying every segment that is finished.</summary>
    internal async Task FollowAsync(Lsn start, CancellationToken stop)
    {
        try
        {
            using var timer = new PeriodicTimer(PollInterval, clock);
            var next = WalSegment.Holding(server.Timeline, start, server.WalSegmentBytes);
            do
            {
                // A segment is finished when the one after it has begun.
                while (Look(next with { Number = next.Number + 1 }, out var following) is null)
                {
                    following!.Dispose();
                    Copy(next, stop);
                    next = next with { Number = next.Number + 1 };
                }
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The backup has ended; what is left is copied by CollectAsync.
        }
    }

    /// <summary>Copies what is not yet copied and answers all segments of the range, by name.</summary>
    /// <exception cref="SourcesException">WalMissing when one is gone.</exception>
    internal IReadOnlyList<TreeEntry> Collect(Lsn start, Lsn stop, CancellationToken cancel)
    {
        var all = WalSegment.Range(server.Timeline, start, stop, server.WalSegmentBytes).ToList();
        foreach (var segment in all)
        {
            if (!_copied.ContainsKey(segment.Number))
                Copy(segment, cancel);
        }

        return [.. all.Select(segment => _copied[segment.Number])];
    }

    private void Copy(WalSegment segment, CancellationToken cancel)
    {
        if (Look(segment, out var file) is { } problem)
        {
            throw new SourcesException(
                SourcesFault.WalMissing,
                $"The write-ahead log file {segment.FileName} that this backup needs is gone: {problem}.",
                "Give the role REPLICATION and raise max_replication_slots (and max_slot_wal_keep_size), or raise wal_keep_size, then run the backup again.");
        }

        using (file)
        {
            var error = file!.Status(out var status);
            if (error.IsError)
                throw error.Failure("read", segment.FileName);
            using var stream = new DescriptorStream(file, status.Size, null, counters);
            var content = writer.AddContent(stream, new ContentHints { LengthExpected = status.Size }, cancel);
            // The server renames a segment it no longer needs and overwrites it: only a name that still means this file vouches for the bytes.
            var isStill = !logDirectory.Status(segment.FileNameBytes, out var after).IsError && after.Identity == status.Identity;
            if (!isStill || content.Length != server.WalSegmentBytes)
            {
                throw new SourcesException(
                    SourcesFault.WalMissing,
                    $"The server recycled the write-ahead log file {segment.FileName} while it was copied.",
                    "Raise wal_keep_size or give the role REPLICATION so that a slot can be used, then run the backup again.");
            }

            counters.AddItem();
            _copied[segment.Number] = new TreeEntry
            {
                Name = segment.FileNameBytes,
                Type = EntryType.File,
                Mode = PrivateFile.Mode,
                UserId = status.User,
                GroupId = status.Group,
                ModifiedNanoseconds = status.ModifiedNanoseconds,
                Size = content.Length,
                Content = content,
            };
        }
    }

    /// <summary>Null and the open file when it is there and really that segment; else why not.</summary>
    private string? Look(WalSegment segment, out Descriptor? file)
    {
        var error = logDirectory.OpenForReading(segment.FileNameBytes, out file);
        if (error.IsError)
            return $"{error}";
        var firstPage = new byte[WalPageHeader.LongBytes];
        error = file!.ReadFully(firstPage, 0, out var count);
        var problem = error.IsError ? $"{error}" : segment.Problem(firstPage.AsSpan(0, count), server.SystemIdentifier);
        if (problem is null)
            return null;
        file.Dispose();
        file = null;
        return problem;
    }
}
