using Backup.Policy;
using Backup.Policy.Retention;

namespace Backup.Catalog.Retention;

/// <summary>Where a stored plan stands.</summary>
public enum PlanState
{
    /// <summary>It would delete too much: only a forced plan may.</summary>
    Refused,

    /// <summary>It waits for administrators.</summary>
    AwaitingApproval,

    /// <summary>It may be executed.</summary>
    Ready,

    /// <summary>Its points are given up; snapshots and replicas are being removed.</summary>
    Running,

    /// <summary>Everything it gave up is gone from vault and replicas, or waits there only for a minimum time.</summary>
    Done,

    /// <summary>An administrator said no.</summary>
    Rejected,

    /// <summary>A newer decision took its place.</summary>
    Superseded,
}

/// <summary>Which state follows which. Pure.</summary>
public static class PlanStates
{
    /// <summary>True when the change is allowed.</summary>
    public static bool Allows(PlanState from, PlanState to) => (from, to) switch
    {
        (PlanState.Refused or PlanState.AwaitingApproval or PlanState.Ready, PlanState.Rejected or PlanState.Superseded) => true,
        (PlanState.AwaitingApproval, PlanState.Ready) => true,
        (PlanState.Ready, PlanState.Running) => true,
        (PlanState.Running, PlanState.Done) => true,
        _ => false,
    };
}

/// <summary>A decision to store.</summary>
/// <param name="Id">Its name; the same name is the same plan.</param>
/// <param name="Plan">What was decided.</param>
/// <param name="RequestedBy">The schedule, or the administrator who asked.</param>
/// <param name="ForcedReason">Why it may delete more than the guards allow; null when it may not.</param>
public sealed record NewRetentionPlan(string Id, RetentionPlan Plan, string RequestedBy, string? ForcedReason);

/// <summary>A stored plan.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Asset">Of what.</param>
/// <param name="DecidedAt">By the control plane's clock.</param>
/// <param name="RequestedBy">Who asked.</param>
/// <param name="ForcedReason">Why it is forced; null when it is not.</param>
/// <param name="Refusal">Why only force may execute it.</param>
/// <param name="ApprovalsNeeded">How many administrators other than who asked.</param>
/// <param name="Approvals">Who has approved.</param>
/// <param name="PointsKept">Points that stay.</param>
/// <param name="PointsDeleted">Points that go, unless they are spared at the execution.</param>
/// <param name="State">Where it stands.</param>
/// <param name="ChangedAt">Since when.</param>
/// <param name="Note">What was last to say about it, for people.</param>
public sealed record StoredPlan(
    string Id,
    AssetName Asset,
    DateTimeOffset DecidedAt,
    string RequestedBy,
    string? ForcedReason,
    PlanRefusal Refusal,
    int ApprovalsNeeded,
    IReadOnlyList<string> Approvals,
    int PointsKept,
    int PointsDeleted,
    PlanState State,
    DateTimeOffset ChangedAt,
    string? Note);

/// <summary>A point of a plan.</summary>
/// <param name="Id">The point.</param>
/// <param name="SnapshotId">Its snapshot.</param>
/// <param name="VaultId">In which vault.</param>
/// <param name="Instant">Its moment of consistency.</param>
/// <param name="Spared">Why it stays after all; null when it goes.</param>
/// <param name="ExpiredAt">When it was given up; null before.</param>
/// <param name="RemovedAt">When its snapshot was gone from the vault; null before.</param>
public sealed record PlanPoint(RecoveryPointId Id, string SnapshotId, string VaultId, DateTimeOffset Instant, string? Spared, DateTimeOffset? ExpiredAt, DateTimeOffset? RemovedAt);

/// <summary>The margins of retention plans.</summary>
public static class PlanMargins
{
    /// <summary>Administrators that a plan above the threshold, or a forced one, needs besides who asked.</summary>
    public const int ApprovalsNeeded = 2;

    /// <summary>An older plan is not executed any more: who approved it had another situation before their eyes.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromDays(14);
}
