using System.Buffers;
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

    /// <summary>
    /// The whole index. Packs that are marked, that the store lost (or never got, when this is a copy that was made while somebody wrote), or that have
    /// another length there are known but count as absent: so the next backup stores again what it can of what was lost.
    /// </summary>
    internal static async Task<ChunkIndex> LoadAsync(IObjectStore store, VaultSecrets secrets, MarkSet marks, CancellationToken cancel)
    {
        // Packs before index: what is indexed meanwhile counts as absent at worst, which costs room and nothing else.
        var stored = await StoreReading.ListPacksAsync(store, cancel).ConfigureAwait(false);
        var index = new ChunkIndex();
        var frames = new FrameDirectory();
        await ReadAsync(
            store, secrets,
            (name, plain) =>
            {
                var packs = new IndexReader(plain.Span, frames, $"Index {name}");
                while (packs.MoveNext())
                {
                    var pack = packs.Current;
                    index.AddPack(pack, marks.IsMarked(pack.Name) || !pack.IsIn(stored));
                }

                return Task.CompletedTask;
            },
            cancel).ConfigureAwait(false);
        return index;
    }

    /// <summary>
    /// Hands every index object, decrypted, to <paramref name="take"/>, one object at a time. Objects that prune replaced between listing
    /// and reading are found again under their new names: a pack may be handed over more than once.
    /// </summary>
    internal static async Task ReadAsync(IObjectStore store, VaultSecrets secrets, Func<ObjectName, ReadOnlyMemory<byte>, Task> take, CancellationToken cancel)
    {
        using var taking = new SemaphoreSlim(1);
        var done = new ConcurrentDictionary<ObjectName, bool>();
        for (var attempt = 1; ; attempt++)
        {
            var listed = await StoreReading.ListAllAsync(store, ObjectKind.ChunkMap, cancel).ConfigureAwait(false);
            var vanished = 0;
            var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel };
            await Parallel.ForEachAsync(listed.Where(o => !done.ContainsKey(o.Name)), options, async (found, inner) =>
            {
                try
                {
                    await ReadOneAsync(store, secrets, found, taking, take, inner).ConfigureAwait(false);
                    done.TryAdd(found.Name, true);
                }
                catch (VaultException e) when (e.Fault == VaultFault.NotFound && attempt < AttemptsMax)
                {
                    Interlocked.Increment(ref vanished);
                }
            }).ConfigureAwait(false);
            if (vanished == 0) return;
        }
    }

    /// <summary>In borrowed memory: index objects have megabytes, and a large vault has many of them.</summary>
    private static async Task ReadOneAsync(IObjectStore store, VaultSecrets secrets, StoreObject found, SemaphoreSlim taking, Func<ObjectName, ReadOnlyMemory<byte>, Task> take, CancellationToken cancel)
    {
        var what = $"Index {found.Name}";
        var length = StoreReading.CheckedLength(found);
        using var stored = MemoryPool<byte>.Shared.Rent(length);
        await StoreReading.ReadVerifiedAsync(store, found.Name, stored.Memory[..length], cancel).ConfigureAwait(false);
        using var plain = MemoryPool<byte>.Shared.Rent(Math.Max(1, Envelope.PlainBytes(length)));
        var content = plain.Memory[..Envelope.PlainBytes(length)];
        IndexDocument.Open(stored.Memory.Span[..length], secrets, what, content.Span);
        await taking.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await take(found.Name, content).ConfigureAwait(false);
        }
        finally
        {
            taking.Release();
        }
    }
}
