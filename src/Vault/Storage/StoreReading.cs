using System.Collections.Concurrent;

namespace Backup.Vault.Storage;

/// <summary>Reads that check what they read against the name.</summary>
internal static class StoreReading
{
    /// <summary>A whole object whose bytes have the hash that its name carries.</summary>
    internal static async Task<byte[]> ReadVerifiedAsync(IObjectStore store, ObjectName name, CancellationToken cancel)
    {
        var content = await store.ReadAsync(name, cancel).ConfigureAwait(false);
        return name.Matches(content) ? content : throw VaultException.Damaged(name.ToString(), "its bytes do not have the hash in its name");
    }

    /// <summary>The same for an object whose length was listed, into memory of that length.</summary>
    internal static async Task ReadVerifiedAsync(IObjectStore store, ObjectName name, Memory<byte> content, CancellationToken cancel)
    {
        await store.ReadRangeAsync(name, 0, content, cancel).ConfigureAwait(false);
        if (!name.Matches(content.Span)) throw VaultException.Damaged(name.ToString(), "its bytes do not have the hash in its name");
    }

    /// <summary>An object's listed length, so far as an object may have it.</summary>
    internal static int CheckedLength(StoreObject found) => found.Length is > 0 and <= IObjectStore.ObjectBytesMax
        ? (int)found.Length
        : throw VaultException.Damaged(found.Name.ToString(), $"it has {found.Length} bytes, which no store object has");

    internal static async Task<List<StoreObject>> ListAllAsync(IObjectStore store, ObjectKind kind, CancellationToken cancel)
    {
        var all = new List<StoreObject>();
        await foreach (var found in store.ListAsync(kind, cancel).ConfigureAwait(false)) all.Add(found);
        return all;
    }

    /// <summary>All packs and their stored lengths.</summary>
    internal static async Task<Dictionary<ObjectName, long>> ListPacksAsync(IObjectStore store, CancellationToken cancel)
    {
        var packs = new Dictionary<ObjectName, long>();
        foreach (var kind in (ObjectKind[])[ObjectKind.DataPack, ObjectKind.MetaPack])
            await foreach (var found in store.ListAsync(kind, cancel).ConfigureAwait(false)) packs[found.Name] = found.Length;
        return packs;
    }

    /// <summary>Reads many small objects, a few at a time. A damaged one fails the whole read, naming it.</summary>
    internal static async Task<IReadOnlyDictionary<ObjectName, byte[]>> ReadAllVerifiedAsync(IObjectStore store, IEnumerable<ObjectName> names, CancellationToken cancel)
    {
        const int AtOnce = 8;
        var contents = new ConcurrentDictionary<ObjectName, byte[]>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel };
        await Parallel.ForEachAsync(names, options, async (name, inner) => contents[name] = await ReadVerifiedAsync(store, name, inner).ConfigureAwait(false)).ConfigureAwait(false);
        return contents;
    }
}
