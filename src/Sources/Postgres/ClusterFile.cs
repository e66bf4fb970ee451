using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres;

/// <summary>A directory of the cluster, open while the backup runs: their number is that of databases times tablespaces.</summary>
internal sealed class ClusterDirectory(Descriptor opened, string path, FileStatus status) : IDisposable
{
    /// <summary>Relative to the cluster: empty for the data directory itself.</summary>
    internal string Path => path;

    internal Descriptor Opened => opened;

    internal FileStatus Status => status;

    internal SortedDictionary<string, ClusterDirectory> Directories { get; } = new(StringComparer.Ordinal);

    internal List<ClusterFile> Files { get; } = [];

    internal IEnumerable<ClusterFile> AllFiles() => Files.Concat(Directories.Values.SelectMany(child => child.AllFiles()));

    public void Dispose()
    {
        foreach (var child in Directories.Values)
            child.Dispose();
        opened.Dispose();
    }
}

/// <summary>A file that belongs into the backup, and in the end its tree entry; none when the server removed it first.</summary>
internal sealed class ClusterFile(ClusterDirectory directory, byte[] name, RelationFileName? relation, long bytes)
{
    internal ClusterDirectory Directory => directory;

    internal byte[] Name => name;

    /// <summary>Set for files made of pages.</summary>
    internal RelationFileName? Relation => relation;

    /// <summary>When it was listed.</summary>
    internal long Bytes => bytes;

    internal string Path => directory.Path.Length == 0 ? ByteText.Display(name) : $"{directory.Path}/{ByteText.Display(name)}";

    internal TreeEntry? Entry { get; set; }

    /// <summary>What the last backup found under this name.</summary>
    internal CachedEntry? Cached { get; set; }

    /// <summary>Holds pages that do not fit their checksums; never remembered as unchanged, so that every backup names it.</summary>
    internal bool IsDamaged { get; set; }

    /// <summary>
    /// Pieces of <see cref="Entry"/> were taken over from the last backup because the log up to this one's beginning does not touch them. What was written to them
    /// since comes back from this backup's log, so they may differ from the disk, and the next backup must ask the log again.
    /// </summary>
    internal bool IsPieced { get; set; }

    /// <summary>What <see cref="Entry"/> is valid for; null when it must not be remembered.</summary>
    internal FileStamp? Stamp { get; set; }
}
