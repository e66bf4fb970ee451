using Backup.Catalog.Alerts;
using Backup.Catalog.Replicas;
using Backup.Catalog.Verifications;
using Backup.Functions.Agents;
using Backup.Functions.Protection;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Verifications;

/// <summary>A vault to verify. Plain data: the input of an orchestration.</summary>
public sealed record VaultVerificationRequest
{
    /// <summary>Names this verification: it is recorded once.</summary>
    public required string Slot { get; init; }

    /// <summary>The agent whose configuration the vault's name is from.</summary>
    public required string Agent { get; init; }

    /// <summary>The agent that verifies and mends it: the one that may prune it.</summary>
    public required string Caretaker { get; init; }

    /// <summary>The vault.</summary>
    public required string Vault { get; init; }

    /// <summary>The assets in it.</summary>
    public required string[] Assets { get; init; }

    /// <summary>The share of its packs to read.</summary>
    public required double SamplePercent { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>Where healthy copies of a vault's objects may be found.</summary>
public sealed record RepairSources(string? VaultId, ReplicaPlace[] Places);

/// <summary>How a vault's verification ended.</summary>
/// <param name="Request">What was verified.</param>
/// <param name="Result">What the agent found; null when it could not look.</param>
/// <param name="Failure">Why it could not.</param>
public sealed record VaultVerificationEnding(VaultVerificationRequest Request, AgentApi.VerifyResult? Result, JobFailure? Failure);

/// <summary>Has a vault verified by its caretaker, which mends what is damaged from a healthy copy. The instance id is the vault's.</summary>
/// <remarks>
/// (1) which copies there are (2) the agent's job: read what is due, mend what is damaged (3) record what was found, and tell people (4) how well the assets
/// are protected now.
/// </remarks>
public static class VaultVerification
{
    /// <summary>Runs it.</summary>
    [Function(nameof(VaultVerification))]
    public static async Task<VaultVerificationEnding> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, VaultVerificationRequest request)
    {
        VaultVerificationEnding ending;
        try
        {
            var sources = await context.CallActivityAsync<RepairSources>(nameof(FindRepairSources), request, RetryPolicies.Catalog);      // (1)
            var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                            // (2)
            {
                Agent = request.Caretaker,
                OrderKey = $"{context.InstanceId}/{request.Slot}",
                Task = new AgentTask { Verify = new VerifyTask { Vault = request.Vault, VaultId = sources.VaultId, SamplePercent = request.SamplePercent, RepairFrom = sources.Places } },
                Patience = request.Patience,
            });
            ending = job.Report?.Verify is { } result
                ? new VaultVerificationEnding(request, result, null)
                : new VaultVerificationEnding(request, null, job.WhyNoResult("receipt for the verification"));
        }
        catch (TaskFailedException e)
        {
            ending = new VaultVerificationEnding(request, null, JobFailure.Of(e));
        }

        await context.CallActivityAsync<bool>(nameof(CloseVaultVerification), ending, RetryPolicies.Catalog);                             // (3)
        foreach (var asset in request.Assets)
        {
            await context.CallActivityAsync<bool>(nameof(AssessProtection), asset, RetryPolicies.Catalog);                                // (4)
        }

        return ending;
    }
}

/// <summary>Finds the copies of a vault that its caretaker can read.</summary>
/// <param name="policy">Knows tiers.</param>
/// <param name="replicas">Knows what they hold.</param>
public sealed class FindRepairSources(PolicyDocument policy, ReplicaStore replicas)
{
    /// <summary>Safe to repeat. Copies on other nodes come first: they cost no traffic off-site. What lies in the archive cannot be read.</summary>
    [Function(nameof(FindRepairSources))]
    public async Task<RepairSources> RunAsync([ActivityTrigger] VaultVerificationRequest request, CancellationToken cancel)
    {
        var copies = (await replicas.ListNewestAsync(cancel).ConfigureAwait(false)).Where(r => r.Agent.Value == request.Agent && r.Vault.Value == request.Vault).ToArray();
        var places = copies.Where(r => r.AccessTier is not AccessTier.Archive)
            .Select(r => policy.FindTier(r.Tier) is { } tier ? ReplicaPlace.At(tier, r.Agent, r.Vault, r.ContainerUri) : null)
            .OfType<ReplicaPlace>()
            .Where(place => place.Node is null || place.Copier == request.Caretaker)
            .OrderBy(place => place.Node is null);
        return new RepairSources(copies.FirstOrDefault()?.VaultId, [.. places]);
    }
}

/// <summary>Records what a vault's verification found, and says so where people look.</summary>
/// <param name="vaults">Where it is recorded.</param>
/// <param name="alerts">Where people look.</param>
/// <param name="clock">Tells when.</param>
public sealed class CloseVaultVerification(VaultVerificationStore vaults, AlertStore alerts, TimeProvider clock)
{
    /// <summary>Safe to repeat: the slot is recorded once.</summary>
    /// <returns>True when the vault is sound.</returns>
    [Function(nameof(CloseVaultVerification))]
    public async Task<bool> RunAsync([ActivityTrigger] VaultVerificationEnding ending, CancellationToken cancel)
    {
        var (request, subject) = (ending.Request, $"vault {ending.Request.Agent}/{ending.Request.Vault}");
        if (ending.Result is not { } result)
        {
            // Nothing was seen, so nothing is known to be wrong; the next hour tries again.
            await alerts.RaiseAsync(AlertKind.Verification, subject, $"It could not be verified: {ending.Failure!.Text} {ending.Failure.Hint}", "orchestration", cancel).ConfigureAwait(false);
            return false;
        }

        var finding = Describe(result);
        await vaults.RecordAsync(
            new VaultLook(
                $"{InstanceIds.VaultVerification(request.Agent, request.Vault)}/{request.Slot}", new AgentName(request.Agent), new VaultName(request.Vault), result.VaultId, clock.GetUtcNow(), result.Depth, result.IsSound,
                result.ObjectsChecked, result.ObjectsRead, result.BytesRead, result.OldestVerification, result.ProblemsTotal, result.Mended, result.Quarantined, finding),
            "orchestration",
            cancel).ConfigureAwait(false);

        // What was repaired is told too: somebody or something damaged it.
        _ = result.ProblemsTotal == 0
            ? await alerts.CloseAsync(AlertKind.Verification, subject, finding, "orchestration", cancel).ConfigureAwait(false)
            : await alerts.RaiseAsync(AlertKind.Verification, subject, finding, "orchestration", cancel).ConfigureAwait(false);
        return result.IsSound;
    }

    private static string Describe(AgentApi.VerifyResult result)
    {
        var looked = $"{result.ObjectsChecked} objects are there; {result.ObjectsRead} were read ({result.Depth}).";
        return result.ProblemsTotal == 0
            ? looked
            : $"{looked} {result.ProblemsTotal} were missing or damaged: {string.Join("; ", result.Problems)}. {result.Quarantined} went to quarantine, {result.Mended} were mended from a healthy copy."
                + (result.RepairFailure is { } failure ? $" {failure.Message} {failure.Hint}" : "");
    }
}
