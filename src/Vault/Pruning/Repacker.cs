using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Backup.Vault.Chunking;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Packs;
using Backup.Vault.Restoring;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>
/// Moves what is live of wasteful packs into new ones, reading nothing else. A frame with few dead chunks moves compressed as it is;
/// of the others the live chunks are compressed anew.
/// </summary>
internal sealed class Repacker(OpenVault vault, PrunePlan plan, IProgress<VaultProgress>? progress)
{
    private const int Level = 3, AtOnce = 2, DataPackBytes = 16 << 20, MetaPackBytes = 4 << 20, RunBytesMax = 2 << 20;
    private readonly IObjectStore _store = vault.Store;
    private readonly double _wasteShareMax = plan.Request.WasteShareMax;
    private readonly PackDecryptor _decryptor = new(vault.Secrets);

    /// <summary>When this returns, new packs and their index are durable; the old packs are untouched.</summary>
    /// <returns>Bytes of new packs.</returns>
    internal async Task<long> RunAsync(IReadOnlyCollection<PackDecision> packs, CancellationToken cancel)
    {
        if (packs.Count == 0) return 0;
        var session = new WriteSession(vault.Secrets);
        await using var data = new PackWriter(vault.Store, session, ObjectKind.DataPack, DataPackBytes, cancel);
        await using var meta = new PackWriter(vault.Store, session, ObjectKind.MetaPack, MetaPackBytes, cancel);
        var counter = new ProgressCounter(progress, "repacking", packs.Count, plan.BytesRepacked);
        var idle = new ConcurrentStack<Mover>();
        try
        {
            await Parallel.ForEachAsync(packs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (pack, inner) =>
            {
                if (!idle.TryPop(out var mover)) mover = new Mover(this, data, meta);
                try
                {
                    await mover.MoveAsync(pack, inner).ConfigureAwait(false);
                }
                finally
                {
                    idle.Push(mover);
                }

                counter.Done(pack.StoredBytes);
            }).ConfigureAwait(false);
            foreach (var mover in idle) mover.Flush();
        }
        finally
        {
            foreach (var mover in idle) mover.Dispose();
        }

        await data.FlushAsync().ConfigureAwait(false);
        await meta.FlushAsync().ConfigureAwait(false);
        await IndexShards.StoreAllAsync(vault.Store, vault.Secrets, [.. meta.TakeStored(), .. data.TakeStored()], cancel).ConfigureAwait(false);
        return data.StoredBytes + meta.StoredBytes;
    }

    private bool IsLive(ChunkId chunk, ObjectName pack, int frame, uint offset) => plan.ChunkMap.IsLiveAt(chunk, pack, frame, offset, plan.Live);

    /// <summary>One worker: reads packs one after another. What it compresses anew is gathered across packs.</summary>
    private sealed class Mover(Repacker owner, PackWriter data, PackWriter meta) : IDisposable
    {
        private readonly FrameReader _frames = new(owner._store, owner._decryptor);
        private readonly FrameBuilder _data = new(data, Level, FrameBuilder.ContentBytesTarget, FrameBuilder.ContentBytesTarget);
        private readonly FrameBuilder _meta = new(meta, Level, FrameBuilder.MetaBytesTarget, FrameBuilder.MetaBytesTarget);
        private readonly ChunkHasher _dataIds = new(owner._decryptor.Secrets.DataIdKey), _metaIds = new(owner._decryptor.Secrets.MetaIdKey);
        private readonly PackDirectoryReader _directories = new(owner._store, owner._decryptor.Secrets);
        private readonly List<FrameMove> _moves = [];
        private byte[] _stored = [];

        /// <summary>A frame with something live in it.</summary>
        private readonly record struct FrameMove(int Frame, int FirstChunk, int At, int StoredBytes, bool IsWhole);

        internal async Task MoveAsync(PackDecision decision, CancellationToken cancel)
        {
            var pack = decision.Pack;
            var directory = await _directories.ReadAsync(pack, decision.StoredBytes, cancel).ConfigureAwait(false);
            FindMoves(decision, directory);
            await _frames.EnterAsync(pack, cancel).ConfigureAwait(false);
            for (var from = 0; from < _moves.Count;)
            {
                var to = EndOfRun(from);
                var start = _moves[from].At;
                var length = _moves[to - 1].At + _moves[to - 1].StoredBytes - start;
                if (_stored.Length < length) _stored = GC.AllocateUninitializedArray<byte>(Math.Max(length, RunBytesMax));
                await owner._store.ReadRangeAsync(pack, start, _stored.AsMemory(0, length), cancel).ConfigureAwait(false);
                for (; from < to; from++) Move(pack, directory, _moves[from], _stored.AsSpan(_moves[from].At - start, _moves[from].StoredBytes));
            }
        }

        internal void Flush()
        {
            _data.Flush();
            _meta.Flush();
        }

        public void Dispose()
        {
            _frames.Dispose();
            _data.Dispose();
            _meta.Dispose();
            _dataIds.Dispose();
            _metaIds.Dispose();
        }

        private void FindMoves(PackDecision decision, FrameDirectory directory)
        {
            var pack = decision.Pack;
            _moves.Clear();
            var chunks = CollectionsMarshal.AsSpan(directory.Chunks);
            var found = 0;
            int at = PackHeader.Length, next = 0;
            for (var frame = 0; frame < directory.FrameChunks.Count; frame++)
            {
                long liveBytes = 0;
                var liveChunks = 0;
                uint offset = 0;
                foreach (var chunk in chunks.Slice(next, directory.FrameChunks[frame]))
                {
                    if (owner.IsLive(chunk.Id, pack, frame, offset))
                    {
                        liveBytes += chunk.Length;
                        liveChunks++;
                    }

                    offset += chunk.Length;
                }

                var stored = (int)directory.FrameStoredBytes[frame];
                if (liveChunks > 0) _moves.Add(new FrameMove(frame, next, at, stored, liveBytes >= offset * (1 - owner._wasteShareMax)));
                found += liveChunks;
                at += stored;
                next += directory.FrameChunks[frame];
            }

            // Whatever the index promises in this pack must be in it: it is about to be deleted.
            if (found != decision.LiveChunks)
                throw new VaultException(VaultFault.Inconsistent, $"Prune deletes no packs: {pack} does not hold what the index says.", "Run 'vault rebuild-index' and 'vault verify', then prune again.");
        }

        /// <summary>Frames that follow one another are read together, up to a limit.</summary>
        private int EndOfRun(int from)
        {
            var to = from + 1;
            while (to < _moves.Count && _moves[to].Frame == _moves[to - 1].Frame + 1 && _moves[to].At + _moves[to].StoredBytes - _moves[from].At <= RunBytesMax) to++;
            return to;
        }

        private void Move(ObjectName pack, FrameDirectory directory, FrameMove move, ReadOnlySpan<byte> stored)
        {
            var own = CollectionsMarshal.AsSpan(directory.Chunks).Slice(move.FirstChunk, directory.FrameChunks[move.Frame]);
            if (move.IsWhole)
            {
                // Its tag vouches for it as a whole; recompressing would only cost time.
                (pack.Kind == ObjectKind.DataPack ? data : meta).Append(_frames.Decrypt((uint)move.Frame, stored), own);
                return;
            }

            var plain = _frames.Decode((uint)move.Frame, stored).Span;
            var (stride, phase) = _frames.DecodedShape;
            var ids = pack.Kind == ObjectKind.DataPack ? _dataIds : _metaIds;
            uint offset = 0;
            foreach (var chunk in own)
            {
                if (owner.IsLive(chunk.Id, pack, move.Frame, offset))
                {
                    var over = stride == 0 ? 0 : (((phase - (int)offset) % stride) + stride) % stride;
                    (pack.Kind == ObjectKind.DataPack ? _data : _meta).Add(chunk.Id, FrameReader.Chunk(plain, offset, chunk.Length, chunk.Id, ids, pack), stride, over);
                }

                offset += chunk.Length;
            }
        }
    }
}
