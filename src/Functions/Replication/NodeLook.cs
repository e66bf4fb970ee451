using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Replication;

/// <summary>A look at a copy on another node. Plain data.</summary>
public sealed record NodeLookWish
{
    /// <summary>Names the look: it is recorded once.</summary>
    public required string Id { get; init; }

    /// <summary>Of which recovery point.</summary>
    public required string RecoveryPoint { get; init; }

    /// <summary>Where.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>By which manifest, and what of it is read.</summary>
    public required CopyToVerify Copy { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>What a look at a copy on another node came to.</summary>
/// <param name="Result">What the agent found; null when it could not look.</param>
/// <param name="Finding">For people.</param>
/// <param name="Failure">Why it could not look.</param>
public sealed record NodeLookOutcome(VerifyResult? Result, string Finding, JobFailure? Failure);

/// <summary>What the agent found, to be recorded.</summary>
public sealed record NodeLookRecord(string Id, string RecoveryPoint, string Tier, VerifyResult Result, string Finding);

/// <summary>
/// The part of orchestrations that looks at a copy on another node. The control plane cannot reach it: the agent that copies reads it, by the same
/// rules by which the control plane looks at containers.
/// </summary>
internal static class NodeLook
{
    public static async Task<NodeLookOutcome> RunAsync(TaskOrchestrationContext context, NodeLookWish wish)
    {
        var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest
        {
            Agent = wish.Place.Copier!,
            OrderKey = $"{wish.Id}/look",
            Task = new AgentTask { Verify = new VerifyTask { Vault = wish.Place.Source!, Copy = wish.Copy } },
            Patience = wish.Patience,
        });
        if (job.Report?.Verify is not { } result)
        {
            return new NodeLookOutcome(null, "", job.WhyNoResult("receipt for the look"));
        }

        var finding = result.IsSound
            ? $"{result.ObjectsChecked} objects are there; {result.ObjectsRead} were hashed."
            : $"{result.ProblemsTotal} faults: {string.Join("; ", result.Problems)}";
        await context.CallActivityAsync<bool>(nameof(RecordNodeLook), new NodeLookRecord(wish.Id, wish.RecoveryPoint, wish.Place.Tier, result, finding), RetryPolicies.Catalog);
        return new NodeLookOutcome(result, finding, null);
    }
}

/// <summary>Records a look at a copy on another node.</summary>
/// <param name="replicas">Where it is recorded.</param>
/// <param name="clock">Tells when.</param>
public sealed class RecordNodeLook(ReplicaStore replicas, TimeProvider clock)
{
    /// <summary>Safe to repeat: the look's id is recorded once.</summary>
    [Function(nameof(RecordNodeLook))]
    public async Task<bool> RunAsync([ActivityTrigger] NodeLookRecord record, CancellationToken cancel)
    {
        var (result, tier) = (record.Result, new TierName(record.Tier));
        await replicas.RecordVerificationAsync(
            new(record.Id, new RecoveryPointId(record.RecoveryPoint), tier, clock.GetUtcNow(), result.IsSound, result.ObjectsChecked, result.ObjectsRead, result.BytesRead, record.Finding),
            "orchestration",
            cancel).ConfigureAwait(false);
        return result.IsSound;
    }
}
