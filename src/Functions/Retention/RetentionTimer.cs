using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.Retention;
using Backup.Functions.Rebuilding;
using Backup.Functions.Startup;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Retention;

/// <summary>Decides each night what retention would do with every asset, stores it, and has executed what needs nobody.</summary>
/// <param name="policy">The assets.</param>
/// <param name="vaults">Say how far the log of databases reaches.</param>
/// <param name="decisions">Decides.</param>
/// <param name="plans">Where decisions are stored.</param>
/// <param name="alerts">Where people look.</param>
/// <param name="starter">Starts executions.</param>
/// <param name="clock">Names the night.</param>
/// <param name="logger">Hears of nights without a catalog.</param>
public sealed class RetentionTimer(
    PolicyDocument policy, VaultListing vaults, RetentionDecisions decisions, RetentionStore plans, AlertStore alerts, RetentionStarter starter, TimeProvider clock, ILogger<RetentionTimer> logger)
{
    /// <summary>Runs once a day, before history is purged. Safe to repeat.</summary>
    [Function(nameof(RetentionTimer))]
    public async Task RunAsync([TimerTrigger("0 41 2 * * *")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        try
        {
            foreach (var (agent, vault) in policy.Assets.Where(a => a.Kind is SourceKind.Postgres).Select(a => (a.Agent, a.Vault)).Distinct())
            {
                if (await vaults.RefreshAsync(new VaultPlace(agent.Value, vault.Value), "schedule", cancel).ConfigureAwait(false) is { } failure)
                {
                    // What is not known costs no point: without it every base backup of the continuous time stays.
                    Log.LogNotHeardOf(logger, $"{agent}/{vault}", failure.Text);
                }
            }

            var slot = InstanceIds.SlotOf(clock.GetUtcNow());
            foreach (var asset in policy.Assets)
            {
                await PlanAsync(asset, slot, cancel).ConfigureAwait(false);
            }

            foreach (var (agent, vault) in policy.Assets.Select(a => (a.Agent, a.Vault)).Distinct())
            {
                await starter.StartAsync(client, agent, vault, "schedule", cancel).ConfigureAwait(false);
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            // The next night decides anew; nothing is lost by keeping everything a day longer.
            Log.RetentionSkipped(logger, e.Message.Split('\n')[0]);
        }
    }

    private async Task PlanAsync(Asset asset, string slot, CancellationToken cancel)
    {
        var (plan, _) = await decisions.DecideAsync(asset, cancel).ConfigureAwait(false);
        var stored = await plans.ProposeAsync(new NewRetentionPlan(InstanceIds.RetentionPlan(asset.Name.Value, slot, isForced: false), plan, "schedule", ForcedReason: null), cancel).ConfigureAwait(false);
        var subject = asset.Name.Value;
        if (stored?.State is PlanState.Refused or PlanState.AwaitingApproval)
        {
            await alerts.RaiseAsync(AlertKind.Retention, subject, $"Retention plan {stored.Id} would delete {stored.PointsDeleted} of {stored.PointsDeleted + stored.PointsKept} points and {(stored.State is PlanState.Refused ? "is refused unless forced" : "waits for approval")}.", "schedule", cancel).ConfigureAwait(false);
        }
        else
        {
            await alerts.CloseAsync(AlertKind.Retention, subject, "No plan waits for anybody.", "schedule", cancel).ConfigureAwait(false);
        }
    }
}

/// <summary>Starts the execution of retention in a vault, unless one is under way.</summary>
/// <param name="policy">Knows caretakers.</param>
/// <param name="settings">The patience now.</param>
/// <param name="clock">Names the execution.</param>
public sealed class RetentionStarter(PolicyDocument policy, ControlPlaneSettings settings, TimeProvider clock)
{
    /// <summary>Starts it.</summary>
    /// <returns>The instance, and whether this call started it: one under way goes on as it is, and whatever is ready then waits for the next.</returns>
    public async Task<(string Id, bool IsNew)> StartAsync(DurableTaskClient client, AgentName agent, VaultName vault, string actor, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(client);
        var id = InstanceIds.Retention(agent.Value, vault.Value);
        var request = new RetentionRequest
        {
            Agent = agent.Value,
            Caretaker = policy.FindAgent(agent)!.Caretaker.Value,
            Vault = vault.Value,
            Slot = clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmssfff", System.Globalization.CultureInfo.InvariantCulture),
            RequestedBy = actor,
            Patience = settings.Patience,
        };
        return (id, await client.StartUnlessRunningAsync(nameof(VaultRetention), id, request, cancel).ConfigureAwait(false));
    }
}
