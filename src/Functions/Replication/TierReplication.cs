using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Microsoft.DurableTask;

namespace Backup.Functions.Replication;

/// <summary>How one replica ended.</summary>
/// <param name="Tier">Where.</param>
/// <param name="Failure">Why it is not sound; null when it is.</param>
public sealed record TierOutcome(string Tier, JobFailure? Failure);

/// <summary>The part of an orchestration that makes one replica of a recovery point and looks at it.</summary>
/// <remarks>(1) copy (2) record the copy, or why there is none (3) look at the copy without keys, recorded too</remarks>
public static class TierReplication
{
    /// <summary>Makes all replicas of a plan, in parallel; one that is copied from another begins when that one is sound. A failure is an outcome; the other tiers go on.</summary>
    public static async Task<TierOutcome[]> RunAllAsync(TaskOrchestrationContext context, BackupPlan plan, BackupResult backup, string point)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(plan);
        var sent = plan.Places.Where(place => place.CopyFrom is null).Select(place => (Tier: place.Tier, Task: RunAsync(context, plan, backup, point, place, Task.FromResult<TierOutcome?>(null)))).ToArray();
        var copied = plan.Places.Where(place => place.CopyFrom is not null).Select(place => RunAsync(context, plan, backup, point, place, SourceOf(place)));
        return await Task.WhenAll([.. sent.Select(s => s.Task), .. copied]);

        async Task<TierOutcome?> SourceOf(ReplicaPlace place) => await sent.First(s => s.Tier == place.CopyFrom).Task;
    }

    private static async Task<TierOutcome> RunAsync(TaskOrchestrationContext context, BackupPlan plan, BackupResult backup, string point, ReplicaPlace place, Task<TierOutcome?> source)
    {
        try
        {
            return await source is { Failure: { } lacking }
                ? await FailAsync(context, point, place, new JobFailure(ReasonCodes.ReplicaMissing, $"There is no sound copy in tier {place.CopyFrom} to copy from: {lacking.Text}", lacking.Hint))
                : await CopyAndLookAsync(context, plan, backup, point, place);
        }
        catch (TaskFailedException e)
        {
            return new TierOutcome(place.Tier, JobFailure.Of(e) with { Code = ReasonCodes.ReplicaMissing });
        }
    }

    private static async Task<TierOutcome> CopyAndLookAsync(TaskOrchestrationContext context, BackupPlan plan, BackupResult backup, string point, ReplicaPlace place)
    {
        var copy = await TierCopy.RunAsync(context, new CopyWish                                                                           // (1)
        {
            Agent = plan.Agent,
            Vault = plan.Task.Vault,
            VaultId = backup.VaultId,
            SnapshotId = backup.SnapshotId,
            Place = place,
            OrderKey = $"{plan.Run}/replicate/{place.Tier}",
            Patience = plan.Patience,
            ClassPriority = plan.ClassPriority,
        });
        if (copy.Result is not { } result)
        {
            return await FailAsync(context, point, place, copy.Failure!);
        }

        await context.CallActivityAsync<string>(nameof(RecordReplica), new ReplicaRecord { RecoveryPoint = point, Place = place, Result = result }, RetryPolicies.Catalog);    // (2)
        var look = new LookRequest { Id = $"{plan.Run}/{place.Tier}", RecoveryPoint = point, VaultId = backup.VaultId, Place = place, Result = result };
        return new TierOutcome(place.Tier, place.Node is null ? await LookAsync(context, look) : await LookAsync(context, look, plan.Patience));                              // (3)
    }

    private static async Task<JobFailure?> LookAsync(TaskOrchestrationContext context, LookRequest look)
    {
        for (var attempt = 1; ; attempt++)
        {
            var found = await context.CallActivityAsync<LookOutcome>(nameof(LookAtReplica), look, RetryPolicies.Catalog);
            if (!found.IsTransient || attempt == RetryPolicies.LookAttemptsMax)
            {
                return found.Failure;
            }

            await context.CreateTimer(RetryPolicies.LookRetryWait, CancellationToken.None);
        }
    }

    private static async Task<JobFailure?> LookAsync(TaskOrchestrationContext context, LookRequest look, JobPatience patience)
    {
        var found = await NodeLook.RunAsync(context, new NodeLookWish
        {
            Id = look.Id,
            RecoveryPoint = look.RecoveryPoint,
            Place = look.Place,
            Copy = new CopyToVerify { Place = look.Place.Node!, VaultId = look.VaultId, ManifestName = look.Result.ManifestName, ManifestSha256 = look.Result.ManifestSha256 },
            Patience = patience,
        });
        return found switch
        {
            { Failure: { } failure } => new JobFailure(ReasonCodes.ReplicaMissing, $"The copy was made but could not be looked at: {failure.Text}", failure.Hint),
            { Result.IsSound: false } => new JobFailure(ReasonCodes.ReplicaDamaged, found.Finding, "Replicate again, and find out who wrote to the other node."),
            _ => null,
        };
    }

    private static async Task<TierOutcome> FailAsync(TaskOrchestrationContext context, string point, ReplicaPlace place, JobFailure failure)
    {
        await context.CallActivityAsync<string>(nameof(RecordReplica), new ReplicaRecord { RecoveryPoint = point, Place = place, Failure = failure }, RetryPolicies.Catalog);
        return new TierOutcome(place.Tier, failure);
    }
}
