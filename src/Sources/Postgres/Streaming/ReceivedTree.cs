using System.Formats.Tar;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>A directory that was received, and in the end its tree. Names are in byte order, as trees want them.</summary>
internal sealed class ReceivedTree(TreeEntry own)
{
    private readonly SortedDictionary<byte[], ReceivedTree> _directories = new(ByteText.Order);
    private readonly SortedDictionary<byte[], TreeEntry> _files = new(ByteText.Order);

    /// <summary>What a tar header says of an entry.</summary>
    internal static TreeEntry Describe(TarEntry entry, byte[] name, EntryType type) => new()
    {
        Name = name,
        Type = type,
        Mode = (uint)entry.Mode & 0xFFF,
        UserId = (uint)entry.Uid,
        GroupId = (uint)entry.Gid,
        ModifiedNanoseconds = (entry.ModificationTime - DateTimeOffset.UnixEpoch).Ticks * 100,
    };

    /// <summary>The directory of a path, made when nothing was said of it: the server sends a directory before what is in it.</summary>
    internal ReceivedTree Directory(string path, TreeEntry? described = null)
    {
        var place = this;
        var names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < names.Length; i++)
        {
            var name = ByteText.Encode(names[i]);
            if (!place._directories.TryGetValue(name, out var next) || (i == names.Length - 1 && described is not null))
            {
                var made = new ReceivedTree((described ?? place.Own) with { Name = name });
                if (next is not null)
                    made.TakeOver(next);
                place._directories[name] = next = made;
            }

            place = next;
        }

        return place;
    }

    internal TreeEntry Own => own;

    internal void Add(TreeEntry file) => _files[file.Name.ToArray()] = file;

    internal TreeId Store(SnapshotWriter writer)
    {
        var entries = _files.Values.Concat(_directories.Values.Select(child => child.Own with { Subtree = child.Store(writer) })).ToList();
        entries.Sort(static (left, right) => left.Name.Span.SequenceCompareTo(right.Name.Span));
        return writer.AddTree(entries);
    }

    private void TakeOver(ReceivedTree other)
    {
        foreach (var (name, directory) in other._directories)
            _directories[name] = directory;
        foreach (var (name, file) in other._files)
            _files[name] = file;
    }
}
