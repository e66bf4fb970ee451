using Backup.Vault.Chunking;
using Backup.Vault.Indexing;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>Reads tree nodes and lists one by one, keeping the last decoded frames: neighbours in a tree are neighbours in a frame.</summary>
internal sealed class MetaReader(IObjectStore store, ChunkIndex index, PackDecryptor decryptor) : IDisposable
{
    private const int FramesKept = 12;
    private readonly SemaphoreSlim _one = new(1);
    private readonly FrameReader _frames = new(store, decryptor);
    private readonly ChunkHasher _ids = new(decryptor.Secrets.MetaIdKey);
    private readonly Dictionary<(int Pack, uint Frame), KeptFrame> _kept = [];
    private byte[] _stored = [];
    private long _clock;

    /// <summary>A decoded frame in a buffer that the next frame takes over: these are the largest allocations of a walk.</summary>
    private sealed class KeptFrame
    {
        internal byte[] Buffer = [];
        internal int Length;
        internal long Used;
    }

    /// <summary>A node's bytes, verified; a copy of one's own.</summary>
    internal async Task<ReadOnlyMemory<byte>> ReadAsync(ChunkId id, CancellationToken cancel)
    {
        if (!index.TryLocate(id, out var location))
            throw new VaultException(VaultFault.NotFound, $"Tree node {id} is in no index.", "Run 'vault rebuild-index'; if it is still missing, 'vault repair' from a replica.");
        var pack = index.PackName(location.Pack);
        await _one.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            var key = (location.Pack, location.FrameOrdinal);
            if (!_kept.TryGetValue(key, out var frame))
            {
                frame = _kept.Count < FramesKept ? new KeptFrame() : TakeOldest();
                await DecodeAsync(pack, location, frame, cancel).ConfigureAwait(false);
                _kept.Add(key, frame);
            }

            frame.Used = ++_clock;
            return FrameReader.Chunk(frame.Buffer.AsSpan(0, frame.Length), location.OffsetInFrame, location.Length, id, _ids, pack).ToArray();
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose()
    {
        _frames.Dispose();
        _ids.Dispose();
        _one.Dispose();
    }

    private KeptFrame TakeOldest()
    {
        var (key, frame) = _kept.MinBy(k => k.Value.Used);
        _kept.Remove(key);
        return frame;
    }

    private async Task DecodeAsync(ObjectName pack, ChunkLocation location, KeptFrame frame, CancellationToken cancel)
    {
        await _frames.EnterAsync(pack, cancel).ConfigureAwait(false);
        var length = (int)location.FrameStoredBytes;
        if (_stored.Length < length) _stored = GC.AllocateUninitializedArray<byte>(length + (length / 4));
        await store.ReadRangeAsync(pack, location.FrameOffset, _stored.AsMemory(0, length), cancel).ConfigureAwait(false);
        var content = _frames.Decode(location.FrameOrdinal, _stored.AsSpan(0, length));
        if (frame.Buffer.Length < content.Length) frame.Buffer = GC.AllocateUninitializedArray<byte>(content.Length);
        content.CopyTo(frame.Buffer);
        frame.Length = content.Length;
    }
}
