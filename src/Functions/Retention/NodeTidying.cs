using Backup.AgentApi;
using Backup.Catalog.Retention;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Retention;

/// <summary>What may leave a copy on another node; or why nothing may.</summary>
public sealed record NodeTidyPlan(string[] Drops, JobFailure? Failure);

/// <summary>What was removed from a copy on another node.</summary>
public sealed record NodeTidyRecord(TidyRequest Request, string[] Drops, TidyResult Result);

/// <summary>The part of retention that removes from a copy on another node what its vault dropped. The agent that copies removes; what may go is decided here.</summary>
/// <remarks>(1) what was given up, and that the vault lacks nothing that lives (2) the agent's job (3) record</remarks>
internal static class NodeTidying
{
    public static async Task<TidyOutcome> RunAsync(TaskOrchestrationContext context, TidyRequest request, string orderKey, JobPatience patience)
    {
        var place = request.Place.Place;
        var plan = await context.CallActivityAsync<NodeTidyPlan>(nameof(PlanNodeTidying), request, RetryPolicies.Catalog);                // (1)
        if (plan.Failure is { } unsafeNow)
        {
            return new TidyOutcome($"Tier {place.Tier}: not touched.", unsafeNow);
        }

        var job = await context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest                                // (2)
        {
            Agent = place.Copier!,
            OrderKey = orderKey,
            Task = new AgentTask
            {
                Tidy = new TidyOrder { Vault = place.Source!, Place = place.Node!, ManifestName = request.Manifest.ManifestName, ManifestSha256 = request.Manifest.ManifestSha256, OrderedAt = request.OrderedAt, Drops = plan.Drops },
            },
            Patience = patience,
        });
        return job.Report?.Tidy is { } result
            ? await context.CallActivityAsync<TidyOutcome>(nameof(RecordNodeTidying), new NodeTidyRecord(request, plan.Drops, result), RetryPolicies.Catalog)    // (3)
            : new TidyOutcome($"Tier {place.Tier}: not touched.", job.WhyNoResult());
    }
}

/// <summary>Decides what may leave a copy on another node.</summary>
/// <param name="removals">What was given up, and what must stay.</param>
/// <param name="link">The way to the caretaker, who knows what the vault holds.</param>
/// <param name="offsite">Knows addresses.</param>
public sealed class PlanNodeTidying(RemovalStore removals, IAgentLink link, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(PlanNodeTidying))]
    public async Task<NodeTidyPlan> RunAsync([ActivityTrigger] TidyRequest request, CancellationToken cancel)
    {
        var place = TidyReplica.PlaceOf(offsite, request.Place);
        var snapshots = await removals.SnapshotsAsync(place, request.OrderedAt, cancel).ConfigureAwait(false);
        var lost = snapshots.Live.ToHashSet(StringComparer.Ordinal);
        string? after = null;
        do
        {
            var reply = await link.SendAsync(new AgentName(request.Caretaker), OrderId.NewRandom(), new SnapshotsQuery { Vault = request.Vault, After = after }, cancel).ConfigureAwait(false);
            if (reply.Answer is not { } page)
            {
                return new NodeTidyPlan([], reply.Failure);
            }

            lost.ExceptWith(page.Snapshots.Select(s => s.SnapshotId));
            after = page.Next;
        }
        while (after is not null);
        if (lost.Count > 0)
        {
            // Whatever happened to the vault, the copy may be the last good one.
            return new NodeTidyPlan([], new JobFailure(
                ReasonCodes.ReplicaDamaged, $"Nothing is removed from tier {place.Tier}: the vault no longer holds {lost.Count} snapshots whose recovery points live.",
                "Verify the vault and the copy, repair the one from the other, then let retention run again."));
        }

        var noted = await removals.ListAsync(place, cancel).ConfigureAwait(false);
        var log = noted.Select(n => OffsiteSurplus.SnapshotId(n.Name)).OfType<string>();
        return new NodeTidyPlan([.. snapshots.GivenUp.Concat(log).Distinct(StringComparer.Ordinal).Take(PruneOrder.DropsMax)], null);
    }
}

/// <summary>Records what left a copy on another node.</summary>
/// <param name="removals">Where it is recorded.</param>
/// <param name="offsite">Knows addresses.</param>
public sealed class RecordNodeTidying(RemovalStore removals, IOffsiteStore offsite)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(RecordNodeTidying))]
    public async Task<TidyOutcome> RunAsync([ActivityTrigger] NodeTidyRecord record, CancellationToken cancel)
    {
        var (place, manifest) = (TidyReplica.PlaceOf(offsite, record.Request.Place), record.Request.Manifest);
        string[] objects = [.. record.Drops.Select(OffsiteSurplus.SnapshotName).OfType<string>()];
        await removals.RecordAsync(place, objects, record.Drops, RecordReplica.CopyOf(manifest), record.Request.OrderedAt, "orchestration", cancel).ConfigureAwait(false);
        return new TidyOutcome($"Tier {place.Tier}: removed {record.Result.ObjectsRemoved} objects.");
    }
}
