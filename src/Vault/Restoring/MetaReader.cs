using Backup.Vault.Indexing;
using Backup.Vault.Storage;

namespace Backup.Vault.Restoring;

/// <summary>Reads tree nodes and lists one by one, keeping the last decoded frames: neighbours in a tree are neighbours in a frame.</summary>
internal sealed class MetaReader(IObjectStore store, ChunkIndex index, PackDecryptor decryptor) : IDisposable
{
    private const int FramesKept = 24;
    private readonly SemaphoreSlim _one = new(1);
    private readonly FrameReader _frames = new(store, decryptor);
    private readonly Dictionary<(int Pack, uint Frame), (byte[] Content, long Used)> _kept = [];
    private long _clock;

    /// <summary>A node's bytes, verified.</summary>
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
                frame.Content = await DecodeAsync(pack, location, cancel).ConfigureAwait(false);
                if (_kept.Count >= FramesKept) _kept.Remove(_kept.MinBy(k => k.Value.Used).Key);
            }

            _kept[key] = (frame.Content, ++_clock);
            return FrameReader.Chunk(frame.Content, location, id, decryptor.Secrets.MetaIdKey, pack);
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose()
    {
        _frames.Dispose();
        _one.Dispose();
    }

    private async Task<byte[]> DecodeAsync(ObjectName pack, ChunkLocation location, CancellationToken cancel)
    {
        await _frames.EnterAsync(pack, cancel).ConfigureAwait(false);
        var stored = new byte[location.FrameStoredBytes];
        await store.ReadRangeAsync(pack, location.FrameOffset, stored, cancel).ConfigureAwait(false);
        return _frames.Decode(location.FrameOrdinal, stored).ToArray();
    }
}
