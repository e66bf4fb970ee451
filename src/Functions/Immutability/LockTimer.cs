using Backup.Catalog;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Immutability;

/// <summary>Has the locks of every replica in an immutable tier looked after each hour: a lock is extended when half of it is over, so an hour that is missed is borne.</summary>
/// <param name="policy">Which tiers.</param>
/// <param name="replicas">What there is.</param>
/// <param name="logger">Hears of hours without a catalog.</param>
public sealed class LockTimer(PolicyDocument policy, ReplicaStore replicas, ILogger<LockTimer> logger)
{
    /// <summary>Runs once an hour. Safe to repeat: a replica that is being looked after is left to that.</summary>
    [Function(nameof(LockTimer))]
    public async Task RunAsync([TimerTrigger("0 11 * * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        try
        {
            foreach (var replica in (await replicas.ListNewestAsync(cancel).ConfigureAwait(false)).Where(r => policy.FindTier(r.Tier)?.Immutable is not null))
            {
                var request = new LockRequest
                {
                    Place = new ReplicaPlace { Tier = replica.Tier.Value, Container = ReplicaPlace.ContainerOf(replica.ContainerUri), AccessTier = replica.AccessTier.ToString() },
                    VaultId = replica.VaultId,
                };
                await client.StartUnlessRunningAsync(nameof(LockReplica), InstanceIds.Locks(replica.ContainerUri, replica.VaultId), request, cancel).ConfigureAwait(false);
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            Log.LocksSkipped(logger, e.Message.Split('\n')[0]);
        }
    }
}
