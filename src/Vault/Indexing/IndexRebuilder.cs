using System.Collections.Concurrent;
using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Storage;
using Backup.Vault.Verifying;

namespace Backup.Vault.Indexing;

/// <summary>What a rebuild found.</summary>
/// <param name="PacksIndexed">Packs in the new index.</param>
/// <param name="ChunksIndexed">Chunks in them, each place counted.</param>
/// <param name="IndexObjectsReplaced">Old index objects deleted.</param>
/// <param name="Problems">Packs whose directory does not open: they are left out. Repair them from a replica and rebuild again.</param>
public sealed record RebuildReport(long PacksIndexed, long ChunksIndexed, int IndexObjectsReplaced, IReadOnlyList<ObjectProblem> Problems);

/// <summary>Makes the index anew from the directories that packs carry. A backup key suffices; only headers and directories are read.</summary>
public static class IndexRebuilder
{
    private const int AtOnce = 8;

    /// <summary>Rebuilds. New index objects are durable before old ones go, and writers may work meanwhile: what they add is not touched.</summary>
    /// <exception cref="VaultException">The store failed.</exception>
    public static async Task<RebuildReport> RebuildAsync(OpenVault vault, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);

        // Old index objects are listed before the packs: every pack they name that still exists is then read.
        var old = (await StoreReading.ListAllAsync(vault.Store, ObjectKind.ChunkMap, cancel).ConfigureAwait(false)).Select(o => o.Name).ToList();
        var packs = await StoreReading.ListPacksAsync(vault.Store, cancel).ConfigureAwait(false);
        var problems = new ConcurrentBag<ObjectProblem>();
        var shards = new IndexShards(vault.Store, vault.Secrets);
        var idle = new Idle<PackDirectoryReader>();
        using var adding = new SemaphoreSlim(1);
        long packsIndexed = 0, chunksIndexed = 0;
        var counter = new ProgressCounter(progress, "reading pack directories", packs.Count, packs.Values.Sum());
        await Parallel.ForEachAsync(packs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (pack, inner) =>
        {
            if (!idle.TryTake(out var reader)) reader = new PackDirectoryReader(vault.Store, vault.Secrets);
            try
            {
                var directory = await reader.ReadAsync(pack.Key, pack.Value, inner).ConfigureAwait(false);
                await AddAsync(new IndexedPack(pack.Key, (uint)pack.Value, directory), inner).ConfigureAwait(false);
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NewerFormat or VaultFault.NotFound)
            {
                problems.Add(new ObjectProblem(pack.Key, e.Fault == VaultFault.NotFound ? ObjectProblemKind.Missing : ObjectProblemKind.WrongHash, e.Message));
            }

            idle.Return(reader);
            counter.Done(pack.Value);
        }).ConfigureAwait(false);

        await shards.StoreAsync(cancel).ConfigureAwait(false);
        var replaced = old.Where(n => !shards.Written.Contains(n)).ToList();
        foreach (var name in replaced) await vault.Store.DeleteAsync(name, cancel).ConfigureAwait(false);
        return new RebuildReport(packsIndexed, chunksIndexed, replaced.Count, [.. problems.OrderBy(p => p.Name.Hash)]);

        async Task AddAsync(IndexedPack pack, CancellationToken inner)
        {
            await adding.WaitAsync(inner).ConfigureAwait(false);
            try
            {
                shards.Add(pack);
                packsIndexed++;
                chunksIndexed += pack.Frames.Chunks.Count;
                await shards.StoreFullAsync(inner).ConfigureAwait(false);
            }
            finally
            {
                adding.Release();
            }
        }
    }
}
