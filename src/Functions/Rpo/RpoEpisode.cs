using Backup.Catalog.Alerts;
using Backup.Catalog.Rpo;
using Backup.Policy;
using Backup.Policy.Protection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Rpo;

/// <summary>An episode of risk of one asset's recovery point objective. Plain data: the input of an orchestration.</summary>
public sealed record RpoEpisodeRequest
{
    /// <summary>The asset.</summary>
    public required string Asset { get; init; }
}

/// <summary>What a look at an episode showed.</summary>
/// <param name="IsOver">The clock is well within the objective again, or there is nothing to look at any more; the alert is closed.</param>
public sealed record RpoLook(bool IsOver);

/// <summary>One episode in which an objective is at risk: raises the alert, keeps it current, and closes it when the clock has recovered.</summary>
/// <remarks>(1) look, which raises or renews the alert (2) over when it was closed (3) wait, and look again. One alert per episode, whatever restarts in between.</remarks>
public static class RpoEpisode
{
    /// <summary>Looks before continue-as-new: about an hour.</summary>
    public const int LooksPerGeneration = 360;

    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Runs the episode.</summary>
    [Function(nameof(RpoEpisode))]
    public static async Task<RpoLook?> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, RpoEpisodeRequest request)
    {
        for (var looks = 0; looks < LooksPerGeneration; looks++)
        {
            var look = await context.CallActivityAsync<RpoLook>(nameof(LookAtRpo), request, RetryPolicies.Catalog);     // (1)
            if (look.IsOver)                                                                                            // (2)
            {
                return look;
            }

            await context.CreateTimer(Interval, CancellationToken.None);                                                // (3)
        }

        context.ContinueAsNew(request);
        return null;
    }
}

/// <summary>Looks at an asset's clock, and raises, renews or closes its alert.</summary>
/// <param name="policy">What is promised.</param>
/// <param name="clocks">The clock.</param>
/// <param name="alerts">The alert.</param>
/// <param name="clock">The control plane's.</param>
/// <param name="logger">Tells of the beginning and the end.</param>
public sealed class LookAtRpo(PolicyDocument policy, RpoClockStore clocks, AlertStore alerts, TimeProvider clock, ILogger<LookAtRpo> logger)
{
    private const string Actor = "orchestration";

    /// <summary>Safe to repeat.</summary>
    [Function(nameof(LookAtRpo))]
    public async Task<RpoLook> RunAsync([ActivityTrigger] RpoEpisodeRequest request, CancellationToken cancel)
    {
        var told = await clocks.ListAsync([new AssetName(request.Asset)], cancel).ConfigureAwait(false);
        if (policy.FindAsset(new AssetName(request.Asset)) is not { } asset || told is not [{ RestorableAt: { } restorable } now])
        {
            await alerts.CloseAsync(AlertKind.Rpo, request.Asset, "The asset's log is not received any more.", Actor, cancel).ConfigureAwait(false);
            return new RpoLook(IsOver: true);
        }

        var (age, rpo) = (clock.GetUtcNow() - restorable, policy.ServiceClassOf(asset).Rpo);
        if (RpoRisk.IsOver(age, rpo))
        {
            if (await alerts.CloseAsync(AlertKind.Rpo, request.Asset, Recovered(age), Actor, cancel).ConfigureAwait(false))
            {
                Log.RpoRecovered(logger, request.Asset, age.TotalSeconds);
            }

            return new RpoLook(IsOver: true);
        }

        var state = RpoRisk.Assess(age, rpo) is RpoState.Broken ? "is broken" : "is at risk";
        var text = FormattableString.Invariant($"The recovery point objective {state}: the newest restorable moment is {age.TotalSeconds:0} s old, {rpo.TotalSeconds:0} s are allowed.")
            + (now.Problem is { } problem ? $" The agent says: {problem}" : clock.GetUtcNow() - now.HeardAt > TimeSpan.FromSeconds(30) ? " The agent cannot be asked." : "");
        if (await alerts.RaiseAsync(AlertKind.Rpo, request.Asset, text, Actor, cancel).ConfigureAwait(false))
        {
            Log.RpoAtRisk(logger, request.Asset, age.TotalSeconds, rpo.TotalSeconds);
        }

        return new RpoLook(IsOver: false);
    }

    internal static string Recovered(TimeSpan age) => FormattableString.Invariant($"The newest restorable moment is {age.TotalSeconds:0} s old again.");
}
