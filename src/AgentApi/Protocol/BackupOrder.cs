using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>The kinds of asset this version can read.</summary>
[JsonConverter(typeof(WireEnum<SourceKind>))]
public enum SourceKind
{
    /// <summary>A file tree.</summary>
    [JsonStringEnumMemberName("files")] Files,

    /// <summary>A PostgreSQL cluster, physically.</summary>
    [JsonStringEnumMemberName("postgres")] Postgres,
}

/// <summary>What to read of a file tree.</summary>
public sealed record FilesSettings
{
    /// <summary>Absolute paths on the agent's machine; each must lie under one of its allowed roots.</summary>
    [JsonPropertyName("paths")] public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>gitignore-like patterns of what to leave out.</summary>
    [JsonPropertyName("excludes")] public IReadOnlyList<string> Excludes { get; init; } = [];

    /// <summary>True: do not cross into other mounted file systems.</summary>
    [JsonPropertyName("oneFileSystem")] public bool OneFileSystem { get; init; }
}

/// <summary>A logical dump beside the physical backup.</summary>
public sealed record DumpSettings
{
    /// <summary>The databases; empty for all.</summary>
    [JsonPropertyName("databases")] public IReadOnlyList<string> Databases { get; init; } = [];
}

/// <summary>Which database server to read.</summary>
public sealed record PostgresSettings
{
    /// <summary>A name in the agent's own configuration: credentials never travel in orders.</summary>
    [JsonPropertyName("connection")] public required string Connection { get; init; }

    /// <summary>How much of each table is recorded for later comparison, in MiB, 0 to <see cref="RecordMebibytesMax"/>; null for the agent's default.</summary>
    [JsonPropertyName("recordMiB")] public int? RecordMebibytes { get; init; }

    /// <summary>The server takes its time for the checkpoint that begins the backup, instead of writing everything at once.</summary>
    [JsonPropertyName("spreadCheckpoint"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool SpreadCheckpoint { get; init; }

    /// <summary>Read as fast as can be, even while the server's clients are at work.</summary>
    [JsonPropertyName("fullSpeed"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool FullSpeed { get; init; }

    /// <summary>Also dump databases logically; null: no dump.</summary>
    [JsonPropertyName("dump")] public DumpSettings? Dump { get; init; }

    /// <summary>The most of a table that can be recorded: 1 TiB.</summary>
    public const int RecordMebibytesMax = 1 << 20;
}

/// <summary>What is done around a backup: names in the agent's own configuration, never commands or statements.</summary>
public sealed record BackupHooks
{
    /// <summary>The most hooks on either side.</summary>
    public const int HooksMax = 16;

    /// <summary>In order, before reading begins. The first that fails keeps the backup from being made.</summary>
    [JsonPropertyName("before")] public IReadOnlyList<string> Before { get; init; } = [];

    /// <summary>In order, afterwards, whatever became of the backup.</summary>
    [JsonPropertyName("after")] public IReadOnlyList<string> After { get; init; } = [];

    internal void Check(ContractCheck check)
    {
        check.That(Before is { Count: <= HooksMax } && After is { Count: <= HooksMax }, $"'hooks' must hold at most {HooksMax} names on either side");
        check.Items(Before, "hooks.before", name => check.Name(name, "hooks.before[]"));
        check.Items(After, "hooks.after", name => check.Name(name, "hooks.after[]"));
    }
}

/// <summary>Back up one asset into a vault.</summary>
public sealed record BackupOrder : JobOrder
{
    /// <summary>The catalog's run; becomes the snapshot's <c>run</c> tag.</summary>
    [JsonPropertyName("runId")] public required string RunId { get; init; }

    /// <summary>The asset's name in the policy.</summary>
    [JsonPropertyName("asset")] public required string Asset { get; init; }

    /// <summary>Which of the settings below applies.</summary>
    [JsonPropertyName("sourceKind")] public required SourceKind SourceKind { get; init; }

    /// <summary>Present exactly when <see cref="SourceKind"/> is files.</summary>
    [JsonPropertyName("files")] public FilesSettings? Files { get; init; }

    /// <summary>Present exactly when <see cref="SourceKind"/> is postgres.</summary>
    [JsonPropertyName("postgres")] public PostgresSettings? Postgres { get; init; }

    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>What is done before and after; null: nothing.</summary>
    [JsonPropertyName("hooks")] public BackupHooks? Hooks { get; init; }

    /// <summary>Further tags for the snapshot.</summary>
    [JsonPropertyName("tags")] public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Backup;

    internal override void Check(ContractCheck check)
    {
        check.Name(RunId, "runId");
        check.Name(Asset, "asset");
        check.Name(Vault, "vault");
        check.That(Enum.IsDefined(SourceKind), "'sourceKind' is unknown");
        check.That((Files is not null) == (SourceKind == SourceKind.Files), "'files' must be present exactly for the kind files");
        check.That((Postgres is not null) == (SourceKind == SourceKind.Postgres), "'postgres' must be present exactly for the kind postgres");
        if (Files is not null)
        {
            check.That(Files.Paths is { Count: > 0 }, "'files.paths' must not be empty");
            check.Items(Files.Paths, "files.paths", path => check.Path(path, "files.paths[]"));
            check.Items(Files.Excludes, "files.excludes", pattern => check.Path(pattern, "files.excludes[]"));
        }
        Hooks?.Check(check);
        if (Postgres is not null)
        {
            check.Name(Postgres.Connection, "postgres.connection");
            check.Items(Postgres.Dump?.Databases ?? [], "postgres.dump.databases", database => check.Name(database, "postgres.dump.databases[]"));
            check.That(Postgres.RecordMebibytes is null or (>= 0 and <= PostgresSettings.RecordMebibytesMax), $"'postgres.recordMiB' must be 0 to {PostgresSettings.RecordMebibytesMax}");
        }

        check.Items(Tags, "tags", tag =>
        {
            check.Name(tag.Key, "tags key");
            check.Text(tag.Value, "tags value");
        });
    }
}

/// <summary>A file that could not be read; the rest of the tree was.</summary>
public sealed record UnreadableFile
{
    /// <summary>The file's path.</summary>
    [JsonPropertyName("path")] public required string Path { get; init; }

    /// <summary>Why, for people.</summary>
    [JsonPropertyName("reason")] public required string Reason { get; init; }
}

/// <summary>Where in a database's write-ahead log a physical backup is consistent.</summary>
public sealed record ConsistencyPoint
{
    /// <summary>Timeline of the cluster.</summary>
    [JsonPropertyName("timeline")] public required long Timeline { get; init; }

    /// <summary>Where recovery starts, as PostgreSQL prints it (<c>0/3000028</c>).</summary>
    [JsonPropertyName("startLsn")] public required string StartLsn { get; init; }

    /// <summary>Where the backup becomes consistent.</summary>
    [JsonPropertyName("stopLsn")] public required string StopLsn { get; init; }

    /// <summary>First WAL segment in the backup.</summary>
    [JsonPropertyName("firstWal")] public string? FirstWal { get; init; }

    /// <summary>Last WAL segment in the backup.</summary>
    [JsonPropertyName("lastWal")] public string? LastWal { get; init; }

    /// <summary>The restore point that was made right after the backup, a goal for recovery by name; null when the server would not make one.</summary>
    [JsonPropertyName("restorePoint")] public string? RestorePoint { get; init; }
}

/// <summary>What a finished backup made. Byte counts are of content unless said otherwise.</summary>
public sealed record BackupResult
{
    /// <summary>How many unreadable files are listed at most; <see cref="FilesUnreadableTotal"/> counts all.</summary>
    public const int FilesUnreadableListed = 100;

    /// <summary>The snapshot's id in the vault.</summary>
    [JsonPropertyName("snapshotId")] public required string SnapshotId { get; init; }

    /// <summary>The asset's name.</summary>
    [JsonPropertyName("asset")] public required string Asset { get; init; }

    /// <summary>What kind of source made it.</summary>
    [JsonPropertyName("sourceKind")] public required SourceKind SourceKind { get; init; }

    /// <summary>The vault's own id, from its configuration object.</summary>
    [JsonPropertyName("vaultId")] public required string VaultId { get; init; }

    /// <summary>When reading began.</summary>
    [JsonPropertyName("startedAt")] public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The moment of consistency: the recovery point's instant.</summary>
    [JsonPropertyName("endedAt")] public required DateTimeOffset EndedAt { get; init; }

    /// <summary>Bytes read from the source.</summary>
    [JsonPropertyName("bytesRead")] public required long BytesRead { get; init; }

    /// <summary>Bytes that the vault did not have.</summary>
    [JsonPropertyName("bytesNew")] public required long BytesNew { get; init; }

    /// <summary>Bytes written to the store, after compression and encryption.</summary>
    [JsonPropertyName("bytesStored")] public required long BytesStored { get; init; }

    /// <summary>Files and other entries in the snapshot.</summary>
    [JsonPropertyName("filesTotal")] public required long FilesTotal { get; init; }

    /// <summary>The first unreadable files.</summary>
    [JsonPropertyName("filesUnreadable")] public IReadOnlyList<UnreadableFile> FilesUnreadable { get; init; } = [];

    /// <summary>How many files were unreadable. More than none makes the job partial.</summary>
    [JsonPropertyName("filesUnreadableTotal")] public long FilesUnreadableTotal { get; init; }

    /// <summary>The snapshot of the logical dump, when one was ordered and made.</summary>
    [JsonPropertyName("dumpSnapshotId")] public string? DumpSnapshotId { get; init; }

    /// <summary>The logical dump, or a part of it, failed; makes the job partial.</summary>
    [JsonPropertyName("dumpFailure")] public Failure? DumpFailure { get; init; }

    /// <summary>A hook after the backup failed; makes the job partial.</summary>
    [JsonPropertyName("hookFailure")] public Failure? HookFailure { get; init; }

    /// <summary>Present for databases.</summary>
    [JsonPropertyName("consistencyPoint")] public ConsistencyPoint? ConsistencyPoint { get; init; }
}
