using Backup.Vault.Indexing;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>
/// Prune in three steps: decide (pure), show (the plan), execute in two phases (mark; after the grace period delete). Needs a restore key,
/// to see what snapshots need, and a store credential that may delete.
/// </summary>
public static class Pruner
{
    /// <summary>Decides what a prune would do. Changes nothing.</summary>
    /// <exception cref="VaultException">Inconsistent when anything that a kept snapshot needs is missing: then nothing may be deleted. KeyRole with a backup key.</exception>
    public static async Task<PrunePlan> PlanAsync(OpenVault vault, PruneRequest request, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        request.Check();
        vault.Secrets.RequireRestore("prune");
        var marks = await MarkSet.LoadAsync(vault.Store, vault.Id, cancel).ConfigureAwait(false);

        // Snapshots first: whatever a listed snapshot needs was indexed before it was committed.
        var snapshots = await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false);
        var index = await IndexLoader.LoadAsync(vault.Store, vault.Secrets, marks, cancel).ConfigureAwait(false);
        var drop = request.Drop.ToHashSet();
        var unknown = drop.Except(snapshots.Select(s => s.Id)).ToList();
        if (unknown.Count > 0) throw new VaultException(VaultFault.NotFound, $"Snapshot {unknown[0]} does not exist.", "List the snapshots again; it may have been dropped already.");
        var kept = snapshots.Where(s => !drop.Contains(s.Id)).ToList();
        var live = new ChunkSet();
        var missing = await new Reachability(vault.Store, vault.Secrets, index, live).CollectAsync(kept, cancel).ConfigureAwait(false);
        if (missing.Count > 0) throw Refuse($"snapshot {missing[0].Snapshot} needs what is missing: {missing[0].Problem} (at '{missing[0].Path}', {missing.Count} in all)");

        // Listed once more, after the index: what was stored and indexed meanwhile must not look as if it had vanished.
        var uses = index.MeasureUse(live);
        var stored = await StoreReading.ListPacksAsync(vault.Store, cancel).ConfigureAwait(false);
        foreach (var use in uses.Where(u => u.LiveChunks > 0))
        {
            if (!stored.TryGetValue(use.Name, out var length)) throw Refuse($"{use.Name}, which snapshots need, is missing");
            if (length != use.StoredBytes) throw Refuse($"{use.Name}, which snapshots need, has {length} bytes instead of {use.StoredBytes}");
        }

        var decisions = PruneDecider.DecideAll(uses, stored, marks, request.DecidedAt ?? vault.Time.GetUtcNow(), request);
        return new PrunePlan(request, decisions, kept, [.. snapshots.Where(s => drop.Contains(s.Id))], marks, index, live, [.. uses.Where(u => !stored.ContainsKey(u.Name)).Select(u => u.Name)]);
    }

    /// <summary>Does what a plan says. A crash anywhere leaves waste, never loss; the next prune takes it up.</summary>
    /// <param name="vault">The vault the plan was made for.</param>
    /// <param name="plan">Executed once only.</param>
    /// <param name="progress">Told about repacking and deleting, or null.</param>
    /// <param name="cancel">Gives up between two store calls.</param>
    /// <exception cref="VaultException">The store failed or refused to delete.</exception>
    public static Task<PruneResult> ExecuteAsync(OpenVault vault, PrunePlan plan, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(plan);
        if (Interlocked.Exchange(ref plan.Executed, 1) != 0) throw new InvalidOperationException("A plan runs once: make a new one.");
        return new PruneRun(vault, plan, progress).RunAsync(cancel);
    }

    private static VaultException Refuse(string why) => new(
        VaultFault.Inconsistent, $"Prune deletes nothing: {why}.", "Run 'vault rebuild-index' and 'vault verify', repair from a replica, then prune again.");
}
