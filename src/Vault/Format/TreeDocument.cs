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
    internal const byte HasHardLink = 1, HasAttributes = 2, HasExtents = 4, HasContent = 8, HasSubtree = 16, HasChanged = 32;
    internal const int AttributeBytesMax = 64 * 1024, NameTableMax = 4096, ExtentsMax = 1 << 20;

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
        var leaf = new LeafReader(node, what);
        var entries = new List<TreeEntry>(leaf.Count);
        while (leaf.MoveNext()) entries.Add(leaf.ToEntry());
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

    /// <summary>The parts of a stored list, checked to be of the length that the tree gives it.</summary>
    /// <param name="node">The list.</param>
    /// <param name="depth">1 when its parts are chunks, more when they are lists.</param>
    /// <param name="lengthExpected">What the parts must add up to.</param>
    /// <param name="what">What it is, for messages.</param>
    internal static PartReader ReadList(ReadOnlySpan<byte> node, int depth, long lengthExpected, string what)
    {
        var r = new ByteReader(node, what);
        if (r.U8() != ListMark) throw r.Bad("it is not a list");
        var parts = new PartReader(r, areChunks: depth == 1);
        var all = parts;
        while (all.MoveNext())
        {
        }

        all.Rest.End();
        return all.LengthSoFar == lengthExpected ? parts : throw r.Bad("it has another length than the tree says");
    }

    internal static bool IsValidName(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= TreeEntry.NameBytesMax && !name.ContainsAny((byte)'/', (byte)0) && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);

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
}
