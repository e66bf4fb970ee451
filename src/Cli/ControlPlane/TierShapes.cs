namespace Backup.Cli.ControlPlane;

// What the control plane says of archive restores and locks. The same records are what --json prints.

/// <summary>What to restore.</summary>
internal sealed record ArchiveWish(string? Asset, string? GroupPoint, string Target, string From, string? RecoveryPoint, string[]? Include, bool Overwrite);

internal sealed record ArchiveStartWish(string Priority);

/// <summary>What was asked for goes on, or did so before.</summary>
internal sealed record StartedLine(string Id, string Location, bool IsNew);

internal sealed record ArchiveList(IReadOnlyList<ArchiveLine> Items, string? Continuation);

/// <summary>One of the members of a group point that is brought back. The restore is null until it is started.</summary>
internal sealed record ArchiveMemberLine(string Asset, string RecoveryPoint, string? Restore);

/// <summary>A restore from an archive tier: of an asset's recovery point, or of a group point's members. The plan is null until its survey is done, the priority until it is started; after <c>StartBefore</c> it has to be planned anew.</summary>
internal sealed record ArchiveLine(
    string Id, string? Asset, string? RecoveryPoint, string? GroupPoint, IReadOnlyList<ArchiveMemberLine>? Members, string From, string State, string RequestedBy, DateTimeOffset CreatedAt, DateTimeOffset? PlannedAt, DateTimeOffset? StartBefore, ArchivePlanLine? Plan,
    IReadOnlyList<string> Approvals, string? Priority, int PacksReady, int PacksRequested, long FilesRestored, string? Note, DateTimeOffset? EndedAt, DateTimeOffset? CopiesKeptUntil, string? Restore);

/// <summary>What it needs.</summary>
internal sealed record ArchivePlanLine(long Files, long FileBytes, int Packs, long PackBytes, int PacksArchived, long BytesArchived, string? Currency, IReadOnlyList<ArchiveOfferLine> Offers);

/// <summary>What that takes at one priority.</summary>
internal sealed record ArchiveOfferLine(string Priority, double HoursMax, decimal? Cost, int ApprovalsNeeded);

/// <summary>How far locks reach.</summary>
internal sealed record ImmutabilityLine(IReadOnlyList<LockedTierLine> Tiers, IReadOnlyList<LockedReplicaLine> Replicas);

/// <summary>What a tier promises.</summary>
internal sealed record LockedTierLine(string Name, bool IsImmutable, double? LockDays, string? Mode, string? Scope);

/// <summary>What its replicas keep. The kind says who keeps the locks; the first of them ends at <c>EarliestEnd</c> unless it is extended.</summary>
internal sealed record LockedReplicaLine(
    string Tier, string Container, string VaultId, string Kind, bool IsEmulated, DateTimeOffset At, int Objects, int Covered, int UnderLegalHold, DateTimeOffset? EarliestEnd, bool IsComplete, string Note);
