using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Packs;
using Backup.Vault.Pruning;
using Backup.Vault.Storage;
using Microsoft.Win32.SafeHandles;

namespace Backup.Vault.Snapshots;

/// <summary>
/// One backup: contents and trees go in, a snapshot comes out. Nothing is visible to anyone before <see cref="CommitAsync"/>; a writer
/// that dies leaves packs that the next one finds in the index or that prune removes after its grace period.
/// </summary>
/// <remarks>
/// <see cref="AddContent(Stream, ContentHints, CancellationToken)"/>, its overloads, <see cref="AddTree"/> and <see cref="TryReuse"/> may be
/// called from any number of threads at once. They do their work (chunking, hashing, compressing) on the calling thread: use about as many
/// threads as there are cores. Memory is bounded: about 8 MiB per calling thread, plus one data pack and one for each write that the store wants at once.
/// After any call has thrown a <see cref="VaultException"/> the writer is spent: dispose it.
/// </remarks>
public sealed class SnapshotWriter : IAsyncDisposable
{
    private const int MetaLevel = 3;
    private readonly IObjectStore _store;
    private readonly TimeProvider _time;
    private readonly WriterOptions _options;
    private readonly PackWriter _dataPacks, _metaPacks;
    private readonly TreeWriter _trees;
    private readonly Idle<ContentLane> _idleLanes = new();
    private readonly ConcurrentStack<ContentLane> _allLanes = [];
    private readonly SemaphoreSlim _indexing = new(1);
    private readonly HashSet<ObjectName> _ownPacks = [];
    private readonly MarkSet _marksAtStart;
    private readonly CancellationTokenSource _stop = new();
    private readonly DateTimeOffset _started;
    private long _bytesRead, _bytesNew, _chunks, _chunksNew, _metaBytes, _bytesReused;
    private ExceptionDispatchInfo? _indexFailure;
    private int _isCommitted;

    internal SnapshotWriter(IObjectStore store, VaultSecrets secrets, ChunkIndex chunkMap, MarkSet marks, WriterOptions options, TimeProvider time)
    {
        options.Check();
        _store = store;
        _time = time;
        _options = options;
        _marksAtStart = marks;
        _started = time.GetUtcNow();
        Secrets = secrets;
        ChunkMap = chunkMap;
        Gear = new GearTable(secrets.GearKey);
        var session = new WriteSession(secrets);
        _dataPacks = new PackWriter(store, session, ObjectKind.DataPack, options.DataPackBytes, _stop.Token);
        _metaPacks = new PackWriter(store, session, ObjectKind.MetaPack, options.MetaPackBytes, _stop.Token);
        _trees = new TreeWriter(this, _metaPacks, MetaLevel);
    }

    /// <summary>Counters so far.</summary>
    public WriterStatistics Statistics => new(
        Interlocked.Read(ref _bytesRead), Interlocked.Read(ref _bytesNew), _dataPacks.StoredBytes + _metaPacks.StoredBytes,
        Interlocked.Read(ref _chunks), Interlocked.Read(ref _chunksNew), Interlocked.Read(ref _metaBytes), Interlocked.Read(ref _bytesReused));

    internal VaultSecrets Secrets { get; }

    internal ChunkIndex ChunkMap { get; }

    internal GearTable Gear { get; }

    /// <summary>Told of packs once they are durable and in the index, whether or not a snapshot follows.</summary>
    internal Action<IReadOnlyList<IndexedPack>>? WhenIndexed { get; init; }

    /// <summary>Stores a stream's bytes up to its end.</summary>
    /// <param name="stream">Read synchronously; not disposed.</param>
    /// <param name="hints">What is known about the content.</param>
    /// <param name="cancel">Checked about once per mebibyte.</param>
    /// <returns>The content, to be put into a tree entry and, if wished, into a cache.</returns>
    /// <exception cref="VaultException">The store failed, now or in the background.</exception>
    /// <exception cref="IOException">The stream failed; the writer stays usable.</exception>
    public Content AddContent(Stream stream, ContentHints hints, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var source = new StreamSource(stream);
        return Add(ref source, hints, cancel);
    }

    /// <summary>Stores a stretch of an open file, reading by position.</summary>
    /// <param name="file">An open file; not disposed.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">How many bytes to read at most; a file that ends earlier gives less (compare the result's length).</param>
    /// <param name="hints">What is known about the content; the expected length is taken from <paramref name="length"/> if not given.</param>
    /// <param name="cancel">Checked about once per mebibyte.</param>
    /// <exception cref="VaultException">The store failed, now or in the background.</exception>
    /// <exception cref="IOException">The file failed; the writer stays usable.</exception>
    public Content AddContent(SafeFileHandle file, long offset, long length, ContentHints hints, CancellationToken cancel = default) =>
        AddContent(file, [new Extent(offset, length)], hints, cancel);

    /// <summary>Stores several stretches of an open file one after another as one content: the data of a sparse file.</summary>
    /// <param name="file">An open file; not disposed.</param>
    /// <param name="extents">The stretches, in order.</param>
    /// <param name="hints">What is known about the content; offsets in it count the content's bytes, not the file's.</param>
    /// <param name="cancel">Checked about once per mebibyte.</param>
    /// <exception cref="VaultException">The store failed, now or in the background.</exception>
    /// <exception cref="IOException">The file failed; the writer stays usable.</exception>
    public Content AddContent(SafeFileHandle file, IReadOnlyList<Extent> extents, ContentHints hints, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(extents);
        ArgumentNullException.ThrowIfNull(hints);
        var source = new FileSource(file, extents);
        return Add(ref source, hints.LengthExpected is null ? hints with { LengthExpected = extents.Sum(e => e.Length) } : hints, cancel);
    }

    /// <summary>True when every chunk of a cached content is stored, so that a file known to be unchanged need not be read. Relying on it is noted.</summary>
    /// <param name="content">From an earlier backup into this vault.</param>
    public bool TryReuse(Content content)
    {
        ArgumentNullException.ThrowIfNull(content);
        if (content.Depth != 0) return false;
        foreach (var part in content.Parts)
            if (!ChunkMap.Rely(part.Id, part.Length)) return false;
        Interlocked.Add(ref _bytesReused, content.Length);
        return true;
    }

    /// <summary>Stores a directory.</summary>
    /// <param name="entries">In ascending byte order of their names. Subtrees must have been added to this writer before.</param>
    /// <exception cref="ArgumentException">Names out of order or invalid, or an entry over its limits.</exception>
    /// <exception cref="VaultException">LimitExceeded, or the store failed.</exception>
    public TreeId AddTree(IReadOnlyList<TreeEntry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ThrowIfCommitted();
        return _trees.Add(entries);
    }

    /// <summary>Makes everything durable, in order: packs, index, snapshot. The snapshot is the only commit point.</summary>
    /// <param name="description">What the snapshot is of.</param>
    /// <param name="root">The root directory, added to this writer.</param>
    /// <param name="cancel">Gives up; then no snapshot exists, unless the store had already taken it.</param>
    /// <exception cref="VaultException">WriterExpired when the writer is older than its lifetime limit or a pack it relied on is gone; or the store failed.</exception>
    public async Task<SnapshotInfo> CommitAsync(SnapshotDescription description, TreeId root, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(description);
        description.Check();
        if (Interlocked.Exchange(ref _isCommitted, 1) != 0) throw new InvalidOperationException("A writer commits once.");
        using var registration = cancel.Register(_stop.Cancel);
        foreach (var lane in _allLanes) lane.Flush();
        _trees.Flush();
        await _dataPacks.FlushAsync().ConfigureAwait(false);
        await _metaPacks.FlushAsync().ConfigureAwait(false);
        await WriteIndexAsync(cancel).ConfigureAwait(false);
        if (!ChunkMap.Contains(root.Chunk)) throw new ArgumentException("The root tree was not added to this writer.", nameof(root));
        await CheckReliedPacksAsync(cancel).ConfigureAwait(false);

        var content = SnapshotDocument.ToBytes(Secrets, description, root, _started, _time.GetUtcNow(), Statistics);
        var id = new SnapshotId(ContentHash.Of(content));
        await _store.CreateAsync(id.Name, content, cancel).ConfigureAwait(false);

        // Again: a sweep that had read the snapshots before ours was there may have deleted since. Then this must not count as a backup.
        await CheckReliedPacksAsync(cancel).ConfigureAwait(false);
        return SnapshotDocument.Parse(content, id, Secrets) with { Root = root, SealedProperties = description.SealedProperties };
    }

    /// <summary>Abandons what was not committed. What is stored already stays for the next writer or for prune.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _dataPacks.DisposeAsync().ConfigureAwait(false);
        await _metaPacks.DisposeAsync().ConfigureAwait(false);
        foreach (var lane in _allLanes) lane.Dispose();
        _trees.Dispose();
        _indexing.Dispose();
        _stop.Dispose();
    }

    internal void CountChunk(int length, bool isNew)
    {
        Interlocked.Add(ref _bytesRead, length);
        Interlocked.Increment(ref _chunks);
        if (!isNew) return;
        Interlocked.Add(ref _bytesNew, length);
        Interlocked.Increment(ref _chunksNew);
    }

    internal void CountMeta(int length) => Interlocked.Add(ref _metaBytes, length);

    private Content Add<TSource>(ref TSource source, ContentHints hints, CancellationToken cancel)
        where TSource : struct, IByteSource
    {
        ArgumentNullException.ThrowIfNull(hints);
        hints.Check();
        ThrowIfCommitted();
        if (!_idleLanes.TryTake(out var lane))
        {
            lane = new ContentLane(this, _dataPacks, _options);
            _allLanes.Push(lane);
        }

        try
        {
            return lane.Add(ref source, hints, cancel);
        }
        finally
        {
            _idleLanes.Return(lane);
            IndexStoredPacksSoon();
        }
    }

    /// <summary>Indexes packs while the backup runs, so that a killed first backup need not start over. One thread does it, the others go on.</summary>
    private void IndexStoredPacksSoon()
    {
        if (_dataPacks.StoredCount < _options.PacksPerIndex || !_indexing.Wait(0)) return;
        try
        {
            WriteStoredPacksAsync(_stop.Token).GetAwaiter().GetResult();
        }
        finally
        {
            _indexing.Release();
        }
    }

    private async Task WriteIndexAsync(CancellationToken cancel)
    {
        await _indexing.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await WriteStoredPacksAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            _indexing.Release();
        }
    }

    private async Task WriteStoredPacksAsync(CancellationToken cancel)
    {
        _indexFailure?.Throw();
        List<IndexedPack> packs = [.. _metaPacks.TakeStored(), .. _dataPacks.TakeStored()];
        try
        {
            await IndexShards.StoreAllAsync(_store, Secrets, packs, cancel).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // These packs are in no index now: whoever goes on with this writer all the same must not get a snapshot out of it.
            _indexFailure = ExceptionDispatchInfo.Capture(e);
            throw;
        }

        _ownPacks.UnionWith(packs.Select(p => p.Name));
        WhenIndexed?.Invoke(packs);
    }

    /// <summary>Refuses the commit when prune may have taken, or be about to take, a pack that the snapshot needs. See WRITE_ORDER.md.</summary>
    private async Task CheckReliedPacksAsync(CancellationToken cancel)
    {
        var age = _time.GetUtcNow() - _started;
        if (age > PruneSafety.WriterLifetimeMax || age < TimeSpan.Zero)
            throw new VaultException(VaultFault.WriterExpired, $"This backup took {age}, longer than the {PruneSafety.WriterLifetimeMax} a writer may live (or the clock jumped).", "Run it again: what it stored is reused.");
        var marks = await MarkSet.LoadAsync(_store, Secrets.Vault, cancel).ConfigureAwait(false);
        if (marks.SameAs(_marksAtStart)) return;
        var present = await StoreReading.ListPacksAsync(_store, cancel).ConfigureAwait(false);
        foreach (var pack in ChunkMap.ReliedPacks().Concat(_ownPacks))
        {
            if (!present.ContainsKey(pack))
                throw new VaultException(VaultFault.WriterExpired, $"Pack {pack}, which this backup relied on, was pruned meanwhile.", "Run it again; a snapshot this backup may have written is incomplete and 'vault verify' names it.");
        }
    }

    private void ThrowIfCommitted()
    {
        if (Volatile.Read(ref _isCommitted) != 0) throw new InvalidOperationException("This writer is already committed.");
    }

    private readonly struct StreamSource(Stream stream) : IByteSource
    {
        public int Read(Span<byte> destination) => stream.Read(destination);
    }

    private struct FileSource(SafeFileHandle file, IReadOnlyList<Extent> extents) : IByteSource
    {
        private int _extent;
        private long _done;

        public int Read(Span<byte> destination)
        {
            while (_extent < extents.Count)
            {
                var left = extents[_extent].Length - _done;
                var count = left == 0 ? 0 : RandomAccess.Read(file, left < destination.Length ? destination[..(int)left] : destination, extents[_extent].Offset + _done);
                _done += count;
                if (count > 0) return count;

                // The stretch is done, or the file became shorter meanwhile: go on with the next.
                _extent++;
                _done = 0;
            }

            return 0;
        }
    }
}
