using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>A stretch of a pack that is read by one request. Its frames are decoded by whichever threads are free; the last one gives the buffer back.</summary>
/// <param name="pack">The pack.</param>
/// <param name="header">See <see cref="HeaderOf"/>; shared by the runs of a pack.</param>
/// <param name="offset">Where it begins.</param>
/// <param name="length">Its bytes.</param>
/// <param name="frames">How many frames will be decoded.</param>
/// <param name="buffers">Where its buffer comes from and goes to.</param>
internal sealed class PackRun(ObjectName pack, Lazy<Task<byte[]>> header, uint offset, int length, int frames, Idle<byte[]> buffers)
{
    /// <summary>More than this is not read at once; also the length of a buffer, unless one frame is longer.</summary>
    internal const int BytesMax = 2 * 1024 * 1024;

    private byte[] _buffer = [];
    private Task<ReadOnlyMemory<byte>>? _bytes;
    private int _framesLeft = frames;

    internal ObjectName Pack => pack;

    internal Lazy<Task<byte[]>> Header => header;

    internal uint Offset => offset;

    internal int Length => length;

    /// <summary>After <see cref="Begin"/>. Valid until <see cref="FrameDone"/> was called for every frame.</summary>
    internal Task<ReadOnlyMemory<byte>> Bytes => _bytes ?? throw new InvalidOperationException("The read was not begun.");

    /// <summary>A pack's header, which is read when it is first asked for.</summary>
    internal static Lazy<Task<byte[]>> HeaderOf(ObjectName pack, IObjectStore store, CancellationToken cancel) => new(async () =>
    {
        var header = new byte[PackHeader.Length];
        await store.ReadRangeAsync(pack, 0, header, cancel).ConfigureAwait(false);
        return header;
    });

    /// <summary>Begins the read, unless that was done.</summary>
    internal void Begin(IObjectStore store, CancellationToken cancel)
    {
        if (Volatile.Read(ref _bytes) is not null) return;
        lock (this) _bytes ??= ReadAsync(store, cancel);
    }

    internal void FrameDone()
    {
        if (Interlocked.Decrement(ref _framesLeft) == 0) buffers.Return(_buffer);
    }

    private async Task<ReadOnlyMemory<byte>> ReadAsync(IObjectStore store, CancellationToken cancel)
    {
        if (!buffers.TryTake(out var buffer) || buffer.Length < length) buffer = GC.AllocateUninitializedArray<byte>(Math.Max(length, BytesMax));
        _buffer = buffer;
        var bytes = buffer.AsMemory(0, length);
        await store.ReadRangeAsync(pack, offset, bytes, cancel).ConfigureAwait(false);
        return bytes;
    }
}
