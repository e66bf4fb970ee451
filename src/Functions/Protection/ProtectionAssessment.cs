using Backup.Catalog;
using Backup.Catalog.Immutability;
using Backup.Catalog.Protection;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Replicas;
using Backup.Catalog.Restores;
using Backup.Policy;
using Backup.Policy.Protection;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Protection;

/// <summary>Computes 3-2-1-1-0 of an asset from what the catalog knows.</summary>
/// <param name="points">What there is.</param>
/// <param name="replicas">Where copies are.</param>
/// <param name="restores">What was proven.</param>
/// <param name="locks">What nobody can delete.</param>
/// <param name="clock">The control plane's.</param>
public sealed class ProtectionAssessment(RecoveryPointStore points, ReplicaStore replicas, RestoreStore restores, LockStore locks, TimeProvider clock)
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
            // The vault's own copy is vouched for by the catalog; a replica counts when the control plane has looked at it.
            copies.Add(new PointCopy(asset.Vault.Value, "disk", IsOffsite: false, IsImmutable: false, IsSound: true));
            var locked = await locks.ListAsync(cancel).ConfigureAwait(false);
            copies.AddRange((await replicas.ListAsync([newest.Id], cancel).ConfigureAwait(false))
                .Select(r => new PointCopy(r.Tier.Value, "azure-blob", IsOffsite: true, IsImmutable: IsImmutable(newest, r, locked), IsSound: r.State is ReplicaState.Checked)));
        }

        var proof = await restores.ProofAsync(asset.Name, cancel).ConfigureAwait(false);
        return (CopyRule.Assess(clock.GetUtcNow(), copies, proof.ProvenAt, proof.FailedSince), newest?.Id);
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

        var (state, point) = await assessment.AssessAsync(known, cancel).ConfigureAwait(false);
        await history.RecordAsync(known.Name, point, state, cancel).ConfigureAwait(false);
        return state.IsKept;
    }
}
