using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Verifications;

/// <summary>Objects to move out of a replica.</summary>
public sealed record QuarantineRequest(VerificationRequest Replica, string[] Objects);

/// <summary>Looks at a replica, and records what was found.</summary>
/// <param name="offsite">Where the replica is.</param>
/// <param name="replicas">Where it is recorded.</param>
/// <param name="clock">Tells when.</param>
public sealed class VerifyReplica(IOffsiteStore offsite, ReplicaStore replicas, TimeProvider clock)
{
    /// <summary>Objects mended at once: the next verification goes on.</summary>
    private const int FaultyMax = 2000;

    /// <summary>Safe to repeat: the slot is recorded once.</summary>
    [Function(nameof(VerifyReplica))]
    public async Task<VerificationOutcome> RunAsync([ActivityTrigger] VerificationRequest request, CancellationToken cancel)
    {
        ReplicaFinding found;
        try
        {
            found = await offsite.VerifyAsync(PlaceOf(request), request.Part, request.Parts, cancel).ConfigureAwait(false);
        }
        catch (ControlPlaneException e)
        {
            return new VerificationOutcome(false, "", [], new JobFailure(ReasonCodes.OffsiteUnavailable, $"The replica could not be looked at: {e.Summary}", e.Hint));
        }

        var look = found.Look;
        await replicas.RecordVerificationAsync(
            new(
                $"{InstanceIds.Verification(request.Place.AddressIn(offsite), request.VaultId)}/{request.Slot}",
                new RecoveryPointId(request.RecoveryPoint), new TierName(request.Place.Tier), clock.GetUtcNow(), look.IsSound, look.ObjectsListed, look.ObjectsHashed, look.BytesHashed, look.Finding),
            "orchestration",
            cancel).ConfigureAwait(false);
        return new VerificationOutcome(look.IsSound, look.Finding, [.. found.Faulty.Take(FaultyMax)]);
    }

    internal static OffsiteReplica PlaceOf(VerificationRequest request) =>
        new(new TierName(request.Place.Tier), request.Place.Container, request.VaultId, request.ManifestName, request.ManifestSha256);
}

/// <summary>Moves wrong objects of a replica to quarantine.</summary>
/// <param name="offsite">The only one that may.</param>
public sealed class QuarantineObjects(IOffsiteStore offsite)
{
    /// <summary>Safe to repeat: only what is wrong is moved, and what is gone is no fault.</summary>
    [Function(nameof(QuarantineObjects))]
    public Task<int> RunAsync([ActivityTrigger] QuarantineRequest request, CancellationToken cancel) =>
        offsite.QuarantineAsync(VerifyReplica.PlaceOf(request.Replica), request.Objects, cancel);
}

/// <summary>Says how a verification ended, where people look.</summary>
/// <param name="alerts">There.</param>
public sealed class CloseVerification(AlertStore alerts)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(CloseVerification))]
    public Task<bool> RunAsync([ActivityTrigger] VerificationEnding ending, CancellationToken cancel)
    {
        var subject = $"{ending.Request.Place.Tier}/{ending.Request.VaultId}";

        // What was repaired is told too: somebody or something damaged it.
        return ending.IsSound && !ending.WasRepaired
            ? alerts.CloseAsync(AlertKind.Verification, subject, ending.Note, "orchestration", cancel)
            : alerts.RaiseAsync(AlertKind.Verification, subject, ending.Note, "orchestration", cancel);
    }
}
