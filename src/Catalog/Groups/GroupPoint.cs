using Backup.Policy;

namespace Backup.Catalog.Groups;

/// <summary>A group point to record.</summary>
/// <param name="Id">The group's backup.</param>
/// <param name="Group">The group.</param>
/// <param name="RequestedBy">Who asked.</param>
/// <param name="IsHeld">The applications were held still from before the first backup until after the last.</param>
/// <param name="Runs">The members' runs, in the group's order.</param>
public sealed record NewGroupPoint(GroupPointId Id, GroupName Group, string RequestedBy, bool IsHeld, IReadOnlyList<RunId> Runs);

/// <summary>One recovery point of a whole group: a recovery point of each member, which belong together.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Group">Of which group.</param>
/// <param name="RecordedAt">When the last member's was made, by the control plane's clock.</param>
/// <param name="IsHeld">The members' applications were held still meanwhile: it is one moment of all of them. Otherwise, or where that is not known because the catalog was rebuilt, the moments lie as far apart as the next two.</param>
/// <param name="Oldest">The earliest moment of consistency: nothing later is promised of the whole.</param>
/// <param name="Newest">The latest one.</param>
/// <param name="ExpiredAt">When retention gave the first of its members up, and with it the whole; null while it lives.</param>
/// <param name="Members">In the group's order.</param>
public sealed record GroupPoint(
    GroupPointId Id, GroupName Group, DateTimeOffset RecordedAt, bool IsHeld, DateTimeOffset Oldest, DateTimeOffset Newest, DateTimeOffset? ExpiredAt, IReadOnlyList<GroupPointMember> Members);

/// <summary>A member's part of a group point.</summary>
/// <param name="Asset">The member.</param>
/// <param name="RecoveryPoint">Its recovery point.</param>
public sealed record GroupPointMember(AssetName Asset, RecoveryPointId RecoveryPoint);
