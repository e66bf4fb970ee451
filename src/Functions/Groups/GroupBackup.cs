using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;

namespace Backup.Functions.Groups;

/// <summary>One backup of all members of a group, which together are one recovery point. The instance id is the group point's id.</summary>
/// <remarks>
/// (1) fix what it does (2) have each agent hold its members' applications (3) back all members up at once (4) wait until each has its snapshot, or has none
/// (5) let go, also when holding failed half-way (6) record the point, or why there is none (7) wait for the copies. Should this die between (2) and (5), the
/// agents let go by themselves when the group's time is over, and learn that nobody counts on them.
/// </remarks>
public static class GroupBackup
{
    /// <summary>Raised by a member's backup when its recovery point is published.</summary>
    public static string MadeEvent(string asset) => $"made-{asset}";

    /// <summary>Runs it.</summary>
    [Function(nameof(GroupBackup))]
    public static async Task<GroupOutcome> RunAsync([OrchestrationTrigger] TaskOrchestrationContext context, GroupRequest request)
    {
        var plan = await context.CallActivityAsync<GroupPlan>(nameof(PlanGroup), request, RetryPolicies.Catalog);                           // (1)
        var (held, failure) = await HoldAsync(context, request, plan);                                                                      // (2)
        var copies = Array.Empty<Task<RunOutcome>>();
        if (failure is null)
        {
            var made = plan.Assets.Select(asset => context.WaitForExternalEvent<string>(MadeEvent(asset))).ToArray();
            copies = [.. plan.Assets.Select(asset => BackUpAsync(context, request, plan, asset))];                                                // (3)
            await Task.WhenAll(made.Zip(copies, (snapshot, run) => Task.WhenAny(snapshot, run)));                                           // (4)
        }

        var (lost, beside) = await ReleaseAsync(context, plan, held);                                                                       // (5)
        var outcome = await context.CallActivityAsync<GroupOutcome>(                                                                        // (6)
            nameof(RecordGroupPoint),
            new GroupRecord
            {
                Id = context.InstanceId,
                Group = request.Group,
                RequestedBy = request.RequestedBy,
                Runs = [.. plan.Assets.Select(asset => InstanceIds.Backup(asset, request.Slot))],
                IsHeld = plan.Holds.Length > 0,
                Failure = failure ?? lost,
                Beside = beside,
            },
            RetryPolicies.Catalog);
        return outcome with { Runs = await Task.WhenAll(copies) };                                                                          // (7)
    }

    /// <summary>One agent after the other; the first that cannot ends it.</summary>
    private static async Task<(List<(string Agent, string Order)> Held, JobFailure? Failure)> HoldAsync(TaskOrchestrationContext context, GroupRequest request, GroupPlan plan)
    {
        var held = new List<(string Agent, string Order)>();
        foreach (var hold in plan.Holds)
        {
            var job = await AskAsync(context, plan, hold.Agent, "hold", new AgentTask
            {
                Hold = new HoldTask { Run = context.InstanceId, Group = request.Group, Hooks = hold.Hooks, SecondsMax = plan.HoldSecondsMax },
            });
            if (job.Report is not { } report)
            {
                return (held, job.Failure);
            }

            held.Add((hold.Agent, report.OrderId.Value));
        }

        return (held, null);
    }

    /// <summary>In the opposite order, every one of them.</summary>
    /// <returns>Why what was backed up meanwhile may not belong together, null when everything stayed held until now; and what else went wrong.</returns>
    private static async Task<(JobFailure? Lost, JobFailure? Beside)> ReleaseAsync(TaskOrchestrationContext context, GroupPlan plan, List<(string Agent, string Order)> held)
    {
        (JobFailure? Lost, JobFailure? Beside) told = default;
        foreach (var (agent, order) in Enumerable.Reverse(held))
        {
            var job = await AskAsync(context, plan, agent, "release", new AgentTask { Release = order });
            told = (told.Lost ?? job.Failure, told.Beside ?? (job.Report?.Failure is { } stuck ? JobProgression.Translate(stuck) : null));
        }

        return told;
    }

    /// <summary>Whatever happens is an outcome: what is held must be let go, and that there is no point must be told.</summary>
    private static async Task<JobOutcome> AskAsync(TaskOrchestrationContext context, GroupPlan plan, string agent, string step, AgentTask task)
    {
        try
        {
            return await context.CallSubOrchestratorAsync<JobOutcome>(
                nameof(AgentJob), new AgentJobRequest { Agent = agent, OrderKey = $"{context.InstanceId}/{step}/{agent}", Task = task, Patience = plan.Patience });
        }
        catch (TaskFailedException e)
        {
            return new JobOutcome { Failure = JobFailure.Of(e) };
        }
    }

    private static async Task<RunOutcome> BackUpAsync(TaskOrchestrationContext context, GroupRequest request, GroupPlan plan, string asset)
    {
        var run = InstanceIds.Backup(asset, request.Slot);
        try
        {
            return await context.CallSubOrchestratorAsync<RunOutcome>(
                nameof(AssetBackup),
                new BackupRequest
                {
                    Asset = asset,
                    RequestedBy = request.RequestedBy,
                    Group = context.InstanceId,
                    Tags = GroupTags.Of(request.Group, context.InstanceId, plan.Assets.Select(member => InstanceIds.Backup(member, request.Slot))),
                },
                new SubOrchestrationOptions(instanceId: run));
        }
        catch (TaskFailedException e)
        {
            return new RunOutcome { Run = run, Asset = asset, State = "failed", Reason = JobFailure.Of(e) };
        }
    }
}
