using Backup.Catalog.Groups;
using Backup.Catalog.RecoveryPoints;
using Backup.Catalog.Rpo;
using Backup.Functions.Restores;
using Backup.Policy;

namespace Backup.Functions.Http;

/// <summary>Finds out what a wish to restore a group point means: one restore of each member. Refuses what cannot be done for all of them.</summary>
/// <param name="groups">Knows group points.</param>
/// <param name="points">The members' points.</param>
/// <param name="clocks">Know whether a database's log is received.</param>
/// <param name="resolution">Finds out what restoring a member means.</param>
public sealed class GroupResolution(GroupPointStore groups, RecoveryPointStore points, RpoClockStore clocks, RestoreResolution resolution)
{
    /// <summary>The group point, and the restores that are asked for, in the group's order.</summary>
    internal async Task<(GroupPoint Point, IReadOnlyList<RestoreRequest> Restores)> ResolveAsync(GroupRestoreBody body, string slot, CancellationToken cancel)
    {
        var point = await groups.FindAsync(new(body.GroupPoint), cancel).ConfigureAwait(false) ?? throw NotFound(body.GroupPoint);
        if (point.ExpiredAt is { } given)
        {
            throw HttpInput.Conflict($"Retention gave group point \"{point.Id}\" up on {given:yyyy-MM-dd}.", $"GET /api/group-points?group={point.Group} lists those that live.");
        }

        var restores = new List<RestoreRequest>();
        foreach (var member in point.Members)
        {
            restores.Add(await ResolveMemberAsync(body, member, slot, cancel).ConfigureAwait(false));
        }

        return (point, restores);
    }

    /// <summary>
    /// A database whose log is received is brought to the restore point that its run made while the group was held; without log, to the end of its base backup, which lies right before.
    /// </summary>
    private async Task<RestoreRequest> ResolveMemberAsync(GroupRestoreBody body, GroupPointMember member, string slot, CancellationToken cancel)
    {
        var point = (await points.FindAsync(member.RecoveryPoint, cancel).ConfigureAwait(false))!;
        var isDatabase = point.Snapshot.Kind is SourceKind.Postgres;
        var wish = new RestoreBody(member.Asset.Value, $"{body.Target.TrimEnd('/')}/{member.Asset}", member.RecoveryPoint.Value, From: body.From, Prove: body.Prove && isDatabase);
        var request = await resolution.ResolveAsync(wish, isDrill: false, slot, cancel).ConfigureAwait(false);
        // The restore point was made before the receipt was sent.
        var hasLog = isDatabase && request.Task.From is null && (await clocks.ListAsync([member.Asset], cancel).ConfigureAwait(false)).Any(clock => clock.RestorableAt > point.PublishedAt);
        return hasLog && point.Snapshot.ConsistencyPoint?.RestorePoint is { } name
            ? request with { Task = request.Task with { Recovery = new AgentApi.RecoveryGoal { RestorePoint = name } } }
            : request;
    }

    internal static HttpProblemException NotFound(string id) => HttpInput.NotFound($"There is no group point \"{id}\".", "GET /api/group-points lists them.");
}
