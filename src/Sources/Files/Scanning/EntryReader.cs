using System.Collections.Concurrent;
using System.Text;
using System.Text.Unicode;
using Backup.Sources.Files.Unchanged;
using Backup.Sources.Posix;
using Backup.Vault.Chunking;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files.Scanning;

/// <summary>Turns one directory entry that is not a directory into a tree entry: from the cache when nothing changed, else by reading it.</summary>
internal sealed class EntryReader(SnapshotWriter writer, ProblemList problems, TransferCounters counters, CancellationToken cancel)
{
    private const int AttemptsMax = 2;

    /// <summary>Smaller files are not looked at for numeric data: the gain is less than the cost of asking.</summary>
    private const int TypedFileBytesMin = 32 * 1024;

    private readonly AccountNames _names = new();
    private readonly ConcurrentDictionary<FileIdentity, HardLinked> _hardLinked = new();

    /// <summary>Null when there is nothing to store. <paramref name="stamp"/> is what the result is valid for.</summary>
    internal TreeEntry? Read(DirectoryJob job, int index, out FileStamp? stamp)
    {
        stamp = null;
        var entry = job.Entries[index];
        var directory = job.Directory!;
        // Without a cached state to compare with, a file is opened first and its status taken from the descriptor: one call less.
        if (entry.Type == FileType.Regular && job.CachedEntries?[index] is null)
            return ReadFile(directory, job.Path, entry.Name, ref stamp);

        var error = directory.Status(entry.Name, out var status);
        if (error.IsError)
            return Missing(job.Path, entry.Name, error);
        if (job.CachedEntries?[index] is { } cached && TryReuse(cached, status, entry.Name, out var reused))
        {
            stamp = FileStamp.Of(status);
            job.IsReused[index] = true;
            return reused;
        }

        switch (status.Type)
        {
            case FileType.Regular:
                return ReadFile(directory, job.Path, entry.Name, ref stamp);
            case FileType.SymbolicLink:
                return ReadLink(directory, job.Path, entry.Name, status, ref stamp);
            case FileType.Socket:
                counters.AddItem();
                problems.Add(ByteText.Join(job.Path, entry.Name), ItemProblemKind.Note, "A socket; it holds no data and its server makes it anew.");
                return null;
            case FileType.Fifo or FileType.CharacterDevice or FileType.BlockDevice:
                counters.AddItem();
                return WithAttributes(directory, job.Path, entry.Name, Describe(entry.Name, status), ref stamp);
            default:
                problems.Add(ByteText.Join(job.Path, entry.Name), ItemProblemKind.Vanished, "It became a directory while its folder was read.");
                return null;
        }
    }

    /// <summary>Everything that the status tells, and what the cache remembers of the rest.</summary>
    internal TreeEntry Describe(byte[] name, in FileStatus status, CachedPayload? remembered = null) => new()
    {
        Name = name,
        Type = status.Type switch
        {
            FileType.Directory => EntryType.Directory,
            FileType.SymbolicLink => EntryType.SymbolicLink,
            FileType.Fifo => EntryType.Fifo,
            FileType.CharacterDevice => EntryType.CharacterDevice,
            FileType.BlockDevice => EntryType.BlockDevice,
            FileType.Socket => EntryType.Socket,
            _ => EntryType.File,
        },
        Mode = status.Permissions,
        UserId = status.User,
        GroupId = status.Group,
        UserName = _names.User(status.User),
        GroupName = _names.Group(status.Group),
        ModifiedNanoseconds = status.ModifiedNanoseconds,
        ChangedNanoseconds = status.ChangedNanoseconds,
        Size = status.Type == FileType.Regular ? status.Size : 0,
        DeviceNumber = status.Type is FileType.CharacterDevice or FileType.BlockDevice ? status.NodeNumber : 0,
        HardLink = status.Links > 1 && status.Type != FileType.Directory ? new HardLinkKey(status.Device, status.Inode) : null,
        Content = remembered?.Content,
        LinkTarget = remembered?.LinkTarget ?? default,
        Attributes = remembered?.Attributes ?? [],
        Extents = remembered?.Extents,
    };

    /// <param name="file">What has the attributes.</param>
    /// <param name="folder">Where it is, for messages.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="stamp">Taken away when something is missing, so that the next backup looks, and tells it, again.</param>
    internal IReadOnlyList<Xattr> AttributesOf(Descriptor file, ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name, ref FileStamp? stamp)
    {
        var error = ExtendedAttributes.Read(file, out var attributes);
        return Convert(error, attributes, folder, name, ref stamp);
    }

    private TreeEntry WithAttributes(Descriptor directory, ReadOnlySpan<byte> folder, byte[] name, TreeEntry entry, ref FileStamp? stamp)
    {
        var error = ExtendedAttributes.Read(directory, name, out var attributes);
        return entry with { Attributes = Convert(error, attributes, folder, name, ref stamp) };
    }

    private Xattr[] Convert(Errno error, List<ExtendedAttribute> attributes, ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name, ref FileStamp? stamp)
    {
        // The format holds these names as text; under another name an attribute would be worse than missing.
        var unnamable = attributes.RemoveAll(static one => !Utf8.IsValid(one.Name));
        var tooMany = Math.Max(attributes.Count - TreeEntry.AttributesMax, 0);
        var problem = error.IsError ? $"Its extended attributes cannot be read: {error}."
            : unnamable > 0 ? $"{unnamable} of its extended attributes were left out: their names are not UTF-8."
            : tooMany > 0 ? $"{tooMany} of its extended attributes were left out: more than {TreeEntry.AttributesMax} are not kept."
            : null;
        if (problem is not null)
        {
            problems.Add(ByteText.Join(folder, name), ItemProblemKind.Unreadable, problem);
            stamp = null;
        }

        return [.. attributes.Take(TreeEntry.AttributesMax).Select(one => new Xattr(Encoding.UTF8.GetString(one.Name), one.Value))];
    }

    private bool TryReuse(CachedEntry cached, in FileStatus status, byte[] name, out TreeEntry? reused)
    {
        reused = null;
        if (status.Type is not (FileType.Regular or FileType.SymbolicLink) || !cached.TryMatch(FileStamp.Of(status), out var bytes))
            return false;
        var payload = CachedPayload.Read(bytes);
        var isFile = status.Type == FileType.Regular;
        // The vault may have lost or pruned what the cache remembers; then the file is read as if it were new.
        if (isFile != payload.Content is not null || (payload.Content is { } content && !writer.TryReuse(content)))
            return false;
        reused = Describe(name, status, payload);
        counters.AddBytes(payload.Content?.Length ?? 0);
        counters.AddItem();
        return true;
    }

    private TreeEntry? ReadLink(Descriptor directory, byte[] folder, byte[] name, in FileStatus status, ref FileStamp? stamp)
    {
        var error = directory.ReadLink(name, out var target);
        if (error.IsError)
            return Missing(folder, name, error);
        counters.AddItem();
        stamp = FileStamp.Of(status);
        return WithAttributes(directory, folder, name, Describe(name, status) with { LinkTarget = target }, ref stamp);
    }

    private TreeEntry? ReadFile(Descriptor directory, byte[] folder, byte[] name, ref FileStamp? stamp)
    {
        var error = directory.OpenForReading(name, out var file);
        if (error.IsError)
            return Unreadable(directory, folder, name, error);
        using (file)
        {
            error = file!.Status(out var before);
            if (error.IsError)
                return Unreadable(directory, folder, name, error);
            if (before.Type != FileType.Regular)
            {
                problems.Add(ByteText.Join(folder, name), ItemProblemKind.Vanished, "Something else took its place while its folder was read.");
                return null;
            }

            if (before.Links == 1)
                return ReadContent(directory, file, folder, name, before, ref stamp);
            // Another thread may be at another name of the same file: wait for it rather than read everything twice.
            var linked = _hardLinked.GetOrAdd(before.Identity, static _ => new HardLinked());
            lock (linked)
            {
                if (linked.Entry is { } same && linked.Stamp == FileStamp.Of(before))
                {
                    counters.AddBytes(same.Content!.Length);
                    counters.AddItem();
                    stamp = linked.Stamp;
                    return same with { Name = name };
                }

                var entry = ReadContent(directory, file, folder, name, before, ref stamp);
                // Without a stamp it is flagged or unreadable, and the next name gets its own chance.
                (linked.Entry, linked.Stamp) = stamp is null ? (null, null) : (entry, stamp);
                return entry;
            }
        }
    }

    private TreeEntry? ReadContent(Descriptor directory, Descriptor file, byte[] folder, byte[] name, FileStatus before, ref FileStamp? stamp)
    {
        for (var attempt = 1; ; attempt++)
        {
            var extents = SparseMap.Read(file, before);
            var error = AddContent(file, before, extents, out var content);
            if (error.IsError)
                return Unreadable(directory, folder, name, error);
            error = file.Status(out var after);
            if (error.IsError)
                return Unreadable(directory, folder, name, error);
            var isSame = after.SameContentAs(before) && content.Length == DataBytes(before, extents);
            if (!isSame && attempt < AttemptsMax)
            {
                before = after;
                continue;
            }

            counters.AddItem();
            stamp = isSame ? FileStamp.Of(before) : null;
            var entry = Describe(name, before) with { Content = content, Extents = Fit(extents, content.Length), Attributes = AttributesOf(file, folder, name, ref stamp) };
            if (!isSame)
            {
                problems.Add(ByteText.Join(folder, name), ItemProblemKind.ChangedWhileRead, "It changed while it was read.");
                return entry with { Notes = EntryNotes.ChangedWhileRead, Size = entry.Extents is null ? content.Length : entry.Size };
            }

            return entry;
        }
    }

    private Errno AddContent(Descriptor file, in FileStatus status, List<Extent>? extents, out Content content)
    {
        content = Content.Empty;
        var hints = new ContentHints
        {
            LengthExpected = DataBytes(status, extents),
            Regions = extents is null && status.Size >= TypedFileBytesMin ? FitsRegions(file, status.Size) : [],
        };
        using var stream = new DescriptorStream(file, status.Size, extents, counters);
        try
        {
            content = writer.AddContent(stream, hints, cancel);
            return Errno.None;
        }
        catch (IOException) when (stream.Error.IsError)
        {
            return stream.Error;
        }
    }

    private static List<TypedRegion> FitsRegions(Descriptor file, long fileBytes)
    {
        Span<byte> start = stackalloc byte[32];
        return file.ReadFully(start, 0, out _).IsError || !FitsLayout.LooksLikeFits(start)
            ? []
            : FitsLayout.Read(file, fileBytes);
    }

    private static long DataBytes(in FileStatus status, List<Extent>? extents) => extents?.Sum(extent => extent.Length) ?? status.Size;

    /// <summary>A sparse file that was cut off while it was read has fewer bytes than its stretches promise; the format wants them equal.</summary>
    private static List<Extent>? Fit(List<Extent>? extents, long contentBytes)
    {
        if (extents is null)
            return null;
        var fitted = new List<Extent>(extents.Count);
        foreach (var extent in extents)
        {
            var length = Math.Min(extent.Length, contentBytes);
            contentBytes -= length;
            if (length > 0)
                fitted.Add(extent with { Length = length });
        }

        return fitted;
    }

    private TreeEntry? Missing(byte[] folder, byte[] name, Errno error)
    {
        problems.Add(
            ByteText.Join(folder, name),
            error.IsVanished ? ItemProblemKind.Vanished : ItemProblemKind.Unreadable,
            error.IsVanished ? "It was removed before it could be read." : $"{error}.");
        return null;
    }

    /// <summary>What can be said without opening it is stored, so that a person sees in the snapshot that it was there.</summary>
    private TreeEntry? Unreadable(Descriptor directory, byte[] folder, byte[] name, Errno error)
    {
        if (error.IsVanished || directory.Status(name, out var status).IsError)
            return Missing(folder, name, error);
        counters.AddItem();
        problems.Add(ByteText.Join(folder, name), ItemProblemKind.Unreadable, $"{error}.");
        return Describe(name, status) with { Notes = EntryNotes.Unreadable };
    }

    /// <summary>A file with several names; its own lock.</summary>
    private sealed class HardLinked
    {
        internal FileStamp? Stamp { get; set; }

        internal TreeEntry? Entry { get; set; }
    }
}
