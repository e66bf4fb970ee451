using Backup.Policy;

namespace Backup.Catalog.RecoveryPoints;

/// <summary>A snapshot that the catalog vouches for: it can be restored.</summary>
/// <param name="Id">Follows from vault and snapshot.</param>
/// <param name="Asset">What was protected.</param>
/// <param name="Run">The run that made it.</param>
/// <param name="Agent">The agent whose vault holds it.</param>
/// <param name="Vault">That vault, by its name in the agent's configuration.</param>
/// <param name="Snapshot">What it is in the vault.</param>
/// <param name="PublishedAt">When the catalog took it in.</param>
/// <param name="MissingSince">When a rebuild found the vault without it; null while it is there. It may still be restorable from a replica.</param>
/// <param name="ExpiredAt">When retention gave it up: it is not restored any more; null while it lives.</param>
/// <param name="RemovedAt">When its snapshot was gone from the vault; null before.</param>
public sealed record RecoveryPoint(
    RecoveryPointId Id,
    AssetName Asset,
    RunId Run,
    AgentName Agent,
    VaultName Vault,
    SnapshotFacts Snapshot,
    DateTimeOffset PublishedAt,
    DateTimeOffset? MissingSince,
    DateTimeOffset? ExpiredAt,
    DateTimeOffset? RemovedAt);

/// <summary>What an agent says of a snapshot, in a backup's receipt or when a vault is listed.</summary>
/// <param name="VaultId">The vault's own id.</param>
/// <param name="SnapshotId">The snapshot's id in it.</param>
/// <param name="Kind">Which source made it.</param>
/// <param name="Instant">The moment of consistency.</param>
/// <param name="ReadingBeganAt">When reading began.</param>
/// <param name="BytesRead">Bytes read from the source.</param>
/// <param name="BytesNew">Bytes the vault did not have.</param>
/// <param name="BytesStored">Bytes written to the store.</param>
/// <param name="FilesTotal">Entries in the snapshot.</param>
/// <param name="FilesUnreadableTotal">Entries that could not be read.</param>
/// <param name="FilesUnreadable">The first of those, with the reason.</param>
/// <param name="ConsistencyPoint">For databases.</param>
public sealed record SnapshotFacts(
    string VaultId,
    string SnapshotId,
    SourceKind Kind,
    DateTimeOffset Instant,
    DateTimeOffset ReadingBeganAt,
    long BytesRead,
    long BytesNew,
    long BytesStored,
    long FilesTotal,
    long FilesUnreadableTotal,
    IReadOnlyList<UnreadableEntry> FilesUnreadable,
    LogPosition? ConsistencyPoint)
{
    /// <summary>Databases, when a vault is listed: up to which moment the log is unbroken behind it; null when no log leads on from it.</summary>
    public DateTimeOffset? LogUntil { get; init; }

    /// <summary>Some of the asset could not be read; the rest is there.</summary>
    public bool IsPartial => FilesUnreadableTotal > 0;
}

/// <summary>A recovery point in short, for decisions over all points of an asset.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Instant">The moment of consistency, as the agent says.</param>
/// <param name="PublishedAt">When the catalog took it in.</param>
/// <param name="BytesRead">Bytes read from the source.</param>
/// <param name="BytesNew">Bytes the vault did not have.</param>
/// <param name="BytesStored">Bytes written to the store.</param>
/// <param name="FilesTotal">Entries in the snapshot.</param>
/// <param name="LogUntil">Databases: up to which moment the log is unbroken behind it, by the clock that also gave <paramref name="Instant"/>; null when that is not known.</param>
public sealed record PointSummary(
    RecoveryPointId Id, DateTimeOffset Instant, DateTimeOffset PublishedAt, long BytesRead, long BytesNew, long BytesStored, long FilesTotal, DateTimeOffset? LogUntil = null);

/// <summary>An entry that could not be read.</summary>
public sealed record UnreadableEntry(string Path, string Reason);

/// <summary>Where in a database's write-ahead log a snapshot is consistent, as PostgreSQL prints positions.</summary>
public sealed record LogPosition(long Timeline, string StartLsn, string StopLsn, string? FirstWal, string? LastWal, string? RestorePoint = null, string? DumpSnapshotId = null);

/// <summary>What the agent answered when a backup had succeeded, whole or in part. Only this leads to a recovery point.</summary>
/// <param name="Run">The run that the order named.</param>
/// <param name="Asset">The asset that the agent says it backed up.</param>
/// <param name="Snapshot">The snapshot it made.</param>
public sealed record BackupReceipt(RunId Run, AssetName Asset, SnapshotFacts Snapshot);

/// <summary>A snapshot found in a vault while the catalog is rebuilt.</summary>
/// <param name="Asset">As the snapshot names it.</param>
/// <param name="Run">As its tag names it; null for one made by hand.</param>
/// <param name="Agent">Whose vault.</param>
/// <param name="Vault">Which vault of that agent.</param>
/// <param name="Snapshot">The snapshot.</param>
public sealed record FoundSnapshot(AssetName Asset, RunId? Run, AgentName Agent, VaultName Vault, SnapshotFacts Snapshot);

/// <summary>What rebuilding did with a snapshot.</summary>
public enum Adoption
{
    /// <summary>A recovery point was recorded.</summary>
    Adopted,

    /// <summary>The catalog had it.</summary>
    Known,

    /// <summary>Its run is still open and will publish it itself.</summary>
    LeftToItsRun,
}
