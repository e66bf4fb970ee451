using System.Globalization;
using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault;

namespace Backup.Sources.Postgres;

/// <summary>
/// Lets a backup pass over files that the server did not write since the last one. The server writes pages with ordinary system calls, which
/// stamp the file, and the checkpoint that begins a backup writes whatever was still in memory: equal stamps after it mean equal content.
/// </summary>
internal sealed class ClusterCache(UnchangedCache cache)
{
    private static readonly byte[] DataName = "data"u8.ToArray();

    /// <summary>Gives every file what is remembered of it.</summary>
    internal void Recall(ClusterDirectory data, IReadOnlyList<Tablespace> tablespaces)
    {
        var root = cache.Before.Root;
        if (root.IsEmpty)
            return;
        foreach (var (name, directory) in Tops(data, tablespaces))
        {
            if (root.TryFind(name, out var entry))
                Recall(directory, entry.Directory);
        }
    }

    /// <summary>Writes down what this backup found, and lets it take effect. Only after the commit: the cache vouches for stored content.</summary>
    internal void Keep(ClusterDirectory data, IReadOnlyList<Tablespace> tablespaces, SnapshotId snapshot)
    {
        if (cache.Next is not { } writer)
            return;
        var root = new CacheRecordBuilder();
        foreach (var (name, directory) in Tops(data, tablespaces))
            root.AddDirectory(name, Write(directory, writer));
        writer.TryKeep(root.Finish(writer), snapshot);
    }

    /// <summary>In ascending order of names, as the cache has them.</summary>
    private static IEnumerable<(byte[] Name, ClusterDirectory Directory)> Tops(ClusterDirectory data, IReadOnlyList<Tablespace> tablespaces) =>
        tablespaces
            .Select(static tablespace => (Name: ByteText.Encode(string.Create(CultureInfo.InvariantCulture, $"tablespace {tablespace.ObjectId}")), Directory: tablespace.Files))
            .Prepend((Name: DataName, Directory: data))
            .OrderBy(static top => top.Name, ByteText.Order);

    private static void Recall(ClusterDirectory directory, CachedDirectory cached)
    {
        if (cached.IsEmpty)
            return;
        foreach (var (name, child, file) in Entries(directory))
        {
            if (!cached.TryFind(name, out var entry))
                continue;
            if (child is not null)
                Recall(child, entry.Directory);
            else
                file!.Cached = entry;
        }
    }

    private static long Write(ClusterDirectory directory, CacheWriter writer)
    {
        // Children first: a record names the places of its subdirectories.
        var places = directory.Directories.ToDictionary(static child => child.Value, child => Write(child.Value, writer));
        var record = new CacheRecordBuilder();
        foreach (var (name, child, file) in Entries(directory))
        {
            if (child is not null)
                record.AddDirectory(name, places[child]);
            else if (file is { Entry: { } entry, Stamp: { } stamp })
                record.AddFile(name, stamp, CachedPayload.Write(entry));
        }

        return record.Finish(writer);
    }

    private static IEnumerable<(byte[] Name, ClusterDirectory? Directory, ClusterFile? File)> Entries(ClusterDirectory directory) =>
        directory.Directories
            .Select(static child => (Name: ByteText.Encode(child.Key), (ClusterDirectory?)child.Value, (ClusterFile?)null))
            .Concat(directory.Files.Select(static file => (file.Name, (ClusterDirectory?)null, (ClusterFile?)file)))
            .OrderBy(static entry => entry.Name, ByteText.Order);
}
