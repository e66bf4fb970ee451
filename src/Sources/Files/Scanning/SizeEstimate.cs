using Backup.Sources.Patterns;
using Backup.Sources.Posix;

namespace Backup.Sources.Files.Scanning;

/// <summary>
/// How many bytes a backup will look at: a walk that only asks for sizes, ahead of the one that reads, so that a person can be told the
/// time left. An estimate: files change, what cannot be read is not counted, and neither is what lies very deep.
/// </summary>
internal sealed class SizeEstimate(FilesBackupRequest request, CancellationToken cancel)
{
    /// <summary>Every level holds a directory open.</summary>
    private const int DepthMax = 128;

    private readonly ExcludeRules _excludes = new(request.Excludes);

    /// <summary>Null when it was cancelled.</summary>
    internal long? Measure()
    {
        long bytes = 0;
        foreach (var path in request.Paths)
        {
            var components = ByteText.Split(ByteText.Encode(path));
            var name = components.Count == 0 ? "."u8.ToArray() : components[^1];
            var above = components.SkipLast(1).Aggregate("/"u8.ToArray(), static (parent, component) => ByteText.Join(parent, component));
            if (SafePath.OpenDirectory(above, out var parent).IsError)
                continue;
            using (parent)
                bytes += SizeOf(parent!, name, ByteText.Encode(path.TrimEnd('/')), path.TrimEnd('/').Length, device: null, depth: 0);
        }

        return cancel.IsCancellationRequested ? null : bytes;
    }

    private long SizeOf(Descriptor parent, byte[] name, byte[] path, int rootLength, ulong? device, int depth)
    {
        if (cancel.IsCancellationRequested || parent.Status(name, out var status).IsError)
            return 0;
        // Of sparse files only what is there is read.
        if (status.Type == FileType.Regular)
            return Math.Min(status.Size, status.AllocatedBytes);
        if (status.Type != FileType.Directory || depth == DepthMax || (request.OneFileSystem && device is { } root && root != status.Device))
            return 0;
        if (parent.OpenDirectory(name, out var directory).IsError)
            return 0;
        using (directory)
        {
            if (DirectoryListing.Read(directory!, out var entries).IsError || (request.SkipCacheDirectories && FileTreeScan.IsCacheDirectory(directory!, entries)))
                return 0;
            long bytes = 0;
            foreach (var entry in entries)
            {
                var below = ByteText.Join(path, entry.Name);
                if (_excludes.IsEmpty || !_excludes.Excludes(below, rootLength, entry.Type == FileType.Directory))
                    bytes += SizeOf(directory!, entry.Name, below, rootLength, device ?? status.Device, depth + 1);
            }

            return bytes;
        }
    }
}
