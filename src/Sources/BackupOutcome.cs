using Backup.Sources.Postgres;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Sources;

/// <summary>A committed backup.</summary>
public sealed record BackupOutcome
{
    /// <summary>The snapshot; it exists and is durable.</summary>
    public required SnapshotId SnapshotId { get; init; }

    /// <summary>When the backup began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the snapshot was committed (UTC).</summary>
    public required DateTimeOffset EndedAt { get; init; }

    /// <summary>The moment whose state a restore gives (UTC): the start for files, the end of the log range for PostgreSQL.</summary>
    public required DateTimeOffset ConsistentAt { get; init; }

    /// <summary>Bytes of the asset, unchanged files included.</summary>
    public required long BytesTotal { get; init; }

    /// <summary>The vault writer's counters: bytes read, new and stored.</summary>
    public required WriterStatistics Statistics { get; init; }

    /// <summary>Files, directories and other entries in the snapshot.</summary>
    public required long ItemsTotal { get; init; }

    /// <summary>Items that could not be read; the outcome is partial when there are any.</summary>
    public long ItemsUnreadable { get; init; }

    /// <summary>Items that changed while they were read and are flagged so in the snapshot.</summary>
    public long ItemsChangedWhileRead { get; init; }

    /// <summary>What happened to single items, by path: the first 1,000 of each kind.</summary>
    public IReadOnlyList<ItemProblem> Problems { get; init; } = [];

    /// <summary>For PostgreSQL, what the snapshot can be recovered to; null for files.</summary>
    public ConsistencyPoint? ConsistencyPoint { get; init; }

    /// <summary>For PostgreSQL, the restore point that was made right after the backup; null when none was asked for, or none could be made.</summary>
    public string? RestorePoint { get; init; }

    /// <summary>Everything that could be read is in the snapshot, and something could not.</summary>
    public bool IsPartial => ItemsUnreadable > 0;

    /// <summary>What every kind of source has to say of a snapshot it has just committed.</summary>
    internal static BackupOutcome Of(
        SnapshotInfo snapshot, DateTimeOffset startedAt, DateTimeOffset consistentAt, SnapshotWriter writer, TransferCounters counters, ProblemList problems) => new()
        {
            SnapshotId = snapshot.Id,
            StartedAt = startedAt,
            EndedAt = snapshot.CommittedAt,
            ConsistentAt = consistentAt,
            BytesTotal = counters.BytesDone,
            Statistics = writer.Statistics,
            ItemsTotal = counters.ItemsDone,
            ItemsUnreadable = problems.Count(ItemProblemKind.Unreadable),
            Problems = problems.Kept(),
        };
}
