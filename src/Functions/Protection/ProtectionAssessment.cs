using Backup.Catalog;
using Backup.Catalog.Immutability;
using Backup.Catalog.Protection;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Catalog.Verifications;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.Protection;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Protection;

/// <summary>Computes 3-2-1-1-0 of an asset from what the catalog knows.</summary>
/// <param name="policy">Knows where tiers are, and how many copies classes want.</param>
/// <param name="points">What there is.</param>
/// <param name="replicas">Where copies are.</param>
/// <param name="vaults">What verifications of vaults found.</param>
/// <param name="restores">What was proven.</param>
/// <param name="locks">What nobody can delete.</param>
/// <param name="clock">The control plane's.</param>
public sealed class ProtectionAssessment(
    PolicyDocument policy, RecoveryPointStore points, ReplicaStore replicas, VaultVerificationStore vaults, RestoreStore restores, LockStore locks, TimeProvider clock)
{
    /// <summary>Older looks at locks count for nothing: they are made each hour.</summary>
    private static readonly TimeSpan LookValid = TimeSpan.FromDays(1);

    /// <summary>The state of this moment, and the recovery point it speaks about.</summary>
    public async Task<(CopyRuleState State, RecoveryPointId? Point)> AssessAsync(Asset asset, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(asset);
        var newest = await points.FindNewestAsync(asset.Name, null, cancel).ConfigureAwait(false);
        var copies = new List<PointCopy>();
        if (newest is not null)
        {
            // The vault's own copy is vouched for by the catalog, unless its last verification found damage that nobody mended; a replica counts when it
            // was looked at.
            var look = await vaults.FindNewestAsync(newest.Agent, newest.Vault, cancel).ConfigureAwait(false);
            copies.Add(new PointCopy(newest.Vault.Value, "disk", IsOffsite: false, IsImmutable: false, IsSound: look is not { IsSound: false }));
            var locked = await locks.ListAsync(cancel).ConfigureAwait(false);
            copies.AddRange((await replicas.ListAsync([newest.Id], cancel).ConfigureAwait(false)).Select(r => CopyOf(asset, r, IsImmutable(newest, r, locked))));
        }

        var proof = await restores.ProofAsync(asset.Name, cancel).ConfigureAwait(false);
        return (CopyRule.Assess(clock.GetUtcNow(), copies, proof.ProvenAt, proof.FailedSince, policy.CopiesOf(asset)), newest?.Id);
    }

    /// <summary>Another node's disks fail apart from the vault's; all blob storage counts as one medium.</summary>
    private PointCopy CopyOf(Asset asset, Replica replica, bool isImmutable)
    {
        var isNode = ReplicaPlace.IsNode(replica.ContainerUri);
        var isOffsite = policy.FindTier(replica.Tier) is { } tier ? policy.IsOffsite(tier, asset) : !isNode;
        return new PointCopy(
            replica.Tier.Value, isNode ? $"disk of {replica.ContainerUri.Host}{replica.ContainerUri.AbsolutePath}" : "azure-blob", isOffsite, isImmutable, IsSound: replica.State is ReplicaState.Checked);
    }

    /// <summary>Every object of the copy was locked when that was last looked at, since this point was copied, and the first of these locks has not ended.</summary>
    private bool IsImmutable(RecoveryPoint point, Replica replica, IReadOnlyList<ReplicaLocks> locked)
    {
        var now = clock.GetUtcNow();
        return locked.Any(l => l.Place.Container == replica.ContainerUri && l.Place.VaultId == point.Snapshot.VaultId && l.Kind is not LockKind.None && l.Coverage.IsComplete
            && l.At >= replica.ChangedAt && now - l.At <= LookValid && l.Coverage.EarliestEnd > now);
    }
}

/// <summary>Computes an asset's 3-2-1-1-0 and keeps it.</summary>
/// <param name="policy">The assets.</param>
/// <param name="assessment">Computes it.</param>
/// <param name="history">Keeps it.</param>
public sealed class AssessProtection(PolicyDocument policy, ProtectionAssessment assessment, ProtectionStore history)
{
    /// <summary>Safe to repeat.</summary>
    /// <returns>True when the rule is kept.</returns>
    [Function(nameof(AssessProtection))]
    public async Task<bool> RunAsync([ActivityTrigger] string asset, CancellationToken cancel)
    {
        if (policy.FindAsset(new AssetName(asset)) is not { } known)
        {
            return false;
        }

        return (await history.RecordAsync(known.Name, stop => assessment.AssessAsync(known, stop), cancel).ConfigureAwait(false)).State.IsKept;
    }
}
