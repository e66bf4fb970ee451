using Backup.Catalog;
using Backup.Catalog.Runs;
using Backup.Policy;
using Backup.Policy.Scheduling;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Backups;

/// <summary>Decides each minute what is due, and starts it. Everything begins here.</summary>
/// <remarks>(1) close runs whose orchestration is gone (2) what is due, by the policy alone (3) one fleet per minute</remarks>
/// <param name="policy">What to protect.</param>
/// <param name="schedule">The same, prepared.</param>
/// <param name="runs">What has happened.</param>
/// <param name="reconciliation">Closes what nobody will close.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of fleets.</param>
public sealed class ScheduleTimer(
    PolicyDocument policy, FleetSchedule schedule, RunStore runs, RunReconciliation reconciliation, TimeProvider clock, ILogger<ScheduleTimer> logger)
{
    /// <summary>Less than the minute between two firings: the next one must not find a lane between two runs and give it away.</summary>
    private static readonly TimeSpan QueueLife = TimeSpan.FromSeconds(50);

    /// <summary>Runs at every firing. A second firing in the same minute finds the minute's fleet and does nothing.</summary>
    [Function(nameof(ScheduleTimer))]
    public async Task RunAsync([TimerTrigger("%Schedule:Timer%")] TimerInfo timer, [DurableClient] DurableTaskClient client, CancellationToken cancel)
    {
        try
        {
            await reconciliation.RunAsync(client, cancel).ConfigureAwait(false);                                                            // (1)
            var now = clock.GetUtcNow();
            var facts = await runs.FactsAsync([.. policy.Assets.Select(a => a.Name)], cancel).ConfigureAwait(false);
            var plan = schedule.Plan(now, facts);                                                                                          // (2)
            if (plan.Start.Count == 0)
            {
                return;
            }

            var slot = InstanceIds.SlotOf(now);
            var request = new FleetRequest { Slot = slot, RequestedBy = "schedule", Members = Members(plan), StartUntil = now + QueueLife };
            if (await client.StartOnceAsync(nameof(FleetBackup), InstanceIds.Fleet(slot), request, cancel).ConfigureAwait(false))           // (3)
            {
                Log.FleetStarted(logger, InstanceIds.Fleet(slot), plan.Start.Count + plan.Queue.Count, string.Join(", ", plan.Start.Concat(plan.Queue).Select(d => d.Asset.Name)));
            }
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            // The next minute asks again; failing the function would only say the same more loudly.
            Log.ScheduleSkipped(logger, e.Message.Split('\n')[0]);
        }
    }

    private FleetMember[] Members(FleetPlan plan)
    {
        var groups = plan.Start.ToDictionary(d => d.Asset.Name, d => policy.GroupOf(d.Asset.Name)?.Name.Value);
        var lanes = plan.Start.Where(d => groups[d.Asset.Name] is null).CountBy(d => d.Asset.Agent).ToDictionary();
        return
        [
            .. plan.Start.Select(d => new FleetMember(d.Asset.Name.Value, d.Asset.Agent.Value, lanes.GetValueOrDefault(d.Asset.Agent), groups[d.Asset.Name])),
            // Without a lane that becomes free within the minute, what waits is decided anew.
            .. plan.Queue.Where(d => lanes.ContainsKey(d.Asset.Agent)).Select(d => new FleetMember(d.Asset.Name.Value, d.Asset.Agent.Value, lanes[d.Asset.Agent])),
        ];
    }
}
