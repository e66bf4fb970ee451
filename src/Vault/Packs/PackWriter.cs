using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Packs;

/// <summary>
/// Collects frames of one kind into packs and stores full packs in the background. Any number of threads may append; when the store
/// is slower than they are, they wait: at most <see cref="IObjectStore.WritesAtOnce"/> packs are in memory besides the open one.
/// </summary>
internal sealed class PackWriter : IAsyncDisposable
{
    private readonly IObjectStore _store;
    private readonly WriteSession _session;
    private readonly ObjectKind _kind;
    private readonly int _targetBytes, _packBytesMax;
    private readonly CancellationToken _cancel;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _places;
    private readonly Idle<byte[]> _buffers = new();
    private readonly ConcurrentDictionary<Task, bool> _storing = new();
    private readonly ConcurrentQueue<IndexedPack> _stored = new();
    private ExceptionDispatchInfo? _failure;
    private OpenPack? _open;
    private int _openTarget;
    private long _storedBytes;

    /// <param name="store">Where packs go.</param>
    /// <param name="session">Encrypts them.</param>
    /// <param name="kind">Data or metadata.</param>
    /// <param name="targetBytes">Mean pack size; each pack's own is drawn from 3/4 to 5/4 of it, so that where a pack ends says nothing.</param>
    /// <param name="cancel">Gives up storing.</param>
    internal PackWriter(IObjectStore store, WriteSession session, ObjectKind kind, int targetBytes, CancellationToken cancel)
    {
        _store = store;
        _session = session;
        _kind = kind;
        _targetBytes = targetBytes;
        _places = new SemaphoreSlim(store.WritesAtOnce);
        _packBytesMax = (targetBytes / 4 * 5) + FrameDirectory.FrameBytesMax + (1024 * 1024);
        _cancel = cancel;
    }

    internal long StoredBytes => Interlocked.Read(ref _storedBytes);

    /// <summary>Packs that are durable now and not yet taken by this call.</summary>
    internal List<IndexedPack> TakeStored()
    {
        var packs = new List<IndexedPack>();
        while (_stored.TryDequeue(out var pack)) packs.Add(pack);
        return packs;
    }

    internal int StoredCount => _stored.Count;

    /// <summary>Encrypts one encoded frame into the open pack. Blocks while the store is behind.</summary>
    /// <returns>Stored bytes of the frame.</returns>
    internal int Append(ReadOnlySpan<byte> encoded, ReadOnlySpan<ListedChunk> chunks)
    {
        lock (_lock)
        {
            Volatile.Read(ref _failure)?.Throw();
            if (_open is not null && (_open.Length + encoded.Length > _openTarget || !_open.HasRoomFor(encoded.Length, chunks.Length))) CloseOpenPack();
            if (_open is null)
            {
                if (!_buffers.TryTake(out var buffer)) buffer = GC.AllocateUninitializedArray<byte>(_packBytesMax);
                _open = new OpenPack(_session, _kind, buffer);
                _openTarget = (_targetBytes / 4 * 3) + RandomNumberGenerator.GetInt32((_targetBytes / 2) + 1);
            }

            return _open.Append(encoded, chunks);
        }
    }

    /// <summary>Stores what is open and waits until every pack is durable.</summary>
    internal async Task FlushAsync()
    {
        lock (_lock)
        {
            if (_open is not null) CloseOpenPack();
        }

        await Task.WhenAll(_storing.Keys).ConfigureAwait(false);
        Volatile.Read(ref _failure)?.Throw();
    }

    /// <summary>Waits for what is being stored; reports nothing, since whoever abandons a writer no longer needs it.</summary>
    public async ValueTask DisposeAsync()
    {
        OpenPack? open;
        lock (_lock) (open, _open) = (_open, null);
        open?.Dispose();
        await Task.WhenAll(_storing.Keys).ConfigureAwait(false);
        _places.Dispose();
    }

    /// <summary>Called under the lock: waiting here stops the other appenders too, which is the point.</summary>
    private void CloseOpenPack()
    {
        var pack = _open!;
        _open = null;
        _places.Wait(_cancel);
        var task = new Task<Task>(() => StoreAsync(pack));
        var whole = task.Unwrap();
        _storing.TryAdd(whole, true);
        whole.ContinueWith(t => _storing.TryRemove(t, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        task.Start(TaskScheduler.Default);
    }

    private async Task StoreAsync(OpenPack pack)
    {
        try
        {
            var (content, indexed) = pack.Seal();
            await _store.CreateAsync(indexed.Name, content, _cancel).ConfigureAwait(false);
            Interlocked.Add(ref _storedBytes, content.Length);
            _stored.Enqueue(indexed);
        }
        catch (Exception e)
        {
            // Kept for the appenders and the flush, which throw it: a pack that is not durable must stop the snapshot.
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
        }
        finally
        {
            pack.Dispose();
            _buffers.Return(pack.Buffer);
            _places.Release();
        }
    }
}
