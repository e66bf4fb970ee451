using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.Capacity;
using Backup.Functions.Agents;
using Backup.Policy;
using Backup.Policy.Capacity;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Capacity;

/// <summary>Measures each hour how full vaults and tiers are, and says so when one is nearly full or soon will be.</summary>
/// <param name="policy">The agents, vaults and tiers.</param>
/// <param name="link">The way to agents, who know their disks.</param>
/// <param name="capacity">Where samples are kept.</param>
/// <param name="alerts">Where people look.</param>
/// <param name="clock">Tells when.</param>
/// <param name="logger">Hears of hours without a catalog.</param>
public sealed class CapacityTimer(PolicyDocument policy, IAgentLink link, CapacityStore capacity, AlertStore alerts, TimeProvider clock, ILogger<CapacityTimer> logger)
{
    /// <summary>Runs once an hour. Safe to repeat.</summary>
    [Function(nameof(CapacityTimer))]
    public async Task RunAsync([TimerTrigger("0 7 * * * *")] TimerInfo timer, CancellationToken cancel)
    {
        try
        {
            var now = clock.GetUtcNow();
            foreach (var agent in policy.Assets.Select(a => a.Agent).Concat(policy.Tiers.Select(t => t.Node?.Agent).OfType<AgentName>()).Distinct())
            {
                await SampleAgentAsync(agent, now, cancel).ConfigureAwait(false);
            }

            var bytes = await capacity.TierBytesAsync(cancel).ConfigureAwait(false);
            foreach (var tier in policy.Tiers.Where(t => bytes.ContainsKey(t.Name)))
            {
                await capacity.AddAsync(PlaceKind.Tier, tier.Name.Value, new CapacitySample(now, bytes[tier.Name]), tier.BytesMax, cancel).ConfigureAwait(false);
            }

            foreach (var place in await capacity.ListAsync(now - CapacityForecast.SpanMax, cancel).ConfigureAwait(false))
            {
                await SpeakAsync(now, place, cancel).ConfigureAwait(false);
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            // An hour without a sample bends no forecast.
            Log.CapacitySkipped(logger, e.Message.Split('\n')[0]);
        }
    }

    /// <summary>An agent that does not answer is not measured; that it is silent is for its backups to say.</summary>
    private async Task SampleAgentAsync(AgentName agent, DateTimeOffset now, CancellationToken cancel)
    {
        var reply = await link.SendAsync(agent, OrderId.NewRandom(), new HealthQuery(), cancel).ConfigureAwait(false);
        var vaults = (reply.Answer?.Vaults ?? []).Where(vault => policy.Assets.Any(a => a.Agent == agent && a.Vault.Value == vault.Name)).Select(vault => (vault.Name, vault.BytesTotal, vault.BytesFree));
        var copies = (reply.Answer?.Copies ?? []).Where(place => IsUsed(agent, place.Name)).Select(place => (place.Name, place.BytesTotal, place.BytesFree));
        foreach (var place in vaults.Concat(copies))
        {
            if (place is { BytesTotal: > 0 and var total, BytesFree: { } free })
            {
                await capacity.AddAsync(PlaceKind.Vault, $"{agent}/{place.Name}", new CapacitySample(now, Math.Max(0, total - free)), total, cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The places on other nodes that some tier names: of each the disk, besides what the replicas on it take.</summary>
    private bool IsUsed(AgentName agent, string place) =>
        policy.Assets.Any(a => policy.TiersOf(a).Any(t => t.Node is { } node && node.Place == place && node.CopierOf(a.Agent) == agent));

    private async Task SpeakAsync(DateTimeOffset now, MeasuredPlace place, CancellationToken cancel)
    {
        var outlook = CapacityForecast.Of(now, place.Samples, place.BytesLimit);
        var subject = $"{place.Kind.ToString().ToLowerInvariant()} {place.Name}";
        if (outlook.Alert is CapacityAlert.None)
        {
            await alerts.CloseAsync(AlertKind.Capacity, subject, "There is room again.", "schedule", cancel).ConfigureAwait(false);
            return;
        }

        var full = outlook.FullAt is { } at ? FormattableString.Invariant($" It is full on {at:yyyy-MM-dd} if it grows as it does.") : "";
        await alerts.RaiseAsync(
            AlertKind.Capacity, subject, FormattableString.Invariant($"{outlook.Alert}: {outlook.BytesUsed} of {place.BytesLimit} bytes are used.{full}"), "schedule", cancel).ConfigureAwait(false);
    }
}
