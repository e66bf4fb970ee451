using Backup.Vault;

namespace Backup.Sources.Postgres.Wal;

/// <summary>A place in the log that a restore can be asked for by name.</summary>
/// <param name="Name">As given to pg_create_restore_point.</param>
/// <param name="At">Its position.</param>
/// <param name="Time">When it was made.</param>
public sealed record RestorePoint(string Name, Lsn At, DateTimeOffset? Time);

/// <summary>What one base backup and the log behind it can be restored to. Every byte of the log was read and checked.</summary>
public sealed record RestorableRange
{
    /// <summary>The base backup's snapshot.</summary>
    public required SnapshotId BaseBackup { get; init; }

    /// <summary>The timeline that the range ends on.</summary>
    public required uint Timeline { get; init; }

    /// <summary>The earliest state: the end of the base backup.</summary>
    public required Lsn From { get; init; }

    /// <summary>The latest state: the end of the last whole record.</summary>
    public required Lsn To { get; init; }

    /// <summary>When the earliest state was (UTC, the clock of who took the backup).</summary>
    public required DateTimeOffset FromTime { get; init; }

    /// <summary>The first and last commits after it (UTC, the server's clock); null when there were none.</summary>
    public DateTimeOffset? FirstCommit { get; init; }

    /// <inheritdoc cref="FirstCommit"/>
    public DateTimeOffset? LastCommit { get; init; }

    /// <summary>Transactions committed in the log that was read.</summary>
    public long Commits { get; init; }

    /// <summary>Records read.</summary>
    public long Records { get; init; }

    /// <summary>Named restore points between the two ends.</summary>
    public IReadOnlyList<RestorePoint> RestorePoints { get; init; } = [];

    /// <summary>Set when the log does not even reach the end of the base backup, or breaks before the end of what the vault holds: where and why.</summary>
    public string? Gap { get; init; }

    /// <summary>The base backup can be restored at all.</summary>
    public bool IsRestorable => To >= From;
}
