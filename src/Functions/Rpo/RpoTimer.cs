using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.Rpo;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.Protection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;
using SourceKind = Backup.Policy.SourceKind;

namespace Backup.Functions.Rpo;

/// <summary>Reads the agents' RPO clocks every few seconds, and starts an episode where an objective is at risk.</summary>
/// <remarks>(1) ask every agent that has databases (2) note what they say (3) judge, by what the catalog knows: silence makes a clock old too.</remarks>
/// <param name="policy">Who has databases, and what is promised.</param>
/// <param name="link">The way to the agents.</param>
/// <param name="clocks">Where clocks are kept.</param>
/// <param name="alerts">Whether an episode is open.</param>
/// <param name="clock">The control plane's.</param>
/// <param name="logger">Hears what could not be done.</param>
public sealed class RpoTimer(PolicyDocument policy, IAgentLink link, RpoClockStore clocks, AlertStore alerts, TimeProvider clock, ILogger<RpoTimer> logger)
{
    /// <summary>A silent agent must not keep the others from being asked in time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>An open episode is looked at more often than this by its orchestration; one that is not has lost it.</summary>
    private static readonly TimeSpan LookedAtWithin = TimeSpan.FromMinutes(2);

    /// <summary>Runs at every firing.</summary>
    [Function(nameof(RpoTimer))]
    public async Task RunAsync([TimerTrigger("*/5 * * * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        var databases = policy.Assets.Where(asset => asset.Kind is SourceKind.Postgres).ToArray();
        if (databases.Length == 0)
        {
            return;
        }

        try
        {
            var told = await Task.WhenAll(databases.Select(asset => asset.Agent).Distinct().Select(agent => AskAsync(agent, databases, cancel))).ConfigureAwait(false);   // (1)
            await clocks.SetAsync([.. told.SelectMany(list => list)], cancel).ConfigureAwait(false);                                                                 // (2)
            var open = (await alerts.ListOpenAsync(AlertKind.Rpo, cancel).ConfigureAwait(false)).ToDictionary(alert => alert.Subject, StringComparer.Ordinal);
            foreach (var now in await clocks.ListAsync([.. databases.Select(asset => asset.Name)], cancel).ConfigureAwait(false))
            {
                await JudgeAsync(databases.First(asset => asset.Name == now.Asset), now, open.GetValueOrDefault(now.Asset.Value), client, cancel).ConfigureAwait(false);                // (3)
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            // Asked again in seconds; failing the function would only say the same more loudly.
            Log.RpoSkipped(logger, e.Message.Split('\n')[0]);
        }
    }

    private async Task<IReadOnlyList<RpoClock>> AskAsync(AgentName agent, Asset[] databases, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        try
        {
            var reply = await link.SendAsync(agent, OrderId.NewRandom(), new RpoQuery(), limit.Token).ConfigureAwait(false);
            var now = clock.GetUtcNow();
            return reply.Answer is not { } answer ? [] :
            [
                .. answer.Readings.Where(reading => databases.Any(asset => asset.Name.Value == reading.Asset && asset.Agent == agent)).Select(reading => new RpoClock(
                    new(reading.Asset), reading.AgeSeconds is >= 0 and { } age && double.IsFinite(age) ? now - TimeSpan.FromSeconds(Math.Min(age, TimeSpan.FromDays(3650).TotalSeconds)) : null,
                    now, reading.DurableLsn, reading.ServerLsn, reading.SlotBytes, reading.Problem)),
            ];
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return [];
        }
    }

    private async Task JudgeAsync(Asset asset, RpoClock now, Alert? open, DurableTaskClient client, CancellationToken cancel)
    {
        if (now.RestorableAt is not { } restorable)
        {
            return;
        }

        var (age, rpo) = (clock.GetUtcNow() - restorable, policy.ServiceClassOf(asset).Rpo);
        if (open is null && RpoRisk.Assess(age, rpo) is not RpoState.Kept)
        {
            await client.StartOnceAsync(
                nameof(RpoEpisode), InstanceIds.RpoEpisode(asset.Name.Value, InstanceIds.SlotOf(clock.GetUtcNow())), new RpoEpisodeRequest { Asset = asset.Name.Value }, cancel).ConfigureAwait(false);
        }
        else if (open is not null && RpoRisk.IsOver(age, rpo) && clock.GetUtcNow() - open.SeenAt > LookedAtWithin)
        {
            await alerts.CloseAsync(AlertKind.Rpo, asset.Name.Value, LookAtRpo.Recovered(age), "schedule", cancel).ConfigureAwait(false);
        }
    }
}
