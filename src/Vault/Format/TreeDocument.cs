using Backup.Vault.Snapshots;

namespace Backup.Vault.Format;

/// <summary>
/// Tree nodes. A small directory is one leaf; a large one is a branch over leaves. Strings that repeat (owner and group names) stand
/// once per leaf, times are differences to the entry before. See FORMAT.md, "Trees".
/// </summary>
internal static class TreeDocument
{
    internal const byte LeafMark = (byte)'T', BranchMark = (byte)'B', ListMark = (byte)'L';

    /// <summary>A leaf is closed at the first cut name after this many bytes, and in any case at the maximum.</summary>
    internal const int LeafBytesMin = 64 * 1024, LeafBytesMax = 1024 * 1024, CutMask = 0x7F;
    private const byte HasHardLink = 1, HasAttributes = 2, HasExtents = 4, HasContent = 8, HasSubtree = 16, HasChanged = 32;
    private const int AttributeBytesMax = 64 * 1024, NameTableMax = 4096, ExtentsMax = 1 << 20;

    internal static void WriteEntry(ByteWriter w, TreeEntry entry, List<string> names, ref long lastModified)
    {
        var parts = (entry.HardLink is null ? 0 : HasHardLink) | (entry.Attributes.Count == 0 ? 0 : HasAttributes) | (entry.Extents is null ? 0 : HasExtents)
            | (entry.Content is null ? 0 : HasContent) | (entry.Subtree is null ? 0 : HasSubtree) | (entry.ChangedNanoseconds == 0 ? 0 : HasChanged);
        w.Blob(entry.Name.Span);
        w.U8((byte)entry.Type);
        w.U8((byte)parts);
        w.U8((byte)entry.Notes);
        w.VarUInt(entry.Mode);
        w.VarUInt(entry.UserId);
        w.VarUInt(entry.GroupId);
        WriteName(w, entry.UserName, names);
        WriteName(w, entry.GroupName, names);
        w.VarInt(unchecked(entry.ModifiedNanoseconds - lastModified));
        if ((parts & HasChanged) != 0) w.VarInt(unchecked(entry.ChangedNanoseconds - entry.ModifiedNanoseconds));
        lastModified = entry.ModifiedNanoseconds;
        switch (entry.Type)
        {
            case EntryType.File: w.VarUInt(entry.Size); break;
            case EntryType.SymbolicLink: w.Blob(entry.LinkTarget.Span); break;
            case EntryType.CharacterDevice or EntryType.BlockDevice: w.VarUInt(entry.DeviceNumber); break;
        }

        if (entry.HardLink is { } link)
        {
            w.VarUInt(link.Device);
            w.VarUInt(link.Inode);
        }

        if (entry.Attributes.Count > 0)
        {
            w.VarUInt(entry.Attributes.Count);
            foreach (var attribute in entry.Attributes)
            {
                w.Text(attribute.Name);
                w.Blob(attribute.Value.Span);
            }
        }

        if (entry.Extents is { } extents)
        {
            w.VarUInt(extents.Count);
            long end = 0;
            foreach (var extent in extents)
            {
                w.VarUInt(extent.Offset - end);
                w.VarUInt(extent.Length);
                end = extent.Offset + extent.Length;
            }
        }

        entry.Content?.Write(w);
        if (entry.Subtree is { } subtree) w.Hash(subtree.Chunk.Hash);
    }

    internal static List<TreeEntry> ReadLeaf(ReadOnlySpan<byte> node, string what)
    {
        var r = new ByteReader(node, what);
        if (r.U8() != LeafMark) throw r.Bad("it is not a tree leaf");
        var count = r.Count(10);
        var entries = new List<TreeEntry>(count);
        var names = new List<string>();
        long lastModified = 0;
        for (; count > 0; count--)
        {
            var entry = ReadEntry(ref r, names, ref lastModified);
            if (entries.Count > 0 && entries[^1].Name.Span.SequenceCompareTo(entry.Name.Span) >= 0) throw r.Bad("its names are not in order");
            entries.Add(entry);
        }

        r.End();
        return entries;
    }

    internal static List<ChunkId> ReadBranch(ReadOnlySpan<byte> node, string what)
    {
        var r = new ByteReader(node, what);
        if (r.U8() != BranchMark) throw r.Bad("it is not a tree branch");
        var leaves = new List<ChunkId>();
        for (var count = r.Count(32); count > 0; count--) leaves.Add(new ChunkId(r.Hash()));
        r.End();
        return leaves;
    }

    internal static bool IsValidName(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= TreeEntry.NameBytesMax && !name.ContainsAny((byte)'/', (byte)0) && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);

    private static TreeEntry ReadEntry(ref ByteReader r, List<string> names, ref long lastModified)
    {
        var name = r.Blob(TreeEntry.NameBytesMax).ToArray();
        if (!IsValidName(name)) throw r.Bad("an entry's name is not a file name");
        var type = (EntryType)r.U8();
        if (type is < EntryType.File or > EntryType.BlockDevice) throw r.Bad("an entry is of an unknown type");
        var parts = r.U8();
        var notes = (EntryNotes)r.U8();
        var mode = (uint)r.VarUpTo(uint.MaxValue);
        var user = (uint)r.VarUpTo(uint.MaxValue);
        var group = (uint)r.VarUpTo(uint.MaxValue);
        var userName = ReadName(ref r, names);
        var groupName = ReadName(ref r, names);
        lastModified = unchecked(lastModified + r.VarInt());
        var entry = new TreeEntry
        {
            Name = name,
            Type = type,
            Notes = notes,
            Mode = mode,
            UserId = user,
            GroupId = group,
            UserName = userName,
            GroupName = groupName,
            ModifiedNanoseconds = lastModified,
            ChangedNanoseconds = (parts & HasChanged) != 0 ? unchecked(lastModified + r.VarInt()) : 0,
            Size = type == EntryType.File ? r.VarUpTo(long.MaxValue) : 0,
            LinkTarget = type == EntryType.SymbolicLink ? r.Blob(TreeEntry.LinkTargetBytesMax).ToArray() : default(ReadOnlyMemory<byte>),
            DeviceNumber = type is EntryType.CharacterDevice or EntryType.BlockDevice ? r.VarUInt() : 0,
            HardLink = (parts & HasHardLink) != 0 ? new HardLinkKey(r.VarUInt(), r.VarUInt()) : null,
            Attributes = (parts & HasAttributes) != 0 ? ReadAttributes(ref r) : [],
            Extents = (parts & HasExtents) != 0 ? ReadExtents(ref r) : null,
            Content = (parts & HasContent) != 0 ? Content.Read(ref r) : null,
            Subtree = (parts & HasSubtree) != 0 ? new TreeId(new ChunkId(r.Hash())) : null,
        };
        Check(ref r, entry);
        return entry;
    }

    /// <summary>A reader that trusted these would write outside a file or recurse into a file's content.</summary>
    private static void Check(ref ByteReader r, TreeEntry entry)
    {
        if (entry.Content is not null && entry.Type != EntryType.File) throw r.Bad("something that is no file has content");
        if (entry.Subtree is not null && entry.Type != EntryType.Directory) throw r.Bad("something that is no directory has a subtree");
        if (entry.Type != EntryType.File || entry.Content is not { } content) return;
        if (entry.Extents is not { } extents)
        {
            // A file that changed while it was read may have another length than the listing said.
            if (content.Length != entry.Size && (entry.Notes & EntryNotes.ChangedWhileRead) == 0) throw r.Bad("a file's content and size differ");
            return;
        }

        if (extents.Sum(e => e.Length) != content.Length) throw r.Bad("a sparse file's stretches and content differ");
        if (extents.Count > 0 && extents[^1].Offset + extents[^1].Length > entry.Size) throw r.Bad("a sparse file's stretches end beyond it");
    }

    private static void WriteName(ByteWriter w, string name, List<string> names)
    {
        // 0: empty. 1: new, text follows. n + 2: the n-th name of this leaf.
        if (name.Length == 0)
        {
            w.VarUInt(0UL);
            return;
        }

        var at = names.IndexOf(name);
        w.VarUInt(at < 0 ? 1UL : (ulong)at + 2);
        if (at >= 0) return;
        w.Text(name);
        if (names.Count < NameTableMax) names.Add(name);
    }

    private static string ReadName(ref ByteReader r, List<string> names)
    {
        var code = r.VarUpTo(names.Count + 1);
        if (code == 0) return "";
        if (code > 1) return names[(int)code - 2];
        var name = r.Text(1024);
        if (names.Count < NameTableMax) names.Add(name);
        return name;
    }

    private static Xattr[] ReadAttributes(ref ByteReader r)
    {
        var count = Math.Min(r.Count(2), TreeEntry.AttributesMax + 1);
        if (count > TreeEntry.AttributesMax) throw r.Bad("an entry has too many attributes");
        var attributes = new Xattr[count];
        for (var i = 0; i < count; i++) attributes[i] = new Xattr(r.Text(1024), r.Blob(AttributeBytesMax).ToArray());
        return attributes;
    }

    private static Extent[] ReadExtents(ref ByteReader r)
    {
        var count = r.Count(2);
        if (count > ExtentsMax) throw r.Bad("a sparse file has too many stretches");
        var extents = new Extent[count];
        long end = 0;
        for (var i = 0; i < count; i++)
        {
            var offset = end + r.VarUpTo(long.MaxValue - end);
            var length = r.VarUpTo(long.MaxValue - offset);
            extents[i] = new Extent(offset, length);
            end = offset + length;
        }

        return extents;
    }
}
