using System.Threading.Channels;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Restoring;
using Backup.Vault.Storage;

namespace Backup.Vault.Snapshots;

/// <summary>
/// Follows snapshots' trees and collects every chunk they need; a tree shared by many snapshots is followed once. Goes through the
/// metadata frame by frame: a frame is decoded for all nodes that wait for it by then, and for those found in it meanwhile.
/// </summary>
internal sealed class Reachability(IObjectStore store, VaultSecrets secrets, ChunkIndex index, ChunkSet live)
{
    /// <summary>Trees nested deeper than this are taken for damage; Linux paths end far earlier, ours need not.</summary>
    private const int DepthMax = 16 * 1024, MissingMax = 1000;

    /// <summary>Each worker holds a decoded frame, a few megabytes; more than a few only help where every read is a request.</summary>
    private const int WorkersMin = 2, WorkersMax = 8;
    private readonly IObjectStore _store = store;
    private readonly ChunkIndex _index = index;
    private readonly PackDecryptor _decryptor = new(secrets);
    private readonly Channel<Batch> _ready = Channel.CreateUnbounded<Batch>();
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Batch> _waiting = [];
    private readonly HashSet<(ChunkId Id, long Length, int Depth)> _lists = [];
    private readonly Dictionary<ChunkId, (byte[] First, byte[] Last)> _leafEdges = [];
    private readonly List<(List<ChunkId> Leaves, Place Place)> _branches = [];
    private readonly List<MissingPiece> _missing = [];
    private int _unfinished;

    private enum NodeKind
    {
        /// <summary>A directory: a leaf, or a branch over leaves.</summary>
        Tree,

        /// <summary>A leaf of a branch.</summary>
        Leaf,

        /// <summary>A list of a content's parts.</summary>
        List,
    }

    /// <summary>Where in a snapshot a node stands; its path is put together only if something is wrong there.</summary>
    private sealed record Place(SnapshotId Snapshot, Place? Parent, byte[] Name, int Depth)
    {
        internal string Path(ReadOnlySpan<byte> below)
        {
            var names = new Stack<string>();
            if (below.Length > 0) names.Push(System.Text.Encoding.UTF8.GetString(below));
            for (var at = this; at.Parent is not null; at = at.Parent) names.Push(System.Text.Encoding.UTF8.GetString(at.Name));
            return string.Concat(names.Select(name => $"/{name}"));
        }
    }

    /// <summary>A node to read, found in its frame at an offset. Lists have a depth and the length they must add up to.</summary>
    private readonly record struct Node(ChunkId Id, uint Offset, uint Bytes, NodeKind Kind, int ListDepth, long ListLength, Place Place);

    /// <summary>Nodes that wait for one frame.</summary>
    private sealed record Batch(ChunkLocation Frame, List<Node> Nodes)
    {
        internal ulong Key => KeyOf(Frame);

        internal static ulong KeyOf(ChunkLocation location) => ((ulong)location.Pack << 32) | location.FrameOffset;
    }

    /// <summary>Adds everything the snapshots need to the set; answers what is missing, at most about a thousand pieces.</summary>
    internal async Task<IReadOnlyList<MissingPiece>> CollectAsync(IEnumerable<SnapshotInfo> snapshots, CancellationToken cancel)
    {
        foreach (var snapshot in snapshots) FindTree(snapshot.Root!.Value, new Place(snapshot.Id, null, [], 0), null);
        if (_unfinished == 0) _ready.Writer.Complete();
        var workers = Math.Clamp(Environment.ProcessorCount, WorkersMin, WorkersMax);
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(() => WorkAsync(cancel), cancel))).ConfigureAwait(false);
        CheckBranches();
        return [.. _missing.OrderBy(m => m.Path, StringComparer.Ordinal)];
    }

    private async Task WorkAsync(CancellationToken cancel)
    {
        try
        {
            using var visitor = new FrameVisitor(this);
            await foreach (var batch in _ready.Reader.ReadAllAsync(cancel).ConfigureAwait(false))
            {
                lock (_lock) _waiting.Remove(batch.Key);
                await visitor.VisitAsync(batch, cancel).ConfigureAwait(false);
                lock (_lock)
                {
                    if (--_unfinished == 0) _ready.Writer.Complete();
                }
            }
        }
        catch (Exception e)
        {
            // The other workers wait for batches that this one will not bring.
            _ready.Writer.TryComplete(e);
            throw;
        }
    }

    private void FindTree(TreeId tree, Place place, FrameVisitor? visitor)
    {
        if (place.Depth > DepthMax) Miss(place, [], "folders are nested too deeply");
        else if (_index.Include(tree.Chunk, null, live) is not { } isNew) Miss(place, [], $"tree {tree} is in no sound pack of the index");
        else if (isNew) Enqueue(tree.Chunk, NodeKind.Tree, 0, 0, place, visitor);
    }

    private void FindBranch(List<ChunkId> leaves, Place place, FrameVisitor visitor)
    {
        lock (_lock) _branches.Add((leaves, place));
        foreach (var leaf in leaves)
        {
            bool isNew;
            lock (_lock) isNew = _leafEdges.TryAdd(leaf, ([], []));
            if (_index.Include(leaf, null, live) is null) Miss(place, [], $"tree leaf {leaf} is in no sound pack of the index");
            else if (isNew) Enqueue(leaf, NodeKind.Leaf, 0, 0, place, visitor);
        }
    }

    private void FindLists(PartReader lists, int depth, Place place, FrameVisitor visitor)
    {
        while (lists.MoveNext())
        {
            var list = lists.Current;
            lock (_lock)
            {
                if (!_lists.Add((list.Id, list.Length, depth))) continue;
            }

            if (_index.Include(list.Id, null, live) is null) Miss(place, [], $"list {list.Id} is in no sound pack of the index");
            else Enqueue(list.Id, NodeKind.List, depth, list.Length, place, visitor);
        }
    }

    private void FindChunks(PartReader chunks, Place place, ReadOnlySpan<byte> name)
    {
        while (chunks.MoveNext())
        {
            if (_index.Include(chunks.Current.Id, chunks.Current.Length, live) is not null) continue;
            Miss(place, name, $"chunk {chunks.Current.Id} is in no sound pack of the index");
            return;
        }
    }

    private void Enqueue(ChunkId id, NodeKind kind, int listDepth, long listLength, Place place, FrameVisitor? visitor)
    {
        // What the index includes, it locates.
        if (!_index.TryLocate(id, out var location)) throw new InvalidOperationException($"Chunk {id} left the index.");
        var node = new Node(id, location.OffsetInFrame, location.Length, kind, listDepth, listLength, place);
        var key = Batch.KeyOf(location);
        if (visitor is not null && visitor.TryTake(key, node)) return;
        lock (_lock)
        {
            if (_waiting.TryGetValue(key, out var batch))
            {
                batch.Nodes.Add(node);
                return;
            }

            batch = new Batch(location, [node]);
            _waiting.Add(key, batch);
            _unfinished++;
            _ready.Writer.TryWrite(batch);
        }
    }

    private void Miss(Place place, ReadOnlySpan<byte> below, string problem)
    {
        var piece = new MissingPiece(place.Snapshot, place.Path(below), problem);
        lock (_lock) _missing.Add(piece);
    }

    private bool HasEnough()
    {
        lock (_lock) return _missing.Count >= MissingMax;
    }

    /// <summary>Leaves were read in any order, each once; now that all are known, those of each branch are compared.</summary>
    private void CheckBranches()
    {
        foreach (var (leaves, place) in _branches)
        {
            ReadOnlySpan<byte> last = [];
            foreach (var leaf in leaves)
            {
                var edges = _leafEdges[leaf];
                if (edges.First.Length == 0) continue;
                if (last.Length > 0 && last.SequenceCompareTo(edges.First) >= 0)
                {
                    Miss(place, [], "the leaves of a large folder are not in order");
                    break;
                }

                last = edges.Last;
            }
        }
    }

    /// <summary>One worker's means: reads a frame and the nodes in it.</summary>
    private sealed class FrameVisitor(Reachability walk) : IDisposable
    {
        private readonly FrameReader _frames = new(walk._store, walk._decryptor);
        private readonly ChunkHasher _ids = new(walk._decryptor.Secrets.MetaIdKey);
        private readonly Stack<Node> _pending = [];
        private byte[] _stored = [];
        private ulong _frame = ulong.MaxValue;

        public void Dispose()
        {
            _frames.Dispose();
            _ids.Dispose();
        }

        /// <summary>Takes a node that lies in the frame at hand.</summary>
        internal bool TryTake(ulong frame, Node node)
        {
            if (frame != _frame) return false;
            _pending.Push(node);
            return true;
        }

        internal async Task VisitAsync(Batch batch, CancellationToken cancel)
        {
            var location = batch.Frame;
            var pack = walk._index.PackName(location.Pack);
            try
            {
                var length = (int)location.FrameStoredBytes;
                if (_stored.Length < length) _stored = GC.AllocateUninitializedArray<byte>(length + (length / 4));
                await _frames.EnterAsync(pack, cancel).ConfigureAwait(false);
                await walk._store.ReadRangeAsync(pack, location.FrameOffset, _stored.AsMemory(0, length), cancel).ConfigureAwait(false);
                VisitAll(batch, _frames.Decode(location.FrameOrdinal, _stored.AsSpan(0, length)).Span, pack, cancel);
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
            {
                foreach (var node in batch.Nodes) walk.Miss(node.Place, [], e.Message);
            }
        }

        private void VisitAll(Batch batch, ReadOnlySpan<byte> frame, ObjectName pack, CancellationToken cancel)
        {
            _frame = batch.Key;
            foreach (var node in batch.Nodes) _pending.Push(node);
            while (_pending.TryPop(out var node))
            {
                cancel.ThrowIfCancellationRequested();
                if (walk.HasEnough()) continue;
                try
                {
                    Visit(node, FrameReader.Chunk(frame, node.Offset, node.Bytes, node.Id, _ids, pack));
                }
                catch (VaultException e) when (e.Fault == VaultFault.Damaged)
                {
                    walk.Miss(node.Place, [], e.Message);
                }
            }

            _frame = ulong.MaxValue;
        }

        private void Visit(Node node, ReadOnlySpan<byte> bytes)
        {
            if (node.Kind == NodeKind.List) VisitList(node, bytes);
            else if (node.Kind == NodeKind.Tree && bytes.Length > 0 && bytes[0] == TreeDocument.BranchMark) walk.FindBranch(TreeDocument.ReadBranch(bytes, What(node)), node.Place, this);
            else VisitLeaf(node, bytes);
        }

        private void VisitLeaf(Node node, ReadOnlySpan<byte> bytes)
        {
            var place = node.Place;
            var leaf = new LeafReader(bytes, What(node));
            ReadOnlySpan<byte> first = [], last = [];
            while (leaf.MoveNext())
            {
                if (first.Length == 0) first = leaf.Name;
                last = leaf.Name;
                if (leaf.Subtree is { } subtree) walk.FindTree(subtree, new Place(place.Snapshot, place, leaf.Name.ToArray(), place.Depth + 1), this);
                else if (leaf.ContentDepth > 0) walk.FindLists(leaf.ContentParts, leaf.ContentDepth, new Place(place.Snapshot, place, leaf.Name.ToArray(), place.Depth + 1), this);
                else if (leaf.HasContent) walk.FindChunks(leaf.ContentParts, place, leaf.Name);
            }

            if (node.Kind != NodeKind.Leaf) return;
            lock (walk._lock) walk._leafEdges[node.Id] = (first.ToArray(), last.ToArray());
        }

        private void VisitList(Node node, ReadOnlySpan<byte> bytes)
        {
            var list = TreeDocument.ReadList(bytes, node.ListDepth, node.ListLength, $"List {node.Id}");
            if (node.ListDepth > 1) walk.FindLists(list, node.ListDepth - 1, node.Place, this);
            else walk.FindChunks(list, node.Place, []);
        }

        private static string What(Node node) => $"Tree {node.Id}";
    }
}
