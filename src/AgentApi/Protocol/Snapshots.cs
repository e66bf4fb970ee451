using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>What does a vault hold? Lets the catalog be rebuilt without itself.</summary>
public sealed record SnapshotsQuery : OrderPayload<SnapshotPage>
{
    /// <summary>The most summaries in one answer.</summary>
    public const int PageItemsMax = 500;

    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>Continue after this snapshot: the <see cref="SnapshotPage.Next"/> of the page before. Null: begin.</summary>
    [JsonPropertyName("after")] public string? After { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Snapshots;

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        if (After is not null) check.Name(After, "after");
    }
}

/// <summary>One snapshot, as the catalog needs it.</summary>
public sealed record SnapshotSummary
{
    /// <summary>The snapshot's id.</summary>
    [JsonPropertyName("snapshotId")] public required string SnapshotId { get; init; }

    /// <summary>The asset's name.</summary>
    [JsonPropertyName("asset")] public required string Asset { get; init; }

    /// <summary>What kind of source made it.</summary>
    [JsonPropertyName("sourceKind")] public required SourceKind SourceKind { get; init; }

    /// <summary>The vault's own id.</summary>
    [JsonPropertyName("vaultId")] public required string VaultId { get; init; }

    /// <summary>When reading began.</summary>
    [JsonPropertyName("startedAt")] public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The moment of consistency.</summary>
    [JsonPropertyName("endedAt")] public required DateTimeOffset EndedAt { get; init; }

    /// <summary>The host it was taken on.</summary>
    [JsonPropertyName("host")] public string? Host { get; init; }

    /// <summary>The run that made it; null for one made by hand.</summary>
    [JsonPropertyName("runId")] public string? RunId { get; init; }

    /// <summary>Bytes read from the source.</summary>
    [JsonPropertyName("bytesRead")] public long BytesRead { get; init; }

    /// <summary>Bytes that the vault did not have.</summary>
    [JsonPropertyName("bytesNew")] public long BytesNew { get; init; }

    /// <summary>Bytes written to the store.</summary>
    [JsonPropertyName("bytesStored")] public long BytesStored { get; init; }

    /// <summary>Files and other entries.</summary>
    [JsonPropertyName("filesTotal")] public long FilesTotal { get; init; }

    /// <summary>How many files were unreadable.</summary>
    [JsonPropertyName("filesUnreadableTotal")] public long FilesUnreadableTotal { get; init; }

    /// <summary>Present for databases.</summary>
    [JsonPropertyName("consistencyPoint")] public ConsistencyPoint? ConsistencyPoint { get; init; }

    /// <summary>For databases: the snapshot of the logical dump that the same order made, as long as the vault holds it. Null when there is none.</summary>
    [JsonPropertyName("dumpSnapshotId")] public string? DumpSnapshotId { get; init; }

    /// <summary>For databases whose log is in the same vault: up to this moment the log is unbroken behind the snapshot. Null when no log leads on from it.</summary>
    [JsonPropertyName("logUntil")] public DateTimeOffset? LogUntil { get; init; }

    /// <summary>The snapshot's tags.</summary>
    [JsonPropertyName("tags")] public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();
}

/// <summary>Some of a vault's snapshots, oldest first.</summary>
public sealed record SnapshotPage
{
    /// <summary>At most <see cref="SnapshotsQuery.PageItemsMax"/> summaries.</summary>
    [JsonPropertyName("snapshots")] public required IReadOnlyList<SnapshotSummary> Snapshots { get; init; }

    /// <summary>What to ask for next; null when this was the last page.</summary>
    [JsonPropertyName("next")] public string? Next { get; init; }
}
