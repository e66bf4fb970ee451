using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Immutability;

/// <summary>Extends the locks of one replica in time, in bounded batches, until nothing is left to do. Whatever stops it, the next hour goes on.</summary>
/// <remarks>(1) look, plan, change at most <see cref="ExtendLocks.ChangesMax"/> (2) again while something is left; after <see cref="RoundsPerGeneration"/> rounds as new.</remarks>
public static class LockReplica
{
    /// <summary>Rounds before continue-as-new.</summary>
    public const int RoundsPerGeneration = 50;

    /// <summary>Runs it.</summary>
    [Function(nameof(LockReplica))]
    public static async Task<LockProgress?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, LockRequest request)
    {
        for (var round = 0; round < RoundsPerGeneration; round++)
        {
            var progress = await context.CallActivityAsync<LockProgress>(nameof(ExtendLocks), request, RetryPolicies.Catalog);                // (1)
            if (progress.IsDone)
            {
                return progress;
            }
        }

        context.ContinueAsNew(request);                                                                                                       // (2)
        return null;
    }
}
