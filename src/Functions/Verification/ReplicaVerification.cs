using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Protection;
using Backup.Functions.Replication;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Verifications;

/// <summary>Verifies a replica without keys, and mends it from the vault when something is wrong.</summary>
/// <remarks>
/// (1) look: everything is there, one part is read (2) move what is wrong out of the way (3) have copied what the replica lacks, as for every run: only
/// objects that are what their names say (4) record that copy (5) look again (6) say so (7) how well the asset is protected now. A copy on another node is looked at
/// by the agent that copies, which moves what is wrong out of the way at once.
/// </remarks>
public static class ReplicaVerification
{
    /// <summary>Runs it.</summary>
    [Function(nameof(ReplicaVerification))]
    public static async Task<VerificationEnding> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, VerificationRequest request)
    {
        VerificationEnding ending;
        try
        {
            ending = await VerifyAsync(context, request);
        }
        catch (TaskFailedException e)
        {
            ending = new VerificationEnding(request, IsSound: false, WasRepaired: false, JobFailure.Of(e).Text);
        }

        await context.CallActivityAsync<bool>(nameof(CloseVerification), ending, RetryPolicies.Catalog);                                  // (6)
        await context.CallActivityAsync<bool>(nameof(AssessProtection), request.Asset, RetryPolicies.Catalog);                            // (7)
        return ending;
    }

    private static async Task<VerificationEnding> VerifyAsync(TaskOrchestrationContext context, VerificationRequest request)
    {
        var found = await LookAsync(context, request);                                                                                    // (1)
        if (found.IsSound || found.Failure is not null)
        {
            return new VerificationEnding(request, found.IsSound, WasRepaired: false, found.Failure is { } failure ? $"{failure.Text} {failure.Hint}" : found.Finding);
        }

        var moved = request.Place.Node is not null
            ? found.Moved
            : await context.CallActivityAsync<int>(nameof(QuarantineObjects), new QuarantineRequest(request, found.Faulty), RetryPolicies.Catalog);    // (2)
        var copy = await TierCopy.RunAsync(context, new CopyWish                                                                       // (3)
        {
            Agent = request.Agent,
            Vault = request.Vault,
            VaultId = request.VaultId,
            SnapshotId = request.SnapshotId,
            Place = request.Place,
            OrderKey = $"{context.InstanceId}/{request.Slot}/repair",
            Patience = request.Patience,
        });
        if (copy.Result is not { } result)
        {
            return new VerificationEnding(request, IsSound: false, WasRepaired: false, $"{found.Finding} Repair failed: {copy.Failure?.Text} {copy.Failure?.Hint}");
        }

        await context.CallActivityAsync<string>(
            nameof(RecordReplica), new ReplicaRecord { RecoveryPoint = request.RecoveryPoint, Place = request.Place, Result = result }, RetryPolicies.Catalog);    // (4)
        var again = await LookAsync(context, request with { Slot = $"{request.Slot}-repaired", ManifestName = result.ManifestName, ManifestSha256 = result.ManifestSha256 });    // (5)
        return new VerificationEnding(
            request, again.IsSound, again.IsSound, $"{found.Finding} {moved} objects were moved to quarantine, {result.ObjectsCopied} copied anew. Now: {again.Failure?.Text ?? again.Finding}");
    }

    private static async Task<VerificationOutcome> LookAsync(TaskOrchestrationContext context, VerificationRequest request)
    {
        if (request.Place.Node is not { } node)
        {
            return await context.CallActivityAsync<VerificationOutcome>(nameof(VerifyReplica), request, RetryPolicies.Catalog);
        }

        var found = await NodeLook.RunAsync(context, new NodeLookWish
        {
            Id = $"{context.InstanceId}/{request.Slot}",
            RecoveryPoint = request.RecoveryPoint,
            Place = request.Place,
            Copy = new CopyToVerify
            {
                Place = node,
                VaultId = request.VaultId,
                ManifestName = request.ManifestName,
                ManifestSha256 = request.ManifestSha256,
                Part = request.Part,
                Parts = request.Parts,
                Quarantine = true,
            },
            Patience = request.Patience,
        });
        return new VerificationOutcome(found.Result is { IsSound: true }, found.Finding, [], found.Failure) { Moved = (int)(found.Result?.Quarantined ?? 0) };
    }
}
