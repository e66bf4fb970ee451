using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Backup.Vault.Chunking;
using Backup.Vault.Indexing;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>Takes chunks as they are read, from several threads at once and in no order that the caller chose.</summary>
public interface IChunkSink
{
    /// <summary>The bytes of one wanted chunk, or of several that were wanted one after another and are stored so; verified. The span is valid during the call only.</summary>
    /// <param name="want">Position of the first in the list of wanted parts; the others follow it.</param>
    /// <param name="count">How many chunks, at least one.</param>
    /// <param name="data">The chunks' bytes, one after another.</param>
    void Deliver(int want, int count, ReadOnlySpan<byte> data);

    /// <summary>A wanted chunk cannot be had: missing or damaged. The rest is still read.</summary>
    /// <param name="want">Position in the list of wanted parts.</param>
    /// <param name="why">What is wrong, naming the store object.</param>
    void Fail(int want, VaultException why);
}

/// <summary>Reads many chunks with each pack visited once, in order, and each frame decoded once, over several threads.</summary>
internal sealed class ChunkFetcher(IObjectStore store, ChunkIndex index, PackDecryptor decryptor, byte[] idKey) : IDisposable
{
    /// <summary>Frames are read together when what lies between them is no longer than this: cheaper than another request.</summary>
    private const int GapBytesMax = 256 * 1024;
    private const int RunBytesMax = 2 * 1024 * 1024;

    /// <summary>Kept from one fetch to the next: their buffers are megabytes each.</summary>
    private readonly ConcurrentBag<Worker> _idle = [];

    private readonly record struct Want(ChunkLocation Location, int Number);

    /// <summary>Bytes that <see cref="FetchAsync"/> would read from the store; what the index does not have fails here as it would there.</summary>
    internal long Measure(IReadOnlyList<ContentPart> wanted, IChunkSink sink)
    {
        var found = Locate(wanted, sink);
        return SplitRuns(found).Sum(run => BytesOf(found, run));
    }

    /// <summary>The packs of these parts, in their order; neighbours in one pack name it once.</summary>
    internal IEnumerable<ObjectName> PacksOf(IReadOnlyList<ContentPart> parts)
    {
        int? entered = null;
        foreach (var part in parts)
        {
            if (!index.TryLocate(part.Id, out var location) || location.Pack == entered) continue;
            entered = location.Pack;
            yield return index.PackName(location.Pack);
        }
    }

    /// <returns>Bytes read from the store.</returns>
    internal async Task<long> FetchAsync(IReadOnlyList<ContentPart> wanted, IChunkSink sink, int parallelism, CancellationToken cancel)
    {
        var found = Locate(wanted, sink);
        long bytesRead = 0;
        var options = new ParallelOptions { MaxDegreeOfParallelism = parallelism, CancellationToken = cancel };
        await Parallel.ForEachAsync(SplitRuns(found), options, async (run, inner) =>
        {
            if (!_idle.TryTake(out var worker)) worker = new Worker(store, decryptor, idKey);
            try
            {
                Interlocked.Add(ref bytesRead, BytesOf(found, run));
                await worker.ReadAsync(found, run, wanted, index.PackName(found[run.Start.Value].Location.Pack), sink, inner).ConfigureAwait(false);
            }
            finally
            {
                _idle.Add(worker);
            }
        }).ConfigureAwait(false);
        return bytesRead;
    }

    public void Dispose()
    {
        while (_idle.TryTake(out var worker)) worker.Dispose();
    }

    /// <summary>In the order in which they are stored.</summary>
    private List<Want> Locate(IReadOnlyList<ContentPart> wanted, IChunkSink sink)
    {
        var found = new List<Want>(wanted.Count);
        for (var number = 0; number < wanted.Count; number++)
        {
            if (!index.TryLocate(wanted[number].Id, out var location)) sink.Fail(number, Missing(wanted[number].Id));
            else if (location.Length != wanted[number].Length) sink.Fail(number, VaultException.Damaged($"Chunk {wanted[number].Id}", "the index gives it another length than the tree does"));
            else found.Add(new Want(location, number));
        }

        found.Sort((a, b) => (a.Location.Pack, a.Location.FrameOffset, a.Location.OffsetInFrame).CompareTo((b.Location.Pack, b.Location.FrameOffset, b.Location.OffsetInFrame)));
        return found;
    }

    private static int BytesOf(List<Want> found, Range run)
    {
        var (first, last) = (found[run.Start.Value].Location, found[run.End.Value - 1].Location);
        return (int)(last.FrameOffset + last.FrameStoredBytes - first.FrameOffset);
    }

    private static VaultException Missing(ChunkId id) => new(
        VaultFault.NotFound, $"Chunk {id} is in no index.", "Run 'vault rebuild-index'; if it is still missing, 'vault repair' from a replica.");

    /// <summary>Stretches of wants that lie close together in one pack.</summary>
    private static IEnumerable<Range> SplitRuns(List<Want> found)
    {
        for (var from = 0; from < found.Count;)
        {
            var first = found[from].Location;
            var to = from + 1;
            for (; to < found.Count; to++)
            {
                var (before, next) = (found[to - 1].Location, found[to].Location);
                if (next.Pack != first.Pack || next.FrameOffset > before.FrameOffset + before.FrameStoredBytes + GapBytesMax) break;
                if (next.FrameOffset != before.FrameOffset && next.FrameOffset + next.FrameStoredBytes - first.FrameOffset > RunBytesMax) break;
            }

            yield return from..to;
            from = to;
        }
    }

    private sealed class Worker(IObjectStore store, PackDecryptor decryptor, byte[] idKey) : IDisposable
    {
        private readonly FrameReader _frames = new(store, decryptor);
        private readonly ChunkHasher _ids = new(idKey);
        private byte[] _stored = [];

        internal async Task ReadAsync(List<Want> found, Range run, IReadOnlyList<ContentPart> wanted, ObjectName pack, IChunkSink sink, CancellationToken cancel)
        {
            var (from, count) = run.GetOffsetAndLength(found.Count);
            var first = found[from].Location;
            var length = BytesOf(found, run);
            if (_stored.Length < length) _stored = GC.AllocateUninitializedArray<byte>(Math.Max(length, RunBytesMax));
            var next = from;
            try
            {
                var bytes = _stored.AsMemory(0, length);
                await _frames.EnterAsync(pack, cancel).ConfigureAwait(false);
                await store.ReadRangeAsync(pack, first.FrameOffset, bytes, cancel).ConfigureAwait(false);
                while (next < from + count) next = ReadFrame(found, next, from + count, bytes.Span, first.FrameOffset, wanted, pack, sink, cancel);
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
            {
                for (; next < from + count; next++) sink.Fail(found[next].Number, e);
            }
        }

        /// <summary>Delivers all wants of one frame; a damaged frame fails only its own.</summary>
        private int ReadFrame(List<Want> found, int from, int end, ReadOnlySpan<byte> bytes, uint origin, IReadOnlyList<ContentPart> wanted, ObjectName pack, IChunkSink sink, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            var location = found[from].Location;
            var to = from;
            while (to < end && found[to].Location.FrameOffset == location.FrameOffset) to++;
            ReadOnlyMemory<byte> frame;
            try
            {
                frame = _frames.Decode(location.FrameOrdinal, bytes.Slice((int)(location.FrameOffset - origin), (int)location.FrameStoredBytes));
            }
            catch (VaultException e) when (e.Fault == VaultFault.Damaged)
            {
                for (var i = from; i < to; i++) sink.Fail(found[i].Number, e);
                return to;
            }

            DeliverAll(CollectionsMarshal.AsSpan(found)[from..to], frame, wanted, pack, sink);
            return to;
        }

        /// <summary>Joins neighbours, so that what was a file's stretch of small chunks is written as one.</summary>
        private void DeliverAll(ReadOnlySpan<Want> wants, ReadOnlyMemory<byte> frame, IReadOnlyList<ContentPart> wanted, ObjectName pack, IChunkSink sink)
        {
            int first = 0, count = 0, length = 0;
            ChunkId? verified = null;
            for (var i = 0; i < wants.Length; i++)
            {
                var (location, number) = wants[i];
                try
                {
                    // Equal files are wanted several times in a row; one check of the chunk serves them all.
                    if (verified != wanted[number].Id) _ = FrameReader.Chunk(frame.Span, location.OffsetInFrame, location.Length, wanted[number].Id, _ids, pack);
                    verified = wanted[number].Id;
                }
                catch (VaultException e) when (e.Fault == VaultFault.Damaged)
                {
                    verified = null;
                    sink.Fail(number, e);
                    continue;
                }

                var isNext = count > 0 && number == wants[first].Number + count && location.OffsetInFrame == wants[first].Location.OffsetInFrame + length;
                if (!isNext)
                {
                    Deliver(wants);
                    (first, count, length) = (i, 0, 0);
                }

                count++;
                length += (int)location.Length;
            }

            Deliver(wants);

            void Deliver(ReadOnlySpan<Want> all)
            {
                if (count > 0) sink.Deliver(all[first].Number, count, frame.Span.Slice((int)all[first].Location.OffsetInFrame, length));
            }
        }

        public void Dispose()
        {
            _frames.Dispose();
            _ids.Dispose();
        }
    }
}
