using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Replication;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Retention;

/// <summary>Executes the retention plans of one vault, and sweeps what earlier ones left to be deleted.</summary>
/// <remarks>
/// (1) what may go (2) have the caretaker say what that means, so that an agent that cannot prune costs no point (3) give the points up in the
/// catalog: from here on nobody is promised a restore (4) prune, in as many orders as it takes (5) note after each which snapshots are gone (6) bring each replica's manifest up to date, then
/// remove from the replica what the vault no longer holds (7) close the plans, or say why they got no further. Whatever stops it, the next one goes on.
/// </remarks>
public static class VaultRetention
{
    /// <summary>Rounds of dropping in one execution: log of a database can leave thousands of small snapshots a day.</summary>
    public const int RoundsMax = 20;

    /// <summary>Snapshots dropped by one order; the rest of an order's room is for log.</summary>
    public const int DropsPerOrder = PruneOrder.DropsMax / 2;

    /// <summary>Runs it.</summary>
    [Function(nameof(VaultRetention))]
    public static async Task<RetentionEnding> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, RetentionRequest request)
    {
        RetentionEnding ending;
        try
        {
            ending = await ExecuteAsync(context, request);
        }
        catch (TaskFailedException e)
        {
            ending = Ending(request, [], "", JobFailure.Of(e));
        }

        await context.CallActivityAsync<string>(nameof(CloseRetention), ending, RetryPolicies.Catalog);                                   // (7)
        return ending;
    }

    private static async Task<RetentionEnding> ExecuteAsync(TaskOrchestrationContext context, RetentionRequest request)
    {
        var work = await context.CallActivityAsync<RetentionWork>(nameof(PrepareRetention), request, RetryPolicies.Catalog);              // (1)
        var shown = await PruneAsync(context, request, "show", [.. work.Drops.Take(DropsPerOrder)], work.AllowsLast, dryRun: true);       // (2)
        if (shown.Report?.Prune is not { } expected)
        {
            return Ending(request, work.Plans, "Nothing was given up.", shown.WhyNoResult());
        }

        var drops = work.Plans.Length == 0
            ? []
            : await context.CallActivityAsync<string[]>(nameof(GiveUpPoints), new GiveUpRequest(work.Plans, request.RequestedBy), RetryPolicies.Catalog);    // (3)
        var (note, failure) = await DropAsync(context, request, work, drops, expected.LogSnapshots);                                      // (4)
        if (failure is not null)
        {
            return Ending(request, work.Plans, note, failure);
        }

        var tidied = new List<TidyOutcome>();
        foreach (var place in work.Places)
        {
            tidied.Add(await TidyAsync(context, request, place));                                                                         // (6)
        }

        return Ending(request, work.Plans, string.Join(' ', tidied.Select(t => t.Note).Prepend(note)), tidied.Select(t => t.Failure).FirstOrDefault(f => f is not null));
    }

    /// <summary>Drops in as many orders as it takes, with the log that becomes useless on the way.</summary>
    private static async Task<(string Note, JobFailure? Failure)> DropAsync(
        TaskOrchestrationContext context, RetentionRequest request, RetentionWork work, string[] drops, IReadOnlyList<string> log)
    {
        var total = (Dropped: 0, Log: 0, Marked: 0, Deleted: 0, Freed: 0L);
        for (var round = 0; round < RoundsMax; round++)
        {
            string[] now = [.. drops.Skip(round * DropsPerOrder).Take(DropsPerOrder)];
            if (log.Count > 0)
            {
                // Noted before they are dropped: afterwards nobody could tell them from snapshots that were stolen away.
                log = await context.CallActivityAsync<string[]>(nameof(NoteLogRemovals), new LogRemovals(work.Places, [.. log]), RetryPolicies.Catalog);
            }

            var pruned = await PruneAsync(context, request, $"prune-{round}", [.. now, .. log], work.AllowsLast, dryRun: false);
            if (pruned.Report?.Prune is not { } done)
            {
                return (Say(total), pruned.WhyNoResult());
            }

            if (now.Length > 0)
            {
                await context.CallActivityAsync<int>(nameof(MarkSnapshotsRemoved), new DroppedSnapshots(work.Plans, now, request.RequestedBy), RetryPolicies.Catalog);    // (5)
            }

            total = (total.Dropped + now.Length, total.Log + log.Count, total.Marked + done.PacksMarked, total.Deleted + done.PacksDeleted, total.Freed + done.BytesFreed);
            string[] next = [.. drops.Skip((round + 1) * DropsPerOrder).Take(DropsPerOrder)];
            if (log.Count == 0 && next.Length == 0)
            {
                break;
            }

            var shown = await PruneAsync(context, request, $"show-{round}", next, work.AllowsLast, dryRun: true);
            if (shown.Report?.Prune is not { } expected)
            {
                return (Say(total), shown.WhyNoResult());
            }

            log = expected.LogSnapshots;
            if (log.Count == 0 && next.Length == 0)
            {
                break;
            }
        }

        return drops.Length > RoundsMax * DropsPerOrder
            ? (Say(total), new JobFailure(ReasonCodes.TookTooLong, "More snapshots are to be dropped than one execution does.", "The next execution goes on."))
            : (Say(total), null);
    }

    private static async Task<TidyOutcome> TidyAsync(TaskOrchestrationContext context, RetentionRequest request, RetentionPlace place)
    {
        var orderedAt = context.CurrentUtcDateTime;
        var copy = await TierCopy.RunAsync(context, new CopyWish
        {
            Agent = request.Agent,
            Vault = request.Vault,
            VaultId = place.VaultId,
            SnapshotId = place.SnapshotId,
            Place = place.Place,
            OrderKey = $"{context.InstanceId}/{request.Slot}/replicate/{place.Place.Tier}",
            Patience = request.Patience,
        });
        if (copy.Result is not { } manifest)
        {
            return new TidyOutcome($"Tier {place.Place.Tier}: not touched.", copy.Failure);
        }

        var tidy = new TidyRequest(request.Caretaker, request.Vault, place, manifest, orderedAt);
        return place.Place.Node is null
            ? await context.CallActivityAsync<TidyOutcome>(nameof(TidyReplica), tidy, RetryPolicies.Catalog)
            : await NodeTidying.RunAsync(context, tidy, $"{context.InstanceId}/{request.Slot}/tidy/{place.Place.Tier}", request.Patience);
    }

    private static Task<JobOutcome> PruneAsync(TaskOrchestrationContext context, RetentionRequest request, string step, string[] drops, bool allowsLast, bool dryRun) =>
        context.CallSubOrchestratorAsync<JobOutcome>(nameof(AgentJob), new AgentJobRequest
        {
            Agent = request.Caretaker,
            OrderKey = $"{context.InstanceId}/{request.Slot}/{step}",
            Task = new AgentTask { Prune = new PruneTask { Vault = request.Vault, Drops = drops, AllowsLast = allowsLast, DryRun = dryRun, OrderedAt = context.CurrentUtcDateTime } },
            Patience = request.Patience,
        });

    private static string Say((int Dropped, int Log, int Marked, int Deleted, long Freed) total) =>
        FormattableString.Invariant($"Dropped {total.Dropped} snapshots and {total.Log} of log and dumps, marked {total.Marked} packs, deleted {total.Deleted}, freed {total.Freed} bytes.");

    private static RetentionEnding Ending(RetentionRequest request, string[] plans, string note, JobFailure? failure) =>
        new() { Agent = request.Agent, Vault = request.Vault, Plans = plans, Note = note, Failure = failure };
}
