using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Alerts;
using Backup.Catalog.Groups;
using Backup.Functions.Agents;
using Backup.Functions.Startup;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Groups;

/// <summary>Fixes what a group's backup does.</summary>
/// <param name="policy">The policy now.</param>
/// <param name="settings">The patience now.</param>
public sealed class PlanGroup(PolicyDocument policy, ControlPlaneSettings settings)
{
    /// <summary>Safe to repeat: only the last answer is used.</summary>
    [Function(nameof(PlanGroup))]
    public Task<GroupPlan> RunAsync([ActivityTrigger] GroupRequest request, CancellationToken cancel)
    {
        var group = policy.Groups.FirstOrDefault(g => g.Name.Value == request.Group);
        var members = group?.Assets.Select(policy.FindAsset).OfType<Asset>().Where(a => a.Enabled).ToArray() ?? [];
        return Task.FromResult(new GroupPlan
        {
            Assets = [.. members.Select(a => a.Name.Value)],
            Holds = [.. members.GroupBy(a => a.Agent).Select(agent => new GroupHold(agent.Key.Value, Hooks([.. agent]))).Where(hold => hold.Hooks is not { Before.Count: 0, After.Count: 0 })],
            HoldSecondsMax = (int)(group?.HoldLimit ?? PolicyDefaults.HoldLimit).TotalSeconds,
            Patience = settings.Patience,
        });
    }

    private static BackupHooks Hooks(Asset[] members) => new()
    {
        Before = [.. members.SelectMany(a => a.Hooks.Before).Distinct(StringComparer.Ordinal)],
        After = [.. members.Reverse().SelectMany(a => a.Hooks.After).Distinct(StringComparer.Ordinal)],
    };
}

/// <summary>Records a group point when every member has a whole recovery point of this backup, and otherwise says why there is none.</summary>
/// <param name="points">Where it is recorded.</param>
/// <param name="alerts">Where people look.</param>
public sealed class RecordGroupPoint(GroupPointStore points, AlertStore alerts)
{
    /// <summary>Safe to repeat.</summary>
    [Function(nameof(RecordGroupPoint))]
    public async Task<GroupOutcome> RunAsync([ActivityTrigger] GroupRecord record, CancellationToken cancel)
    {
        var failure = record.Failure;
        if (failure is null)
        {
            try
            {
                await points.RecordAsync(
                    new NewGroupPoint(new(record.Id), new(record.Group), record.RequestedBy, record.IsHeld, [.. record.Runs.Select(run => new RunId(run))]), cancel).ConfigureAwait(false);
                await TellAsync(record, cancel).ConfigureAwait(false);
                return new GroupOutcome { Group = record.Group, GroupPoint = record.Id, Reason = record.Beside };
            }
            catch (CatalogException e) when (e.Fault is CatalogFault.NotAllowed)
            {
                failure = new JobFailure(ReasonCodes.GroupIncomplete, e.Message.Split('\n')[0], e.Hint);
            }
        }

        await alerts.RaiseAsync(AlertKind.Group, record.Group, $"Backup {record.Id} made no group point. {failure.Text} {failure.Hint}", record.RequestedBy, cancel).ConfigureAwait(false);
        return new GroupOutcome { Group = record.Group, Reason = failure };
    }

    private Task<bool> TellAsync(GroupRecord record, CancellationToken cancel) => record.Beside is { } beside
        ? alerts.RaiseAsync(AlertKind.Group, record.Group, $"Group point {record.Id} was made, but an application may not have been let go. {beside.Text} {beside.Hint}", record.RequestedBy, cancel)
        : alerts.CloseAsync(AlertKind.Group, record.Group, $"Group point {record.Id} was made.", record.RequestedBy, cancel);
}
