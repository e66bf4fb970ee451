using Backup.Catalog;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Functions.Startup;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Verifications;

/// <summary>Has every replica verified each hour: all of it by listing, and one part by reading, so that within the policy's days every object is read.</summary>
/// <param name="policy">Within how many days.</param>
/// <param name="settings">The patience now.</param>
/// <param name="replicas">What there is.</param>
/// <param name="clock">Chooses the part.</param>
/// <param name="logger">Hears of hours without a catalog.</param>
public sealed class VerificationTimer(PolicyDocument policy, ControlPlaneSettings settings, ReplicaStore replicas, TimeProvider clock, ILogger<VerificationTimer> logger)
{
    private const int PartsPerDay = 24;

    /// <summary>Runs once an hour. Safe to repeat: a verification under way goes on as it is.</summary>
    [Function(nameof(VerificationTimer))]
    public async Task RunAsync([TimerTrigger("0 23 * * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        try
        {
            var now = clock.GetUtcNow();
            var parts = policy.VerifyWithinDays * PartsPerDay;
            foreach (var replica in (await replicas.ListNewestAsync(cancel).ConfigureAwait(false)).Where(r => policy.FindTier(r.Tier) is not null))
            {
                var request = new VerificationRequest
                {
                    Slot = InstanceIds.SlotOf(now),
                    Part = (int)(now.ToUnixTimeSeconds() / 3600 % parts),
                    Parts = parts,
                    RecoveryPoint = replica.RecoveryPoint.Value,
                    Asset = replica.Asset.Value,
                    Agent = replica.Agent.Value,
                    Vault = replica.Vault.Value,
                    VaultId = replica.VaultId,
                    SnapshotId = replica.SnapshotId,
                    Place = new ReplicaPlace { Tier = replica.Tier.Value, Container = ReplicaPlace.ContainerOf(replica.ContainerUri), AccessTier = replica.AccessTier.ToString() },
                    ManifestName = replica.ManifestName,
                    ManifestSha256 = replica.ManifestSha256,
                    Patience = settings.Patience,
                };
                await client.StartUnlessRunningAsync(nameof(ReplicaVerification), InstanceIds.Verification(replica.ContainerUri, replica.VaultId), request, cancel).ConfigureAwait(false);
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            Log.VerificationSkipped(logger, e.Message.Split('\n')[0]);
        }
    }
}
