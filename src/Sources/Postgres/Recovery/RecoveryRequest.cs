using Backup.Vault;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>A restore of a cluster to a point in time.</summary>
public sealed record RecoveryRequest
{
    /// <summary>The cluster's asset name.</summary>
    public required string Asset { get; init; }

    /// <summary>What state.</summary>
    public required RecoveryTarget Goal { get; init; }

    /// <summary>Along which timeline.</summary>
    public TimelineChoice Timeline { get; init; }

    /// <summary>Start from this base backup; null for the youngest from which the goal can be reached. A partial one is taken only where no complete one leads there.</summary>
    public SnapshotId? BaseBackup { get; init; }

    /// <summary>Where to and how the files get there.</summary>
    public required PostgresRestoreRequest Files { get; init; }

    /// <summary>
    /// The shell command by which the server fetches log while it recovers; %f and %p stand for what PostgreSQL puts there. Holds no secret: everybody who may read the server's settings sees it.
    /// Null: the restore itself puts the log that the goal needs into <c>pg_wal</c>. That takes its room on the server's disk, and its account then needs neither a program nor a key.
    /// </summary>
    public required string? RestoreCommand { get; init; }

    /// <summary>A shell command that cleans up after recovery, or null.</summary>
    public string? EndCommand { get; init; }

    /// <summary>What the server does at the goal.</summary>
    public RecoveryAction Action { get; init; } = RecoveryAction.Promote;
}

/// <summary>What a restore would do, and that it can be done.</summary>
public sealed record RecoveryPlan
{
    /// <summary>The base backup that is restored.</summary>
    public required SnapshotId BaseBackup { get; init; }

    /// <summary>The state of that base backup (UTC).</summary>
    public required DateTimeOffset BaseBackupAt { get; init; }

    /// <summary>Bytes of it.</summary>
    public required long BaseBackupBytes { get; init; }

    /// <summary>The server's major version, which has to be the one that is started.</summary>
    public required int MajorVersion { get; init; }

    /// <summary>The timeline that is followed.</summary>
    public required uint Timeline { get; init; }

    /// <summary>Replay begins here.</summary>
    public required Lsn ReplayFrom { get; init; }

    /// <summary>Replay ends here, or a little before: where the goal lies, or where the log ends when that is not known exactly.</summary>
    public required Lsn ReplayTo { get; init; }

    /// <summary>Files of log that the server will fetch or has in the base backup.</summary>
    public required long WalFiles { get; init; }

    /// <summary>Their bytes.</summary>
    public required long WalBytes { get; init; }

    /// <summary>Something a person should know, or null.</summary>
    public string? Note { get; init; }

    /// <summary>The settings that are written.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>How fast this vault was read just now, in bytes per second; null when it was not measured.</summary>
    public double? BytesPerSecondMeasured { get; init; }

    /// <summary>How long reading the base backup and the log takes at that rate. Replay and the disk may take longer.</summary>
    public TimeSpan? DurationExpected => BytesPerSecondMeasured is { } rate and > 0 ? TimeSpan.FromSeconds((BaseBackupBytes + WalBytes) / rate) : null;
}
