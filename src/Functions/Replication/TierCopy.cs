using Backup.AgentApi;
using Backup.Functions.Agents;
using Microsoft.DurableTask;

namespace Backup.Functions.Replication;

/// <summary>A copy to make. Plain data.</summary>
public sealed record CopyWish
{
    /// <summary>Whose vault.</summary>
    public required string Agent { get; init; }

    /// <summary>The vault, as that agent calls it.</summary>
    public required string Vault { get; init; }

    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>The snapshot that the replica must hold.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>Where to.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>Makes order ids: a repetition is the same job.</summary>
    public required string OrderKey { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }

    /// <summary>The priority of the asset's service class; null for what fits a copy.</summary>
    public int? ClassPriority { get; init; }
}

/// <summary>What came of a copy: exactly one of these.</summary>
/// <param name="Result">What was copied.</param>
/// <param name="Failure">Why nothing was.</param>
public sealed record CopyOutcome(ReplicateResult? Result, JobFailure? Failure);

/// <summary>The part of orchestrations that brings one replica up to date, whoever can do it: the vault's agent, an agent next to the other node, or the storage itself.</summary>
internal static class TierCopy
{
    public static async Task<CopyOutcome> RunAsync(TaskOrchestrationContext context, CopyWish wish)
    {
        var place = wish.Place;
        if (place.CopyFrom is { } from)
        {
            return await context.CallSubOrchestratorAsync<CopyOutcome>(
                nameof(RegionCopy), new RegionCopyRequest { VaultId = wish.VaultId, SnapshotId = wish.SnapshotId, From = from, Place = place, StartedAt = context.CurrentUtcDateTime });
        }

        var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest
        {
            Agent = place.Copier ?? wish.Agent,
            OrderKey = wish.OrderKey,
            Task = new AgentTask { Replicate = new ReplicateTask { Vault = place.Source ?? wish.Vault, SnapshotId = wish.SnapshotId, Place = place } },
            Patience = wish.Patience,
            ClassPriority = wish.ClassPriority,
        });
        return job.Report?.Replicate is { } result ? new CopyOutcome(result, null) : new CopyOutcome(null, job.WhyNoResult("receipt for the copy"));
    }
}
