using Backup.Catalog.Replicas;
using Backup.Catalog.Verifications;
using Backup.Functions.Agents;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Policy.Protection;
using Microsoft.DurableTask.Client;

namespace Backup.Functions.Verifications;

/// <summary>A vault that could be verified now.</summary>
/// <param name="Agent">Whose vault.</param>
/// <param name="Vault">The vault.</param>
/// <param name="IsDue">Its last verification began a day ago, or it never had one.</param>
public sealed record VaultToVerify(AgentName Agent, VaultName Vault, bool IsDue);

/// <summary>Starts verifications of replicas and vaults. One of a place at a time: one under way goes on as it is.</summary>
/// <param name="policy">Within how many days everything is read.</param>
/// <param name="settings">The patience now.</param>
/// <param name="replicas">What replicas there are.</param>
/// <param name="vaults">When vaults were verified.</param>
/// <param name="clock">Chooses parts.</param>
public sealed class VerificationStarter(PolicyDocument policy, ControlPlaneSettings settings, ReplicaStore replicas, VaultVerificationStore vaults, TimeProvider clock)
{
    private const int PartsPerDay = 24;

    /// <summary>A vault is verified once a day. An hour of slack: the timer fires hourly.</summary>
    private static readonly TimeSpan VaultPause = TimeSpan.FromHours(23);

    /// <summary>Starts the verification of replicas.</summary>
    /// <returns>The instances.</returns>
    public async Task<IReadOnlyList<string>> StartReplicasAsync(DurableTaskClient client, Func<NewestReplica, bool> which, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var parts = policy.VerifyWithinDays * PartsPerDay;
        var started = new List<string>();
        foreach (var replica in (await replicas.ListNewestAsync(cancel).ConfigureAwait(false)).Where(which))
        {
            if (policy.FindTier(replica.Tier) is not { } tier || ReplicaPlace.At(tier, replica.Agent, replica.Vault, replica.ContainerUri) is not { } place)
            {
                continue;
            }

            var id = InstanceIds.Verification(replica.ContainerUri, replica.VaultId);
            await client.StartUnlessRunningAsync(
                nameof(ReplicaVerification),
                id,
                new VerificationRequest
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
                    Place = place with { AccessTier = replica.AccessTier.ToString() },
                    ManifestName = replica.ManifestName,
                    ManifestSha256 = replica.ManifestSha256,
                    Patience = settings.Patience,
                },
                cancel).ConfigureAwait(false);
            started.Add(id);
        }

        return started;
    }

    /// <summary>Starts the verification of vaults.</summary>
    /// <returns>The instances.</returns>
    public async Task<IReadOnlyList<string>> StartVaultsAsync(DurableTaskClient client, Func<VaultToVerify, bool> which, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var last = (await vaults.ListNewestAsync(cancel).ConfigureAwait(false)).ToDictionary(v => (v.Agent, v.Vault), v => v.At);
        var started = new List<string>();
        foreach (var assets in policy.Assets.GroupBy(a => (a.Agent, a.Vault)))
        {
            var (agent, vault) = assets.Key;
            if (!which(new VaultToVerify(agent, vault, !last.TryGetValue(assets.Key, out var at) || now - at >= VaultPause)))
            {
                continue;
            }

            var id = InstanceIds.VaultVerification(agent.Value, vault.Value);
            await client.StartUnlessRunningAsync(
                nameof(VaultVerification),
                id,
                new VaultVerificationRequest
                {
                    Slot = InstanceIds.SlotOf(now),
                    Agent = agent.Value,
                    Caretaker = policy.FindAgent(agent)!.Caretaker.Value,
                    Vault = vault.Value,
                    Assets = [.. assets.Select(a => a.Name.Value)],
                    SamplePercent = VerificationShare.PercentOf(policy.VerifyWithinDays),
                    Patience = settings.Patience,
                },
                cancel).ConfigureAwait(false);
            started.Add(id);
        }

        return started;
    }
}
