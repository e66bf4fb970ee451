using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Indexing;

/// <summary>Gathers packs into index objects of bounded size. One thread at a time; holds what is not stored yet, about one object.</summary>
internal sealed class IndexShards(IObjectStore store, VaultSecrets secrets)
{
    private readonly ByteWriter _packs = new(64 * 1024);
    private readonly HashSet<ObjectName> _written = [];
    private int _count;

    /// <summary>The objects stored so far.</summary>
    internal IReadOnlySet<ObjectName> Written => _written;

    internal void Add(IndexedPack pack)
    {
        IndexDocument.WritePack(_packs, pack);
        _count++;
    }

    /// <summary>Adds a pack as another index object has it.</summary>
    internal void Add(ReadOnlySpan<byte> encoded)
    {
        _packs.Raw(encoded);
        _count++;
    }

    /// <summary>Stores what was added once it fills an object.</summary>
    internal Task StoreFullAsync(CancellationToken cancel) => _packs.Length < IndexDocument.BytesTarget ? Task.CompletedTask : StoreAsync(cancel);

    /// <summary>Stores what was added since; when this returns it is durable.</summary>
    internal async Task StoreAsync(CancellationToken cancel)
    {
        if (_count == 0) return;
        var content = IndexDocument.Seal(secrets, _count, _packs.WrittenSpan);
        _packs.Clear();
        _count = 0;
        var name = ObjectName.For(ObjectKind.ChunkMap, content);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        _written.Add(name);
    }

    /// <summary>Stores these packs in as many objects as they need.</summary>
    internal static async Task StoreAllAsync(IObjectStore store, VaultSecrets secrets, IEnumerable<IndexedPack> packs, CancellationToken cancel)
    {
        var shards = new IndexShards(store, secrets);
        foreach (var pack in packs)
        {
            shards.Add(pack);
            await shards.StoreFullAsync(cancel).ConfigureAwait(false);
        }

        await shards.StoreAsync(cancel).ConfigureAwait(false);
    }
}
