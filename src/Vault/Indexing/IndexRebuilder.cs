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
        var packs = await Pruning.Pruner.ListPacksAsync(vault.Store, cancel).ConfigureAwait(false);
        var problems = new ConcurrentBag<ObjectProblem>();
        var indexed = new ConcurrentBag<IndexedPack>();
        var counter = new ProgressCounter(progress, "reading pack directories", packs.Count, packs.Values.Sum());
        await Parallel.ForEachAsync(packs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (pack, inner) =>
        {
            try
            {
                indexed.Add(new IndexedPack(pack.Key, (uint)pack.Value, await OpenPack.ReadDirectoryAsync(vault.Store, pack.Key, pack.Value, vault.Secrets, inner).ConfigureAwait(false)));
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NewerFormat or VaultFault.NotFound)
            {
                problems.Add(new ObjectProblem(pack.Key, e.Fault == VaultFault.NotFound ? ObjectProblemKind.Missing : ObjectProblemKind.WrongHash, e.Message));
            }

            counter.Done(pack.Value);
        }).ConfigureAwait(false);

        var written = new HashSet<ObjectName>();
        foreach (var content in IndexShards.Write(vault.Secrets, indexed.OrderBy(p => p.Name.Hash)))
        {
            var name = ObjectName.For(ObjectKind.ChunkMap, content);
            await vault.Store.CreateAsync(name, content, cancel).ConfigureAwait(false);
            written.Add(name);
        }

        var replaced = old.Where(n => !written.Contains(n)).ToList();
        foreach (var name in replaced) await vault.Store.DeleteAsync(name, cancel).ConfigureAwait(false);
        return new RebuildReport(indexed.Count, indexed.Sum(p => (long)p.Frames.Chunks.Count), replaced.Count, [.. problems.OrderBy(p => p.Name.Hash)]);
    }
}
