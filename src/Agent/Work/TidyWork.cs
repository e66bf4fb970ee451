using Backup.Agent.Vaults;
using Backup.AgentApi;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Pruning;

namespace Backup.Agent.Work;

/// <summary>Removes from a copy on another node what its vault dropped. Decides as the control plane does for containers (<see cref="ReplicaSurplus"/>).</summary>
/// <remarks>(1) what the copy must hold (2) what the vault's own notes say was pruned (3) decide (4) remove: snapshots, index objects, packs (5) old manifests.</remarks>
internal sealed class TidyWork(VaultShelf vaults)
{
    /// <summary>Manifests younger than this when the order was given may belong to a replication that is not recorded yet. The agent's clock is not asked.</summary>
    private static readonly TimeSpan ManifestAgeMin = TimeSpan.FromDays(1);

    public async Task<JobOutcome> RunAsync(TidyOrder order, CancellationToken cancel)
    {
        var source = vaults.OpenStore(order.Vault);
        var vault = await OpenVault.IdentifyAsync(source, cancel).ConfigureAwait(false);
        var copy = vaults.OpenCopy(order.Place, vault);
        var manifest = await ReplicaCheck.ReadManifestAsync(copy, vault, order.ManifestName, order.ManifestSha256, cancel).ConfigureAwait(false);    // (1)
        var pruned = await PruneNotes.DeletedPacksAsync(source, cancel).ConfigureAwait(false);                    // (2)
        var surplus = ReplicaSurplus.Decide(manifest, await copy.ListReplicaAsync(cancel).ConfigureAwait(false), new SurplusQuery    // (3)
        {
            // That no living snapshot is missing was asked of the vault by the control plane, which knows which those are.
            Live = [],
            GivenUp = [.. order.Drops.Select(id => SnapshotId.TryParse(id, out var parsed) ? parsed : (SnapshotId?)null).OfType<SnapshotId>()],
            Pruned = pruned,
            OrderedAt = order.OrderedAt,
        });
        var (removed, bytes) = (0, 0L);
        foreach (var found in surplus.Snapshots.Concat(surplus.Indexes).Concat(surplus.Packs))                    // (4)
        {
            if (await copy.DeleteAsync(found.Name, cancel).ConfigureAwait(false))
            {
                removed++;
                bytes += found.Length;
            }
        }

        await copy.RemoveManifestsAsync([order.ManifestName], order.OrderedAt - ManifestAgeMin, cancel).ConfigureAwait(false);    // (5)
        return new JobOutcome { State = JobState.Succeeded, Tidy = new TidyResult { ObjectsRemoved = removed, BytesRemoved = bytes } };
    }
}
