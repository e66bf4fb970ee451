namespace Backup.Sources.Postgres;

/// <summary>What a physical backup of a PostgreSQL server takes: always the whole cluster, as the server's files are one whole.</summary>
public sealed record PostgresBackupRequest
{
    /// <summary>The asset's name.</summary>
    public required string Asset { get; init; }

    /// <summary>
    /// An Npgsql connection string. To read the files of a server on this machine the role must be a superuser, or may be one that can execute
    /// pg_backup_start and pg_backup_stop and, better, has REPLICATION; to have them sent it needs REPLICATION alone. Never written to logs, errors or
    /// the vault.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>
    /// The server sends its files over the replication protocol (BASE_BACKUP), instead of their being read on this machine. Null: when the connection
    /// string's host is not this machine. Whole files travel each time, and only one is taken at a time; what is stored is the same.
    /// </summary>
    public bool? Streamed { get; init; }

    /// <summary>
    /// A private folder that remembers files by size, times and inode, so that those the server did not write since the last backup are
    /// not read again; null for none. Losing it costs time only.
    /// </summary>
    public string? CacheFolder { get; init; }

    /// <summary>
    /// How the checkpoint that begins the backup is done. At once (the default) it loads the server's disk for a moment; spread, it takes about
    /// <c>checkpoint_timeout</c> times <c>checkpoint_completion_target</c>, some minutes.
    /// </summary>
    public bool SpreadCheckpoint { get; init; }

    /// <summary>
    /// Read as fast as can be even while the server's clients are at work. Otherwise, and by default, a backup of a server on this machine then leaves them the
    /// processors: it takes what they leave less a fifth of the machine, but at least a twentieth. Where no client is at work this changes nothing.
    /// </summary>
    public bool FullSpeed { get; init; }

    /// <summary>
    /// The name of a restore point to make right after the backup, of at most <see cref="RestorePointBytesMax"/> bytes; null for none. With the log behind the
    /// backup it is a goal for recovery. A standby, or a role without the right, makes none, and the outcome has a note.
    /// </summary>
    public string? RestorePoint { get; init; }

    /// <summary>What the server takes of a restore point's name.</summary>
    public const int RestorePointBytesMax = 63;

    /// <summary>
    /// How much of each table is read, in MiB, to record how many rows it has and a hash of them: smaller tables wholly, larger ones in evenly spread parts.
    /// Proofs of restores compare with it. 0 records nothing.
    /// </summary>
    /// <value>0 to 1048576, by default 16.</value>
    public int RecordMebibytes { get; init; } = RecordMebibytesDefault;

    /// <summary>The default of <see cref="RecordMebibytes"/>.</summary>
    public const int RecordMebibytesDefault = 16;

    /// <summary>The most of <see cref="RecordMebibytes"/>: 1 TiB.</summary>
    public const int RecordMebibytesMax = Proving.ContentRecorder.SampleMebibytesMax;

    /// <summary>Threads that read, chunk and compress: 1 to 64. Default: one per core, at least 2.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 64);

    /// <summary>Tags for the snapshot, for example the run's id under "run".</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();
}
