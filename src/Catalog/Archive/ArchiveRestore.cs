using Backup.Policy;
using Backup.Policy.Archive;

namespace Backup.Catalog.Archive;

/// <summary>Where a restore from an archive tier stands.</summary>
public enum ArchiveState
{
    /// <summary>Its agent finds out which packs it needs.</summary>
    Surveying,

    /// <summary>The plan is there to be looked at. Nothing was paid for.</summary>
    Planned,

    /// <summary>Packs are being brought to an online tier, and what is ready is restored.</summary>
    Running,

    /// <summary>Somebody wants it stopped.</summary>
    Cancelling,

    /// <summary>Everything was restored.</summary>
    Succeeded,

    /// <summary>Done, but for some files.</summary>
    Partial,

    /// <summary>See its note.</summary>
    Failed,

    /// <summary>Somebody stopped it.</summary>
    Cancelled,
}

/// <summary>Which state follows which. Pure.</summary>
public static class ArchiveStates
{
    /// <summary>True when the change is allowed.</summary>
    public static bool Allows(ArchiveState from, ArchiveState to) => (from, to) switch
    {
        (ArchiveState.Surveying, ArchiveState.Planned) => true,
        (ArchiveState.Surveying or ArchiveState.Planned, ArchiveState.Failed or ArchiveState.Cancelled) => true,
        (ArchiveState.Planned, ArchiveState.Running) => true,
        (ArchiveState.Running, ArchiveState.Cancelling) => true,
        (ArchiveState.Running or ArchiveState.Cancelling, ArchiveState.Succeeded or ArchiveState.Partial or ArchiveState.Failed or ArchiveState.Cancelled) => true,
        _ => false,
    };

    /// <summary>True for states that never change again.</summary>
    public static bool IsFinal(ArchiveState state) => state is ArchiveState.Succeeded or ArchiveState.Partial or ArchiveState.Failed or ArchiveState.Cancelled;
}

/// <summary>What bringing back takes at one priority.</summary>
/// <param name="Priority">Which.</param>
/// <param name="HoursMax">Until the last pack can be read, as the provider promises.</param>
/// <param name="Cost">In the tier's currency; null when the policy has no prices.</param>
/// <param name="ApprovalsNeeded">Administrators that have to approve.</param>
public sealed record ArchiveOffer(RehydrationPriority Priority, double HoursMax, decimal? Cost, int ApprovalsNeeded);

/// <summary>What a restore needs. Shown before anything is paid.</summary>
/// <param name="Files">Files it brings back.</param>
/// <param name="FileBytes">Their content's bytes.</param>
/// <param name="Packs">Data packs it reads.</param>
/// <param name="PackBytes">Their bytes.</param>
/// <param name="PacksArchived">Of these, packs that have to be rehydrated.</param>
/// <param name="BytesArchived">Their bytes.</param>
/// <param name="Currency">Of the costs; null without prices.</param>
/// <param name="Offers">One for each priority.</param>
public sealed record ArchivePlan(
    long Files, long FileBytes, int Packs, long PackBytes, int PacksArchived, long BytesArchived, string? Currency, IReadOnlyList<ArchiveOffer> Offers);

/// <summary>A recovery point that an archive restore brings back.</summary>
/// <param name="Restore">The restore itself: of a single one this has the archive restore's id.</param>
/// <param name="Asset">Of what.</param>
/// <param name="RecoveryPoint">Which point.</param>
/// <param name="Place">The replica.</param>
public sealed record ArchiveMember(RestoreId Restore, AssetName Asset, RecoveryPointId RecoveryPoint, Retention.ReplicaPlaceId Place);

/// <summary>A restore from an archive tier: of one recovery point, or of all of a group point.</summary>
/// <param name="Id">Also the id of the orchestration and, but for groups, of the restore itself.</param>
/// <param name="GroupPoint">The group point; null for a single recovery point.</param>
/// <param name="Members">What is brought back, in this order; one unless it is a group's.</param>
/// <param name="Tier">The archive tier.</param>
/// <param name="Request">What was asked for, as JSON of who asked.</param>
/// <param name="RequestedBy">Who asked.</param>
/// <param name="State">Where it stands.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="PlannedAt">When the plan was made; null before.</param>
/// <param name="Plan">The plan; null before.</param>
/// <param name="Approvals">Administrators who approved.</param>
/// <param name="Priority">As started; null before.</param>
/// <param name="PacksReady">Packs that could be read at the last look.</param>
/// <param name="PacksRequested">Packs on their way then.</param>
/// <param name="FilesRestored">Files in place so far.</param>
/// <param name="Note">What was last to say about it, for people.</param>
/// <param name="EndedAt">When its state became final; null before.</param>
/// <param name="CopiesKeptUntil">When copies in the online tier may go; null before its end.</param>
public sealed record ArchiveRestore(
    RestoreId Id,
    GroupPointId? GroupPoint,
    IReadOnlyList<ArchiveMember> Members,
    TierName Tier,
    string Request,
    string RequestedBy,
    ArchiveState State,
    DateTimeOffset CreatedAt,
    DateTimeOffset? PlannedAt,
    ArchivePlan? Plan,
    IReadOnlyList<string> Approvals,
    RehydrationPriority? Priority,
    int PacksReady,
    int PacksRequested,
    long FilesRestored,
    string? Note,
    DateTimeOffset? EndedAt,
    DateTimeOffset? CopiesKeptUntil);

/// <summary>An archive restore to record.</summary>
/// <param name="Id">Its id.</param>
/// <param name="GroupPoint">The group point; null for a single recovery point.</param>
/// <param name="Members">What is brought back, at least one, all of one tier.</param>
/// <param name="Request">What was asked for, as JSON of who asked.</param>
/// <param name="RequestedBy">Who asked.</param>
public sealed record NewArchiveRestore(RestoreId Id, GroupPointId? GroupPoint, IReadOnlyList<ArchiveMember> Members, string Request, string RequestedBy);

/// <summary>A pack that an archive restore reads.</summary>
/// <param name="Member">The first of the members that read it, from 0: it lies in that one's place.</param>
/// <param name="Name">Its store object's name.</param>
/// <param name="Bytes">Its size.</param>
public sealed record ArchivePack(int Member, string Name, long Bytes);

/// <summary>Copies that nobody needs any more.</summary>
/// <param name="Restore">The restore that had them made.</param>
/// <param name="Copies">Packs by place: none that another restore still needs.</param>
public sealed record ReleasableCopies(RestoreId Restore, IReadOnlyList<(Retention.ReplicaPlaceId Place, IReadOnlyList<string> Packs)> Copies);

/// <summary>The margins of archive restores.</summary>
public static class ArchiveMargins
{
    /// <summary>Administrators that a restore above the threshold needs besides who asked.</summary>
    public const int ApprovalsNeeded = 2;

    /// <summary>An older plan is not started any more: prices, packs and copies may have changed.</summary>
    public static readonly TimeSpan PlanLife = TimeSpan.FromDays(7);
}
