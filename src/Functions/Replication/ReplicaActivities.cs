using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using AccessTier = Backup.Policy.AccessTier;

namespace Backup.Functions.Replication;

/// <summary>A copy to record: with the agent's result, or with the reason why there is none.</summary>
public sealed record ReplicaRecord
{
    /// <summary>Of which recovery point.</summary>
    public required string RecoveryPoint { get; init; }

    /// <summary>Where.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>What the agent copied.</summary>
    public ReplicateResult? Result { get; init; }

    /// <summary>Why there is no copy.</summary>
    public JobFailure? Failure { get; init; }
}

/// <summary>A replica to look at.</summary>
public sealed record LookRequest
{
    /// <summary>Names the look: it is recorded once.</summary>
    public required string Id { get; init; }

    /// <summary>Of which recovery point.</summary>
    public required string RecoveryPoint { get; init; }

    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>Where.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>What the agent said it copied.</summary>
    public required ReplicateResult Result { get; init; }
}

/// <summary>What came of a look.</summary>
/// <param name="Failure">What is wrong; null when the replica is sound.</param>
/// <param name="IsTransient">Nothing was seen; looking again later may help.</param>
public sealed record LookOutcome(JobFailure? Failure, bool IsTransient);

/// <summary>Records a copy or its absence.</summary>
/// <param name="replicas">Where it is recorded.</param>
/// <param name="offsite">Knows addresses.</param>
public sealed class RecordReplica(ReplicaStore replicas, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat.</summary>
    /// <returns>The replica's state.</returns>
    [Function(nameof(RecordReplica))]
    public async Task<string> RunAsync([ActivityTrigger] ReplicaRecord record, CancellationToken cancel)
    {
        var (point, tier) = (new RecoveryPointId(record.RecoveryPoint), new TierName(record.Place.Tier));
        var container = record.Place.AddressIn(offsite);
        var access = Enum.Parse<AccessTier>(record.Place.AccessTier);
        var replica = record.Result is { } r
            ? await replicas.RecordCopyAsync(
                point, tier, container, access, CopyOf(r), "orchestration", cancel).ConfigureAwait(false)
            : await replicas.RecordFailureAsync(point, tier, container, access, record.Failure!.Code, record.Failure.Text, "orchestration", cancel).ConfigureAwait(false);
        return replica.State.ToString();
    }

    /// <summary>What an agent reports of a copy, in the catalog's words.</summary>
    internal static ReplicaCopy CopyOf(ReplicateResult r) => new(r.ManifestName, r.ManifestSha256, r.ObjectsTotal, r.ObjectsCopied, r.BytesTotal, r.BytesCopied);
}

/// <summary>Looks at a replica without keys and records what was found.</summary>
/// <param name="replicas">Where it is recorded.</param>
/// <param name="offsite">Where the replica is.</param>
/// <param name="clock">Tells when.</param>
public sealed class LookAtReplica(ReplicaStore replicas, IOffsiteStore offsite, TimeProvider clock)
{
    /// <summary>Safe to repeat: the look's id is recorded once.</summary>
    [Function(nameof(LookAtReplica))]
    public async Task<LookOutcome> RunAsync([ActivityTrigger] LookRequest request, CancellationToken cancel)
    {
        var tier = new TierName(request.Place.Tier);
        ReplicaLook look;
        try
        {
            look = await offsite.CheckAsync(tier, request.Place.Container, request.VaultId, request.Result.ManifestName, request.Result.ManifestSha256, cancel).ConfigureAwait(false);
        }
        catch (ControlPlaneException e)
        {
            return new LookOutcome(new JobFailure(ReasonCodes.ReplicaMissing, $"The copy was made but could not be looked at: {e.Summary}", e.Hint), e.IsTransient);
        }

        var verification = new Verification(
            request.Id, new RecoveryPointId(request.RecoveryPoint), tier, clock.GetUtcNow(), look.IsSound, look.ObjectsListed, look.ObjectsHashed, look.BytesHashed, look.Finding);
        await replicas.RecordVerificationAsync(verification, "orchestration", cancel).ConfigureAwait(false);
        return new LookOutcome(
            look.IsSound ? null : new JobFailure(ReasonCodes.ReplicaDamaged, look.Finding, "Replicate again, and find out who wrote to the container."), IsTransient: false);
    }
}
