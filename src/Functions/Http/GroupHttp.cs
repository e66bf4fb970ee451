using Backup.Catalog.Groups;
using Backup.Catalog.RecoveryPoints;
using Backup.Functions.Groups;
using Backup.Functions.Restores;
using Backup.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>The body of <c>POST /api/group-restores</c>.</summary>
/// <param name="GroupPoint">Which group point.</param>
/// <param name="Target">An absolute path on the agents' machines, below one of their restore roots: each member goes to a folder of its name in it.</param>
/// <param name="From"><c>vault</c>, or the tier whose replicas to read. The vaults unless given.</param>
/// <param name="Prove">Start restored databases in isolation and check them.</param>
/// <param name="Slot">Names the request: the same request and slot are the same restore. The present minute unless given.</param>
public sealed record GroupRestoreBody(string GroupPoint, string Target, string? From = null, bool Prove = false, string? Slot = null);

/// <summary>Recovery points of whole groups: list, show, restore as one.</summary>
/// <param name="groups">What there is.</param>
/// <param name="points">The members' points.</param>
/// <param name="resolution">Finds out what restoring its members means.</param>
/// <param name="clock">Names the minute.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class GroupHttp(GroupPointStore groups, RecoveryPointStore points, GroupResolution resolution, TimeProvider clock, ILogger<GroupHttp> logger)
{
    /// <summary>Group points, newest first; <c>?group=&amp;limit=&amp;continuation=</c>.</summary>
    [Function(nameof(GetGroupPoints))]
    public Task<IResult> GetGroupPoints([HttpTrigger(AuthorizationLevel.Function, "get", Route = "group-points")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var group = (string?)request.Query["group"] is { Length: > 0 } name ? new GroupName(name) : (GroupName?)null;
            return HttpAnswer.Page(await groups.ListAsync(group, continuation, limit, cancel).ConfigureAwait(false), point => View(point, members: null));
        });

    /// <summary>One group point with its members' moments; also a backup of a group that is under way or made none.</summary>
    [Function(nameof(GetGroupPoint))]
    public Task<IResult> GetGroupPoint(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "group-points/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            if (await groups.FindAsync(new(id), cancel).ConfigureAwait(false) is not { } point)
            {
                return await InstanceAnswers.OfAsync(client, id, [InstanceIds.GroupKind], cancel).ConfigureAwait(false) ?? throw GroupResolution.NotFound(id);
            }

            var members = new List<RecoveryPoint>();
            foreach (var member in point.Members)
            {
                members.Add((await points.FindAsync(member.RecoveryPoint, cancel).ConfigureAwait(false))!);
            }

            return HttpAnswer.Ok(View(point, members));
        });

    /// <summary>Starts a restore of all members of a group point, or answers the one that is the same. Nothing is begun unless every member can be restored.</summary>
    [Function(nameof(PostGroupRestore))]
    public Task<IResult> PostGroupRestore(
        [HttpTrigger(AuthorizationLevel.Function, "post", Route = "group-restores")] HttpRequest request, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var body = await HttpInput.BodyAsync<GroupRestoreBody>(request, cancel).ConfigureAwait(false);
            var slot = HttpInput.Slot(body.Slot, clock.GetUtcNow());
            var (point, restores) = await resolution.ResolveAsync(body, slot, cancel).ConfigureAwait(false);
            RefuseArchived(body, restores);
            var id = InstanceIds.GroupRestore(point.Group.Value, slot, [.. restores.Select(r => r.Task.Restore)]);
            var isNew = await client.StartOnceAsync(nameof(GroupRestore), id, new GroupRestoreRequest([.. restores]), cancel).ConfigureAwait(false);
            return HttpAnswer.Accepted($"/api/group-restores/{id}", new StartedGroupView(id, $"/api/group-restores/{id}", isNew, [.. restores.Select(r => r.Task.Restore)]));
        });

    /// <summary>A restore of a group point: whether it goes on, and what became of each member.</summary>
    [Function(nameof(GetGroupRestore))]
    public Task<IResult> GetGroupRestore(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "group-restores/{id}")] HttpRequest request, string id, [DurableClient] DurableTaskClient client, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () => await InstanceAnswers.OfAsync(client, id, [InstanceIds.GroupKind], cancel).ConfigureAwait(false)
            ?? throw HttpInput.NotFound($"There is no restore \"{id}\" of a group point.", "POST /api/group-restores starts one; what it did to each asset is under /api/restores."));

    /// <summary>All or none: a member in an archive would be the one that fails, after the others were written.</summary>
    private static void RefuseArchived(GroupRestoreBody body, IReadOnlyList<RestoreRequest> restores)
    {
        var archived = restores.Where(r => r.Task.From is { } from && ArchiveHttp.IsArchive(from)).Select(r => $"\"{r.Task.Asset}\"").ToArray();
        if (archived.Length > 0)
        {
            throw HttpInput.Conflict(
                $"Tier \"{body.From}\" is an archive: the packs of {string.Join(", ", archived)} have to be brought back first, which costs.",
                "POST /api/archive-restores with the same body plans that, for all members at once; or name a tier that is no archive.");
        }
    }

    private static GroupPointView View(GroupPoint point, List<RecoveryPoint>? members) => new(
        point.Id.Value, point.Group.Value, point.RecordedAt, point.IsHeld, point.Oldest, point.Newest, point.ExpiredAt,
        members is null ? null : point.ExpiredAt is null && members.TrueForAll(m => m.MissingSince is null),
        [.. point.Members.Select(m => new MemberView(m.Asset.Value, m.RecoveryPoint.Value, members?.Find(p => p.Id == m.RecoveryPoint)?.Snapshot.Instant))]);

    private sealed record GroupPointView(
        string Id, string Group, DateTimeOffset RecordedAt, bool IsHeld, DateTimeOffset Oldest, DateTimeOffset Newest, DateTimeOffset? ExpiredAt, bool? IsInVaults, IReadOnlyList<MemberView> Members);

    private sealed record MemberView(string Asset, string RecoveryPoint, DateTimeOffset? Instant);

    private sealed record StartedGroupView(string Id, string Location, bool IsNew, IReadOnlyList<string> Restores);
}
