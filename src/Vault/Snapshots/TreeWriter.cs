using System.Collections.Immutable;
using Backup.Vault.Chunking;
using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Storage;

namespace Backup.Vault.Snapshots;

/// <summary>Stores directories as trees and the parts of large files as lists, cut so that a small change stores little.</summary>
internal sealed class TreeWriter(SnapshotWriter writer, PackWriter packs, int level) : IDisposable
{
    /// <summary>An entry with more parts than this keeps them in lists of their own.</summary>
    internal const int InlinePartsMax = 64;
    private const int ListPartsMin = 128, ListPartsMax = 2048, ListCutMask = 0xFF, EntryBytesMax = 4 * 1024 * 1024;
    private readonly Lock _lock = new();
    private readonly FrameBuilder _frames = new(packs, level, FrameBuilder.MetaBytesTarget, FrameBuilder.MetaBytesTarget);
    private readonly Idle<Scratch> _idle = new();

    internal TreeId Add(IReadOnlyList<TreeEntry> entries)
    {
        if (!_idle.TryTake(out var scratch)) scratch = new Scratch();
        try
        {
            return Add(entries, scratch);
        }
        finally
        {
            _idle.Return(scratch);
        }
    }

    private TreeId Add(IReadOnlyList<TreeEntry> entries, Scratch scratch)
    {
        var (body, names, leaves) = (scratch.Body, scratch.Names, new List<ChunkId>());
        body.Clear();
        names.Clear();
        long lastModified = 0;
        var count = 0;
        ReadOnlyMemory<byte> before = default;
        foreach (var entry in entries)
        {
            Check(entry, before, before.Length == 0);
            before = entry.Name;
            var from = body.Length;
            TreeDocument.WriteEntry(body, entry.Content is { } content && content.Parts.Length > InlinePartsMax ? entry with { Content = Spill(content) } : entry, names, ref lastModified);
            if (body.Length - from > EntryBytesMax)
                throw new VaultException(VaultFault.LimitExceeded, $"A tree entry takes {body.Length - from} bytes, more than {EntryBytesMax}.", "Its extended attributes or sparse stretches are too many to record.");
            count++;
            if (body.Length < TreeDocument.LeafBytesMin || (body.Length < TreeDocument.LeafBytesMax && !IsCut(entry.Name.Span))) continue;
            leaves.Add(StoreLeaf(scratch, count));
            body.Clear();
            names.Clear();
            (count, lastModified) = (0, 0);
        }

        if (count > 0 || leaves.Count == 0) leaves.Add(StoreLeaf(scratch, count));
        if (leaves.Count == 1) return new TreeId(leaves[0]);
        var branch = new ByteWriter(16 + (leaves.Count * ContentHash.Length));
        branch.U8(TreeDocument.BranchMark);
        branch.VarUInt(leaves.Count);
        foreach (var leaf in leaves) branch.Hash(leaf.Hash);
        return new TreeId(Store(branch.WrittenSpan));
    }

    internal void Flush()
    {
        lock (_lock) _frames.Flush();
    }

    public void Dispose() => _frames.Dispose();

    private Content Spill(Content content)
    {
        var parts = content.Parts;
        var depth = 0;
        var w = new ByteWriter(64 * 1024);
        while (parts.Length > InlinePartsMax)
        {
            if (++depth > Content.DepthMax) throw new VaultException(VaultFault.LimitExceeded, $"A file of {content.Length} bytes has too many chunks.", "Split it, or use larger chunks.");
            var lists = ImmutableArray.CreateBuilder<ContentPart>();
            for (var from = 0; from < parts.Length;)
            {
                var to = from;
                long length = 0;
                while (to < parts.Length && to - from < ListPartsMax)
                {
                    var part = parts[to++];
                    length += part.Length;
                    if (to - from >= ListPartsMin && (part.Id.Hash.Prefix & ListCutMask) == 0) break;
                }

                w.Clear();
                w.U8(TreeDocument.ListMark);
                Content.WriteParts(w, parts.AsSpan()[from..to]);
                lists.Add(new ContentPart(Store(w.WrittenSpan), length));
                from = to;
            }

            parts = lists.ToImmutable();
        }

        return new Content(content.Length, depth, parts);
    }

    private ChunkId StoreLeaf(Scratch scratch, int count)
    {
        var node = scratch.Node;
        node.Clear();
        node.U8(TreeDocument.LeafMark);
        node.VarUInt(count);
        node.Raw(scratch.Body.WrittenSpan);
        return Store(node.WrittenSpan);
    }

    private ChunkId Store(ReadOnlySpan<byte> node)
    {
        var id = ChunkHasher.IdOf(writer.Secrets.MetaIdKey, node);
        if (!writer.ChunkMap.TryClaim(id, (uint)node.Length)) return id;
        writer.CountMeta(node.Length);
        lock (_lock) _frames.Add(id, node, 0, 0);
        return id;
    }

    private static bool IsCut(ReadOnlySpan<byte> name) => (ContentHash.Of(name).Prefix & TreeDocument.CutMask) == 0;

    private static void Check(TreeEntry entry, ReadOnlyMemory<byte> before, bool isFirst)
    {
        if (!TreeDocument.IsValidName(entry.Name.Span)) throw new ArgumentException($"A tree entry's name must be a file name of 1 to {TreeEntry.NameBytesMax} bytes.");
        if (!isFirst && before.Span.SequenceCompareTo(entry.Name.Span) >= 0) throw new ArgumentException("Tree entries must be in ascending byte order of their names, each name once.");
        if (entry.Content is { Depth: > 0 }) throw new ArgumentException("A writer takes contents it made itself or read from a cache, not expanded from a tree.");
        if (entry.Content is not null && entry.Type != EntryType.File) throw new ArgumentException("Only files have content.");
        if (entry.Subtree is not null && entry.Type != EntryType.Directory) throw new ArgumentException("Only directories have subtrees.");
        if (entry.Size < 0 || entry.LinkTarget.Length > TreeEntry.LinkTargetBytesMax || entry.Attributes.Count > TreeEntry.AttributesMax) throw new ArgumentException("A tree entry is over its limits.");
        if (entry.Type != EntryType.File || entry.Content is not { } content) return;
        if (entry.Extents is { } extents ? extents.Sum(e => e.Length) != content.Length : content.Length != entry.Size && (entry.Notes & EntryNotes.ChangedWhileRead) == 0)
            throw new ArgumentException("A file's size (or its sparse stretches) and its content must agree unless it changed while it was read.");
    }

    /// <summary>What one call builds leaves in: there are as many directories as there are calls, and most are small.</summary>
    private sealed class Scratch
    {
        internal ByteWriter Body { get; } = new(4096);

        internal ByteWriter Node { get; } = new(4096);

        internal List<string> Names { get; } = [];
    }
}
