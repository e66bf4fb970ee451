using Backup.Functions.Agents;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Rebuilding;

/// <summary>Which vaults to list. Plain data: the input of an orchestration.</summary>
public sealed record RebuildRequest
{
    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>Every vault the policy names.</summary>
    public required VaultPlace[] Vaults { get; init; }

    /// <summary>Seconds of silence after which a vault is given up.</summary>
    public required int OfflineSeconds { get; init; }
}

/// <summary>A vault, by its agent and its name there.</summary>
public sealed record VaultPlace(string Agent, string Vault);

/// <summary>What came of one vault.</summary>
public sealed record VaultRebuilt
{
    /// <summary>The vault.</summary>
    public required VaultPlace Vault { get; init; }

    /// <summary>Recovery points that the catalog lacked.</summary>
    public int Adopted { get; init; }

    /// <summary>Recovery points that it had.</summary>
    public int Known { get; init; }

    /// <summary>Snapshots of runs that are still open.</summary>
    public int LeftToTheirRuns { get; init; }

    /// <summary>Group points that it lacked: their members may be in several vaults, so each counts where its last one was found.</summary>
    public int GroupPoints { get; init; }

    /// <summary>Recovery points whose snapshots the vault no longer has.</summary>
    public int Missing { get; init; }

    /// <summary>Why the listing is not complete; null when it is.</summary>
    public JobFailure? Failure { get; init; }
}

/// <summary>Refills the catalog from what the vaults hold: a backup system must not need the database it protects.</summary>
/// <remarks>(1) for each vault, in parallel: (2) page after page, list its snapshots and adopt them (3) after the last page, mark what is gone</remarks>
public static class CatalogRebuild
{
    /// <summary>Pages of one vault: at 500 snapshots each, five million snapshots.</summary>
    public const int PagesMax = 10_000;

    /// <summary>Runs the rebuild.</summary>
    [Function(nameof(CatalogRebuild))]
    public static async Task<VaultRebuilt[]> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, RebuildRequest request)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await Task.WhenAll(request.Vaults.Select(vault => RebuildAsync(context, request, vault)));                                    // (1)
    }

    private static async Task<VaultRebuilt> RebuildAsync(TaskOrchestrationContext context, RebuildRequest request, VaultPlace vault)
    {
        var total = new VaultRebuilt { Vault = vault };
        var listedSince = context.CurrentUtcDateTime;
        string? after = null;
        for (var pages = 0; pages < PagesMax; pages++)
        {
            var page = await AdoptPageAsync(context, request, vault, after);                                                                 // (2)
            if (page.Failure is not null)
            {
                return total with { Failure = page.Failure };
            }

            total = total with { Adopted = total.Adopted + page.Adopted, Known = total.Known + page.Known, LeftToTheirRuns = total.LeftToTheirRuns + page.LeftToTheirRuns, GroupPoints = total.GroupPoints + page.GroupPoints };
            after = page.Next;
            if (after is null)
            {
                var missing = new MissingRequest(vault, new DateTimeOffset(DateTime.SpecifyKind(listedSince, DateTimeKind.Utc)), request.RequestedBy);
                return total with { Missing = await context.CallActivityAsync<int>(nameof(MarkMissingPoints), missing, RetryPolicies.Catalog) }; // (3)
            }
        }

        return total with { Failure = new JobFailure(ReasonCodes.Internal, $"The vault listed more than {PagesMax} pages.", "See the agent's log.") };
    }

    private static async Task<AdoptedPage> AdoptPageAsync(TaskOrchestrationContext context, RebuildRequest request, VaultPlace vault, string? after)
    {
        var giveUp = context.CurrentUtcDateTime.AddSeconds(request.OfflineSeconds);
        while (true)
        {
            var page = await context.CallActivityAsync<AdoptedPage>(nameof(AdoptSnapshots), new AdoptRequest(vault, after, request.RequestedBy), RetryPolicies.Catalog);
            if (page.Failure is null || !page.IsTransient || context.CurrentUtcDateTime >= giveUp)
            {
                return page;
            }

            await context.CreateTimer(TimeSpan.FromSeconds(JobPatience.SilenceWaitSecondsMin), CancellationToken.None);
        }
    }
}
