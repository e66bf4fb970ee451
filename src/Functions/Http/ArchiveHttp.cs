using System.Text.Json;
using Backup.Catalog.Archive;
using Backup.Catalog.Groups;
using Backup.Catalog.Retention;
using Backup.Functions.Access;
using Backup.Functions.Agents;
using Backup.Functions.Archive;
using Backup.Functions.Replication;
using Backup.Functions.Restores;
using Backup.Functions.Startup;
using Backup.Policy;
using Backup.Policy.Archive;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/archive-restores/{id}/start</c>.</summary>
/// <param name="Priority">Standard or high, with what the plan says of it.</param>
public sealed record ArchiveStartBody(RehydrationPriority Priority);

/// <summary>The body of <c>POST /api/archive-restores</c>: what <c>POST /api/restores</c> takes for an asset, what <c>POST /api/group-restores</c> takes for a group point.</summary>
/// <param name="Target">See there, as all that follows.</param>
/// <param name="From">The archive tier.</param>
/// <param name="Asset">What to bring back; exactly one of this and <paramref name="GroupPoint"/> is given.</param>
/// <param name="GroupPoint">Which group point to bring back, all members as one.</param>
/// <param name="RecoveryPoint">Assets only.</param>
/// <param name="At">Assets only.</param>
/// <param name="RecoverTo">Refused: logs are not read from an archive.</param>
/// <param name="Dump">Assets only.</param>
/// <param name="Agent">Assets only.</param>
/// <param name="Include">Assets only.</param>
/// <param name="Overwrite">Assets only.</param>
/// <param name="Prove">Start restored databases in isolation and check them.</param>
/// <param name="Slot">Names the request.</param>
public sealed record ArchiveRestoreBody(
    string Target, string? From = null, string? Asset = null, string? GroupPoint = null, string? RecoveryPoint = null, DateTimeOffset? At = null, string? RecoverTo = null, bool Dump = false,
    string? Agent = null, string[]? Include = null, bool Overwrite = false, bool Prove = false, string? Slot = null);

/// <summary>Restores from archive tiers: plan, show, approve, start. Nothing is paid for before the start.</summary>
/// <param name="resolution">Finds out what a request means.</param>
/// <param name="groups">Finds out what a request for a group point means.</param>
/// <param name="replanning">Looks again before a start.</param>
/// <param name="settings">The patience now.</param>
/// <param name="offsite">Knows containers.</param>
/// <param name="archive">What there is.</param>
/// <param name="administrators">Who may approve.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class ArchiveHttp(
    RestoreResolution resolution, GroupResolution groups, ArchiveReplanning replanning, ControlPlaneSettings settings, IOffsiteStore offsite, ArchiveStore archive, Administrators administrators, TimeProvider clock, ILogger<ArchiveHttp> logger)
{
    /// <summary>Plans a restore; takes the body of <c>POST /api/restores</c>, or that of <c>POST /api/group-restores</c> for all members of a group point at once.</summary>
    [Function(nameof(PostArchiveRestore))]
    public Task<IResult> PostArchiveRestore(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<ArchiveRestoreBody>(request, cancel).ConfigureAwait(false);
            var actor = administrators.Identify(request) ?? "api";
            var slot = HttpInput.Slot(body.Slot, clock.GetUtcNow());
            var (point, restores) = await ResolveAsync(body, slot, cancel).ConfigureAwait(false);
            if (restores.Any(r => r.Task.From is not { } from || !IsArchive(from)))
            {
                throw HttpInput.Bad(
                    "\"from\" names no archive tier.", $"From a vault or another tier nothing has to be brought back first: POST /api/{(point is null ? "restores" : "group-restores")}.");
            }

            if (restores.Any(r => r.Task.Recovery is not null))
            {
                throw HttpInput.Bad("From an archive a database comes back as it was backed up: \"recoverTo\" is not possible.", "Leave it out, or recover from a tier that is no archive.");
            }

            var asked = new ArchiveRequest
            {
                Restore = restores[0] with { RequestedBy = actor },
                Others = [.. restores.Skip(1).Select(r => r with { RequestedBy = actor })],
                GroupId = point is null ? null : InstanceIds.GroupRestore(point.Group.Value, slot, [.. restores.Select(r => r.Task.Restore)]),
                Patience = settings.Archive,
            };
            await archive.OpenAsync(new NewArchiveRestore(new(asked.Id), point?.Id, [.. asked.Restores.Select(MemberOf)], JsonSerializer.Serialize(asked), actor), cancel).ConfigureAwait(false);
            var isNew = await client.StartOnceAsync(nameof(ArchiveSurvey), InstanceIds.ArchiveSurvey(asked.Id), asked, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted(LocationOf(asked.Id), new StartedView(asked.Id, LocationOf(asked.Id), isNew));
        });

    /// <summary>One of them: its plan, and how far it is.</summary>
    [Function(nameof(GetArchiveRestore))]
    public Task<IResult> GetArchiveRestore([HttpTrigger(AuthorizationLevel.Function, "get", Route = "archive-restores/{id}")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(View(await FindAsync(id, cancel).ConfigureAwait(false))));

    /// <summary>All of them, newest first; <c>?limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetArchiveRestores))]
    public Task<IResult> GetArchiveRestores([HttpTrigger(AuthorizationLevel.Function, "get", Route = "archive-restores")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            return HttpAnswer.Page(await archive.ListAsync(continuation, limit, cancel).ConfigureAwait(false), View);
        });

    /// <summary>An administrator approves what it costs.</summary>
    [Function(nameof(PostArchiveApproval))]
    public Task<IResult> PostArchiveApproval([HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/approve")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => HttpAnswer.Ok(View(await archive.ApproveAsync(new(id), administrators.Require(request), cancel).ConfigureAwait(false))));

    /// <summary>Starts a planned one: from here on it costs.</summary>
    [Function(nameof(PostArchiveStart))]
    public Task<IResult> PostArchiveStart(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/start")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<ArchiveStartBody>(request, cancel).ConfigureAwait(false);
            var actor = administrators.Identify(request) ?? "api";
            await replanning.RefuseIfMoreIsNeededAsync(await FindAsync(id, cancel).ConfigureAwait(false), actor, cancel).ConfigureAwait(false);
            var started = await archive.StartAsync(new(id), body.Priority, actor, cancel).ConfigureAwait(false);
            var run = new ArchiveRun { Request = JsonSerializer.Deserialize<ArchiveRequest>(started.Request)! };
            var isNew = await client.StartOnceAsync(nameof(ArchiveRestoration), id, run, cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted(LocationOf(id), new StartedView(id, LocationOf(id), isNew));
        });

    /// <summary>Stops one, planned or under way. One that has ended is left as it is.</summary>
    [Function(nameof(PostArchiveCancellation))]
    public Task<IResult> PostArchiveCancellation(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "archive-restores/{id}/cancel")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var actor = administrators.Identify(request) ?? "api";
            var restore = await archive.CancelAsync(new(id), actor, cancel).ConfigureAwait(false);
            if (restore.State is ArchiveState.Cancelling)
            {
                await client.RaiseEventAsync(id, AgentJob.CancelEvent, actor, cancel).ConfigureAwait(false);
            }

            return HttpAnswer.Accepted(LocationOf(id), View(restore));
        });

    internal static bool IsArchive(ReplicaPlace place) => place.AccessTier == nameof(AccessTier.Archive);

    private static string LocationOf(string id) => $"/api/archive-restores/{id}";

    private async Task<(GroupPoint? Point, IReadOnlyList<RestoreRequest> Restores)> ResolveAsync(ArchiveRestoreBody body, string slot, CancellationToken cancel)
    {
        if (body is { Asset: { } asset, GroupPoint: null })
        {
            var wish = new RestoreBody(
                asset, body.Target, body.RecoveryPoint, body.At, body.RecoverTo, body.Dump, body.From, body.Agent, body.Include, body.Overwrite, body.Prove, body.Slot);
            return (null, [await resolution.ResolveAsync(wish, isDrill: false, slot, cancel).ConfigureAwait(false)]);
        }

        if (body is not { Asset: null, GroupPoint: { } point })
        {
            throw HttpInput.Bad("Exactly one of \"asset\" and \"groupPoint\" has to be given.", "An asset's recovery point, or all members of a group point as one.");
        }

        if (body is not { RecoveryPoint: null, At: null, RecoverTo: null, Dump: false, Agent: null, Include: null, Overwrite: false })
        {
            throw HttpInput.Bad("A group point takes \"target\", \"from\", \"prove\" and \"slot\" only.", "All its members come back, as they were. For one of them give its \"asset\" and \"recoveryPoint\".");
        }

        return await groups.ResolveAsync(new GroupRestoreBody(point, body.Target, body.From, body.Prove, body.Slot), slot, cancel).ConfigureAwait(false);
    }

    private ArchiveMember MemberOf(RestoreRequest restore)
    {
        var from = restore.Task.From!;
        return new ArchiveMember(
            new(restore.Task.Restore), new(restore.Task.Asset), new(restore.RecoveryPoint),
            new ReplicaPlaceId(offsite.AddressOf(new TierName(from.Tier), from.Container), restore.Task.VaultId, new TierName(from.Tier)));
    }

    private async Task<ArchiveRestore> FindAsync(string id, CancellationToken cancel) =>
        await archive.FindAsync(new(id), cancel).ConfigureAwait(false) ?? throw HttpInput.NotFound($"There is no archive restore \"{id}\".", "GET /api/archive-restores lists them.");

    private static ArchiveView View(ArchiveRestore r)
    {
        var single = r.GroupPoint is null ? r.Members[0] : null;
        return new ArchiveView(
            r.Id.Value, single?.Asset.Value, single?.RecoveryPoint.Value, r.GroupPoint?.Value,
            single is null ? [.. r.Members.Select(m => new ArchiveMemberView(m.Asset.Value, m.RecoveryPoint.Value, r.Priority is null ? null : $"/api/restores/{m.Restore}"))] : null,
            r.Tier.Value, r.State, r.RequestedBy, r.CreatedAt, r.PlannedAt, r.PlannedAt + ArchiveMargins.PlanLife, r.Plan, r.Approvals, r.Priority,
            r.PacksReady, r.PacksRequested, r.FilesRestored, r.Note, r.EndedAt, r.CopiesKeptUntil, r.Priority is null || single is null ? null : $"/api/restores/{r.Id}");
    }

    private sealed record ArchiveView(
        string Id, string? Asset, string? RecoveryPoint, string? GroupPoint, IReadOnlyList<ArchiveMemberView>? Members, string From, ArchiveState State, string RequestedBy, DateTimeOffset CreatedAt,
        DateTimeOffset? PlannedAt, DateTimeOffset? StartBefore, ArchivePlan? Plan, IReadOnlyList<string> Approvals, RehydrationPriority? Priority, int PacksReady, int PacksRequested, long FilesRestored,
        string? Note, DateTimeOffset? EndedAt, DateTimeOffset? CopiesKeptUntil, string? Restore);

    private sealed record ArchiveMemberView(string Asset, string RecoveryPoint, string? Restore);
}
