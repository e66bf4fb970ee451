using Backup.Catalog.Runs;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Groups;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/backups</c>.</summary>
/// <param name="Asset">The asset's name, or <c>*</c> for every scheduled asset.</param>
/// <param name="Group">A group's name, in place of an asset: its members are backed up as one.</param>
/// <param name="Slot">Names the request: the same asset and slot are the same request. The present minute unless given.</param>
public sealed record BackupBody(string? Asset = null, string? Slot = null, string? Group = null);

/// <summary>Backups and runs over HTTP.</summary>
/// <param name="policy">What can be backed up.</param>
/// <param name="runs">What has happened.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class BackupHttp(PolicyDocument policy, RunStore runs, TimeProvider clock, ILogger<BackupHttp> logger)
{
    private const string EveryAsset = "*";

    /// <summary>Starts a backup, or answers the one that is the same.</summary>
    [Function(nameof(PostBackup))]
    public Task<IResult> PostBackup(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "backups")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<BackupBody>(request, cancel).ConfigureAwait(false);
            var slot = HttpInput.Slot(body.Slot, clock.GetUtcNow());
            return (body.Asset, body.Group) switch
            {
                (EveryAsset, null) => await StartFleetAsync(client, slot, cancel).ConfigureAwait(false),
                ({ } asset, null) => await StartAssetAsync(client, new AssetName(asset), slot, cancel).ConfigureAwait(false),
                (null, { } group) => await StartGroupAsync(client, group, slot, cancel).ConfigureAwait(false),
                _ => throw HttpInput.Bad("The body names one of \"asset\" and \"group\".", "Send {\"asset\": \"NAME\"}, {\"asset\": \"*\"} or {\"group\": \"NAME\"}."),
            };
        });

    /// <summary>Runs, newest first; <c>?asset=&amp;state=&amp;limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetRuns))]
    public Task<IResult> GetRuns([HttpTrigger(AuthorizationLevel.Function, "get", Route = "runs")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var filter = new RunFilter(HttpInput.Asset(request), HttpInput.Choice<Policy.States.RunState>(request, "state"));
            var page = await runs.ListAsync(filter, continuation, limit, cancel).ConfigureAwait(false);
            return HttpAnswer.Page(page, RunView.Of);
        });

    /// <summary>One run; also one that was only just asked for and is not in the catalog yet, and one that was skipped.</summary>
    [Function(nameof(GetRun))]
    public Task<IResult> GetRun(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "runs/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            if (await runs.FindAsync(new(id), cancel).ConfigureAwait(false) is { } run)
            {
                return HttpAnswer.Ok(RunView.Of(run));
            }

            return await InstanceAnswers.OfAsync(client, id, [InstanceIds.BackupKind, InstanceIds.FleetKind, InstanceIds.GroupKind], cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no run \"{id}\".", "GET /api/runs lists them.");
        });

    /// <summary>Stops a run whose agent has not made its snapshot yet. The run ends as cancelled, or as done when the agent was faster.</summary>
    [Function(nameof(PostRunCancellation))]
    public Task<IResult> PostRunCancellation(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "runs/{id}/cancel")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var run = await runs.FindAsync(new(id), cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no run \"{id}\".", "GET /api/runs lists them.");
            if (run.EndedAt is not null)
            {
                throw HttpInput.Conflict($"Run \"{id}\" has ended already.", "GET /api/runs/{id} tells how.");
            }

            var job = await client.GetInstanceAsync(InstanceIds.JobOf(id), cancel).ConfigureAwait(false);
            if (job is not { IsCompleted: false })
            {
                throw HttpInput.Conflict(
                    $"Run \"{id}\" is not at its agent.", job is null ? "It is just beginning: try again in a moment." : "Its snapshot is made; what remains is copying it off-site.");
            }

            await client.RaiseEventAsync(job.InstanceId, AgentJob.CancelEvent, "api", cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), IsNew: false));
        });

    private static string LocationOf(string id) => $"/api/runs/{id}";

    private async Task<HttpAnswer> StartAssetAsync(DurableTaskClient client, AssetName name, string slot, CancellationToken cancel)
    {
        if (policy.FindAsset(name) is null)
        {
            throw HttpInput.NotFound($"There is no asset \"{name}\" in the policy.", "GET /api/assets lists them.");
        }

        var id = InstanceIds.Backup(name.Value, slot);
        if (await runs.FindOpenAsync(name, cancel).ConfigureAwait(false) is { } open)
        {
            // Another order for an asset that is being read would be skipped; the run under way is what the caller wants to watch.
            id = open.Id.Value;
            return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), IsNew: false));
        }

        var isNew = await client.StartOnceAsync(nameof(AssetBackup), id, new BackupRequest { Asset = name.Value, RequestedBy = "api" }, cancel).ConfigureAwait(false);
        return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), isNew));
    }

    private async Task<HttpAnswer> StartGroupAsync(DurableTaskClient client, string name, string slot, CancellationToken cancel)
    {
        var group = policy.Groups.FirstOrDefault(g => g.Name.Value == name) ?? throw HttpInput.NotFound($"There is no group \"{name}\" in the policy.", "The policy's \"groups\" name them.");
        var id = InstanceIds.Group(name, slot);
        var location = $"/api/group-points/{id}";
        if (await client.GetInstanceAsync(id, cancel).ConfigureAwait(false) is null)
        {
            foreach (var member in group.Assets)
            {
                if (await runs.FindOpenAsync(member, cancel).ConfigureAwait(false) is { } open)
                {
                    throw HttpInput.Conflict($"Asset \"{member}\" of the group is being backed up by run \"{open.Id}\".", "Try again when it has ended: the members are backed up together.");
                }
            }
        }

        var isNew = await client.StartOnceAsync(nameof(GroupBackup), id, new GroupRequest { Group = name, Slot = slot, RequestedBy = "api" }, cancel).ConfigureAwait(false);
        return HttpAnswer.Accepted(location, new StartedView(id, location, isNew));
    }

    private async Task<HttpAnswer> StartFleetAsync(DurableTaskClient client, string slot, CancellationToken cancel)
    {
        var members = policy.Assets.Where(a => a.Enabled).Select(a => new FleetMember(a.Name.Value, a.Agent.Value, policy.AgentOf(a).Concurrency, policy.GroupOf(a.Name)?.Name.Value)).ToArray();
        if (members.Length == 0)
        {
            throw HttpInput.Conflict("The policy has no enabled asset.", "Add assets to the policy file and start again.");
        }

        var id = InstanceIds.WholeFleet(slot);
        var isNew = await client.StartOnceAsync(nameof(FleetBackup), id, new FleetRequest { Slot = slot, RequestedBy = "api", Members = members }, cancel).ConfigureAwait(false);
        return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), isNew));
    }
}
