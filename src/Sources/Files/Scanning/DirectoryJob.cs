using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files.Scanning;

/// <summary>
/// One directory on its way into the snapshot. Its entries are handed out one by one to whichever threads ask; the thread that
/// finishes the last one stores the tree and passes the result to the parent.
/// </summary>
internal sealed class DirectoryJob
{
    private int _next = -1;
    private int _entriesToFinish;
    private int _entriesThatNeedTheDescriptor;

    internal DirectoryJob(DirectoryJob? parent, int slot, byte[] name, byte[] path, int rootLength, PathNode? preset)
    {
        Parent = parent;
        Slot = slot;
        Name = name;
        Path = path;
        RootLength = rootLength;
        Preset = preset;
    }

    internal DirectoryJob? Parent { get; }

    /// <summary>Where the result goes in <see cref="Parent"/>.</summary>
    internal int Slot { get; }

    internal byte[] Name { get; }

    /// <summary>Absolute.</summary>
    internal byte[] Path { get; }

    /// <summary>Bytes of <see cref="Path"/> up to the request's path it belongs to.</summary>
    internal int RootLength { get; }

    /// <summary>Set for what only leads to the request's paths.</summary>
    internal PathNode? Preset { get; }

    internal Descriptor? Directory { get; set; }

    internal FileStatus Status { get; set; }

    internal IReadOnlyList<Xattr> Attributes { get; set; } = [];

    /// <summary>The device that <see cref="FilesBackupRequest.OneFileSystem"/> keeps to.</summary>
    internal ulong RootDevice { get; set; }

    internal CachedDirectory Cached { get; set; }

    /// <summary>What the last backup found for each entry; null when it saw nothing of this directory.</summary>
    internal CachedEntry?[]? CachedEntries { get; private set; }

    internal List<DirectoryEntry> Entries { get; private set; } = [];

    /// <summary>The finished entries; null where there is nothing to store.</summary>
    internal TreeEntry?[] Results { get; private set; } = [];

    /// <summary>For the next cache: the stamps of files and links that can be trusted.</summary>
    internal FileStamp?[] Stamps { get; private set; } = [];

    /// <summary>For the next cache: entries whose remembered state is passed on as it is.</summary>
    internal bool[] IsReused { get; private set; } = [];

    /// <summary>For the next cache: offsets of subdirectories' records.</summary>
    internal long[] RecordOffsets { get; private set; } = [];

    internal void Begin(List<DirectoryEntry> entries)
    {
        Entries = entries;
        Results = new TreeEntry?[entries.Count];
        Stamps = new FileStamp?[entries.Count];
        IsReused = new bool[entries.Count];
        RecordOffsets = new long[entries.Count];
        _entriesToFinish = entries.Count;
        _entriesThatNeedTheDescriptor = entries.Count;
        var cached = Cached;
        if (cached.IsEmpty)
            return;
        CachedEntries = new CachedEntry?[entries.Count];
        for (var i = 0; i < entries.Count; i++)
        {
            if (cached.TryFind(entries[i].Name, out var entry))
                CachedEntries[i] = entry;
        }
    }

    internal bool HasUnclaimed => Volatile.Read(ref _next) + 1 < Entries.Count;

    internal bool TryClaim(out int index)
    {
        index = Interlocked.Increment(ref _next);
        return index < Entries.Count;
    }

    /// <summary>An entry that will not be looked up in this directory again. The last one closes it.</summary>
    internal void ReleaseDescriptor()
    {
        if (Interlocked.Decrement(ref _entriesThatNeedTheDescriptor) == 0)
            Directory?.Dispose();
    }

    /// <summary>True for the call that finishes the directory.</summary>
    internal bool FinishEntry() => Interlocked.Decrement(ref _entriesToFinish) == 0;
}
