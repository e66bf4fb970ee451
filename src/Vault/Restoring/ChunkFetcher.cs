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

    /// <summary>Kept from one fetch to the next: their buffers are megabytes each.</summary>
    private readonly Idle<Worker> _idle = new();
    private readonly Idle<byte[]> _buffers = new();

    private readonly record struct Want(ChunkLocation Location, int Number);

    /// <summary>Bytes that <see cref="FetchAsync"/> would read from the store; what the index does not have fails here as it would there.</summary>
    internal long Measure(IReadOnlyList<ContentPart> wanted, IChunkSink sink)
    {
        var found = Locate(wanted, sink);
        return SplitRuns(found).Sum(run => (long)BytesOf(found, run));
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
        var runs = new List<PackRun>();
        var frames = new List<(int Run, Range Wants)>();
        foreach (var run in SplitRuns(found))
        {
            var before = frames.Count;
            frames.AddRange(SplitFrames(found, run).Select(frame => (runs.Count, frame)));
            var first = found[run.Start.Value].Location;
            var pack = index.PackName(first.Pack);
            var header = runs.Count > 0 && runs[^1].Pack == pack ? runs[^1].Header : PackRun.HeaderOf(pack, store, cancel);
            runs.Add(new PackRun(pack, header, first.FrameOffset, BytesOf(found, run), frames.Count - before, _buffers));
        }

        // Frames, not runs, are what threads take turns with: frames that compress well stand by the dozen in what is read at once.
        var options = new ParallelOptions { MaxDegreeOfParallelism = parallelism, CancellationToken = cancel };
        await Parallel.ForEachAsync(frames, options, async (frame, inner) =>
        {
            // While one is decoded the store is at work at the next.
            for (var ahead = frame.Run; ahead < Math.Min(frame.Run + parallelism, runs.Count); ahead++) runs[ahead].Begin(store, cancel);
            if (!_idle.TryTake(out var worker)) worker = new Worker(store, decryptor, idKey);
            try
            {
                await worker.ReadAsync(found, frame.Wants, runs[frame.Run], wanted, sink, inner).ConfigureAwait(false);
            }
            finally
            {
                _idle.Return(worker);
            }

            runs[frame.Run].FrameDone();
        }).ConfigureAwait(false);
        return runs.Sum(run => (long)run.Length);
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
                if (next.FrameOffset != before.FrameOffset && next.FrameOffset + next.FrameStoredBytes - first.FrameOffset > PackRun.BytesMax) break;
            }

            yield return from..to;
            from = to;
        }
    }

    /// <summary>The wants of each frame of a run.</summary>
    private static IEnumerable<Range> SplitFrames(List<Want> found, Range run)
    {
        for (int from = run.Start.Value, to; from < run.End.Value; from = to)
        {
            to = from + 1;
            while (to < run.End.Value && found[to].Location.FrameOffset == found[from].Location.FrameOffset) to++;
            yield return from..to;
        }
    }

    private sealed class Worker(IObjectStore store, PackDecryptor decryptor, byte[] idKey) : IDisposable
    {
        private readonly FrameReader _frames = new(store, decryptor);
        private readonly ChunkHasher _ids = new(idKey);
        private readonly List<ChunkPlace> _places = [];

        /// <summary>What was decoded last stays: of a frame's chunks the next are often asked for by the next fetch.</summary>
        private (ObjectName Pack, uint Ordinal, ReadOnlyMemory<byte> Content)? _decoded;

        /// <summary>Delivers all wants of one frame; a damaged frame fails only its own.</summary>
        internal async Task ReadAsync(List<Want> found, Range frame, PackRun run, IReadOnlyList<ContentPart> wanted, IChunkSink sink, CancellationToken cancel)
        {
            ReadOnlyMemory<byte> content;
            try
            {
                var bytes = await run.Bytes.ConfigureAwait(false);
                if (!_frames.IsIn(run.Pack)) _frames.Enter(run.Pack, await run.Header.Value.ConfigureAwait(false));
                cancel.ThrowIfCancellationRequested();
                content = Decode(run, found[frame.Start.Value].Location, bytes.Span);
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
            {
                for (var want = frame.Start.Value; want < frame.End.Value; want++) sink.Fail(found[want].Number, e);
                return;
            }

            DeliverAll(CollectionsMarshal.AsSpan(found)[frame], content, wanted, run.Pack, sink);
        }

        private ReadOnlyMemory<byte> Decode(PackRun run, in ChunkLocation location, ReadOnlySpan<byte> bytes)
        {
            if (_decoded is { } last && last.Pack == run.Pack && last.Ordinal == location.FrameOrdinal) return last.Content;
            _decoded = null;
            var content = _frames.Decode(location.FrameOrdinal, bytes.Slice((int)(location.FrameOffset - run.Offset), (int)location.FrameStoredBytes));
            _decoded = (run.Pack, location.FrameOrdinal, content);
            return content;
        }

        /// <summary>Joins neighbours, so that what was a file's stretch of small chunks is written as one.</summary>
        private void DeliverAll(ReadOnlySpan<Want> wants, ReadOnlyMemory<byte> frame, IReadOnlyList<ContentPart> wanted, ObjectName pack, IChunkSink sink)
        {
            int first = 0, count = 0, length = 0, next = 0;
            var ids = Identify(wants, wanted, frame.Span);
            VaultException? problem = null;
            for (var i = 0; i < wants.Length; i++)
            {
                var (location, number) = wants[i];
                var id = wanted[number].Id;
                if (!IsRepeated(wants, i, wanted))
                {
                    if (!FrameReader.IsInside(frame.Span, location.OffsetInFrame, location.Length)) problem = FrameReader.Outside(id, pack);
                    else problem = ids[next++] == id ? null : FrameReader.Different(id, pack);
                }

                if (problem is not null)
                {
                    sink.Fail(number, problem);
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

        /// <summary>The ids of what lies at the wanted places, of each place once.</summary>
        private ReadOnlySpan<ChunkId> Identify(ReadOnlySpan<Want> wants, IReadOnlyList<ContentPart> wanted, ReadOnlySpan<byte> frame)
        {
            _places.Clear();
            for (var i = 0; i < wants.Length; i++)
            {
                var location = wants[i].Location;
                if (!IsRepeated(wants, i, wanted) && FrameReader.IsInside(frame, location.OffsetInFrame, location.Length)) _places.Add(new ChunkPlace((int)location.OffsetInFrame, (int)location.Length));
            }

            return _ids.IdsOf(frame, CollectionsMarshal.AsSpan(_places));
        }

        /// <summary>Equal files are wanted several times in a row; one check of the chunk serves them all.</summary>
        private static bool IsRepeated(ReadOnlySpan<Want> wants, int i, IReadOnlyList<ContentPart> wanted) => i > 0 && wanted[wants[i].Number].Id == wanted[wants[i - 1].Number].Id;

        public void Dispose()
        {
            _frames.Dispose();
            _ids.Dispose();
        }
    }
}
