using System.Collections.Concurrent;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Pruning;
using Backup.Vault.Storage;

namespace Backup.Vault.Indexing;

/// <summary>Reads the index objects into memory, a few at a time.</summary>
internal static class IndexLoader
{
    private const int AtOnce = 4, AttemptsMax = 5;

    /// <summary>The whole index. Marked packs are known but count as absent for writers.</summary>
    internal static async Task<ChunkIndex> LoadAsync(IObjectStore store, VaultSecrets secrets, MarkSet marks, CancellationToken cancel)
    {
        var index = new ChunkIndex();
        await ReadAsync(store, secrets, (_, packs) => AddAll(index, packs, marks), cancel).ConfigureAwait(false);
        return index;
    }

    private static void AddAll(ChunkIndex index, List<IndexedPack> packs, MarkSet marks)
    {
        foreach (var pack in packs) index.AddPack(pack, marks.IsMarked(pack.Name));
    }

    /// <summary>
    /// Hands every index object's packs to <paramref name="take"/>, one object at a time. Objects that prune replaced between listing and
    /// reading are found again under their new names: a pack may be handed over more than once.
    /// </summary>
    internal static async Task<IReadOnlyCollection<ObjectName>> ReadAsync(IObjectStore store, VaultSecrets secrets, Action<ObjectName, List<IndexedPack>> take, CancellationToken cancel)
    {
        var taking = new Lock();
        var done = new ConcurrentDictionary<ObjectName, bool>();
        for (var attempt = 1; ; attempt++)
        {
            var names = (await StoreReading.ListAllAsync(store, ObjectKind.ChunkMap, cancel).ConfigureAwait(false)).Select(o => o.Name).ToList();
            var vanished = 0;
            var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel };
            await Parallel.ForEachAsync(names.Where(n => !done.ContainsKey(n)), options, async (name, inner) =>
            {
                try
                {
                    var content = await StoreReading.ReadVerifiedAsync(store, name, inner).ConfigureAwait(false);
                    var packs = IndexDocument.Parse(content, secrets, $"Index {name}");
                    lock (taking) take(name, packs);
                    done.TryAdd(name, true);
                }
                catch (VaultException e) when (e.Fault == VaultFault.NotFound && attempt < AttemptsMax)
                {
                    Interlocked.Increment(ref vanished);
                }
            }).ConfigureAwait(false);
            if (vanished == 0) return [.. done.Keys];
        }
    }
}
