using Backup.AgentApi;
using Backup.Catalog.Replicas;
using Backup.Functions.Agents;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using AccessTier = Backup.Policy.AccessTier;

namespace Backup.Functions.Replication;

/// <summary>A replica to bring up to date from another tier's, inside the cloud. Plain data: the input of an orchestration.</summary>
public sealed record RegionCopyRequest
{
    /// <summary>The vault's own id.</summary>
    public required string VaultId { get; init; }

    /// <summary>The snapshot whose replica in the first tier is copied.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>The first tier.</summary>
    public required string From { get; init; }

    /// <summary>Where to.</summary>
    public required ReplicaPlace Place { get; init; }

    /// <summary>When the copy began.</summary>
    public required DateTime StartedAt { get; init; }

    /// <summary>Batches to copy at once now: fewer after the storage asked for patience, one more after each round in which it did not.</summary>
    public int Lanes { get; init; } = RegionCopy.LanesMax;

    /// <summary>Rounds in a row that got nowhere.</summary>
    public int IdleRounds { get; init; }

    /// <summary>Generations so far.</summary>
    public int Generation { get; init; }
}

/// <summary>What to copy next; or the result; or why neither can be said.</summary>
public sealed record RegionCopyStep(string[][] Batches, ReplicateResult? Result, JobFailure? Failure, bool IsTransient);

/// <summary>Objects to copy.</summary>
public sealed record RegionBatch(RegionCopyRequest Copy, string[] Objects);

/// <summary>What came of a batch: null when all of it was copied.</summary>
public sealed record RegionBatchOutcome(JobFailure? Failure, bool IsTransient);

/// <summary>Copies a replica from one region's container to another's. The storage copies by itself; nothing of it passes through the app or a site's line.</summary>
/// <remarks>
/// In rounds: (1) what is lacking, in an order in which no snapshot comes before what it needs, or the manifest when nothing is (2) copy it in batches at once
/// (3) be patient when the storage asks for it: fewer batches, and a durable timer. After <see cref="RoundsPerGeneration"/> rounds it continues as new.
/// </remarks>
public static class RegionCopy
{
    /// <summary>Batches at once.</summary>
    public const int LanesMax = 4;

    /// <summary>Objects in a batch: their names are in the orchestration's history.</summary>
    public const int BatchObjectsMax = 250;

    /// <summary>Rounds before continue-as-new: up to 20,000 objects.</summary>
    public const int RoundsPerGeneration = 20;

    /// <summary>Generations before the copy gives up: up to 20 million objects.</summary>
    public const int GenerationsMax = 1000;

    /// <summary>So many rounds in a row may get nowhere. Worst-case total of the waits: 5 + 10 + 20 + 40 + 80 + 160 + 300 + 300 s, about 15 minutes.</summary>
    public const int IdleRoundsMax = 8;

    private static readonly TimeSpan WaitMin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WaitMax = TimeSpan.FromMinutes(5);

    /// <summary>Runs the copy. A failure is an outcome.</summary>
    [Function(nameof(RegionCopy))]
    public static async Task<CopyOutcome?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, RegionCopyRequest request)
    {
        var copy = request;
        for (var round = 0; round < RoundsPerGeneration; round++)
        {
            var step = await context.CallActivityAsync<RegionCopyStep>(nameof(PlanRegionCopy), copy, RetryPolicies.Catalog);                  // (1)
            if (step.Result is not null)
            {
                return new CopyOutcome(step.Result, null);
            }

            RegionBatchOutcome[] outcomes = step.Failure is { } unseen
                ? [new RegionBatchOutcome(unseen, step.IsTransient)]
                : await Task.WhenAll(step.Batches.Select(batch => context.CallActivityAsync<RegionBatchOutcome>(nameof(CopyRegionBatch), new RegionBatch(copy, batch), RetryPolicies.Catalog)));    // (2)
            copy = Next(copy, outcomes);
            if (outcomes.FirstOrDefault(o => o is { Failure: not null, IsTransient: false })?.Failure is { } refused)
            {
                return new CopyOutcome(null, refused);
            }

            if (outcomes.FirstOrDefault(o => o.IsTransient)?.Failure is { } patience)
            {
                if (copy.IdleRounds > IdleRoundsMax)
                {
                    return new CopyOutcome(null, patience);
                }

                await context.CreateTimer(WaitAfter(copy.IdleRounds), CancellationToken.None);                                                // (3)
            }
        }

        if (copy.Generation == GenerationsMax)
        {
            return new CopyOutcome(null, new JobFailure(ReasonCodes.TookTooLong, $"The copy to tier {copy.Place.Tier} does not come to an end.", "See whether something removes objects from its container."));
        }

        context.ContinueAsNew(copy with { Generation = copy.Generation + 1 });
        return null;
    }

    /// <summary>How the copy goes on after a round. Pure.</summary>
    public static RegionCopyRequest Next(RegionCopyRequest copy, IReadOnlyCollection<RegionBatchOutcome> round)
    {
        ArgumentNullException.ThrowIfNull(copy);
        return round.Any(o => o.Failure is not null)
            ? copy with { Lanes = Math.Max(1, copy.Lanes / 2), IdleRounds = round.Any(o => o.Failure is null) ? 1 : copy.IdleRounds + 1 }
            : copy with { Lanes = Math.Min(LanesMax, copy.Lanes + 1), IdleRounds = 0 };
    }

    private static TimeSpan WaitAfter(int idleRounds)
    {
        var wait = WaitMin * Math.Pow(2, Math.Max(0, idleRounds - 1));
        return wait < WaitMax ? wait : WaitMax;
    }
}

/// <summary>Finds what a copy between regions has to do next.</summary>
/// <param name="replicas">Knows what the first tier holds.</param>
/// <param name="offsite">Where both are.</param>
public sealed class PlanRegionCopy(ReplicaStore replicas, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(PlanRegionCopy))]
    public async Task<RegionCopyStep> RunAsync([ActivityTrigger] RegionCopyRequest request, CancellationToken cancel)
    {
        if (await FindSourceAsync(replicas, request, cancel).ConfigureAwait(false) is not { } source)
        {
            return new RegionCopyStep([], null, new JobFailure(ReasonCodes.ReplicaMissing, $"Tier {request.From} holds no sound copy of the snapshot to copy from.", "See why that copy failed; the next run tries again."), IsTransient: false);
        }

        try
        {
            var step = await offsite.PlanCopyAsync(source, PlaceOf(request), new DateTimeOffset(request.StartedAt, TimeSpan.Zero), request.Lanes * RegionCopy.BatchObjectsMax, cancel).ConfigureAwait(false);
            return new RegionCopyStep([.. step.Lacking.Chunk(RegionCopy.BatchObjectsMax)], step.Result, null, IsTransient: false);
        }
        catch (ControlPlaneException e)
        {
            return new RegionCopyStep([], null, FailureOf(e), e.IsTransient);
        }
    }

    internal static async Task<OffsiteReplica?> FindSourceAsync(ReplicaStore replicas, RegionCopyRequest request, CancellationToken cancel) =>
        await replicas.FindAsync(request.VaultId, request.SnapshotId, new TierName(request.From), cancel).ConfigureAwait(false) is { State: ReplicaState.Copied or ReplicaState.Checked, Copy: { } copy } found
            ? new OffsiteReplica(found.Tier, ReplicaPlace.ContainerOf(found.ContainerUri), request.VaultId, copy.ManifestName, copy.ManifestSha256)
            : null;

    internal static OffsitePlace PlaceOf(RegionCopyRequest request) =>
        new(new TierName(request.Place.Tier), request.Place.Container, Enum.Parse<AccessTier>(request.Place.AccessTier));

    internal static JobFailure FailureOf(ControlPlaneException e) =>
        new(e.Fault is ControlPlaneFault.ReplicaUnsafe ? ReasonCodes.ReplicaDamaged : ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint);
}

/// <summary>Has the storage copy a batch of objects.</summary>
/// <param name="replicas">Knows what the first tier holds.</param>
/// <param name="offsite">Where both are.</param>
public sealed class CopyRegionBatch(ReplicaStore replicas, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat: what is there is left as it is.</summary>
    [Function(nameof(CopyRegionBatch))]
    public async Task<RegionBatchOutcome> RunAsync([ActivityTrigger] RegionBatch batch, CancellationToken cancel)
    {
        if (await PlanRegionCopy.FindSourceAsync(replicas, batch.Copy, cancel).ConfigureAwait(false) is not { } source)
        {
            // Found damaged or removed since the plan: the next plan says so.
            return new RegionBatchOutcome(null, IsTransient: false);
        }

        try
        {
            await offsite.CopyAsync(source, PlanRegionCopy.PlaceOf(batch.Copy), batch.Objects, cancel).ConfigureAwait(false);
            return new RegionBatchOutcome(null, IsTransient: false);
        }
        catch (ControlPlaneException e)
        {
            return new RegionBatchOutcome(PlanRegionCopy.FailureOf(e), e.IsTransient);
        }
    }
}
