using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>Which copy a restore reads.</summary>
[JsonConverter(typeof(WireEnum<RestoreOriginKind>))]
public enum RestoreOriginKind
{
    /// <summary>A vault in the agent's configuration.</summary>
    [JsonStringEnumMemberName("vault")] Vault,

    /// <summary>A replica in a blob container.</summary>
    [JsonStringEnumMemberName("replica")] Replica,

    /// <summary>A copy on another node, in a place of the agent's configuration.</summary>
    [JsonStringEnumMemberName("copy")] Copy,
}

/// <summary>How a restore treats packs that lie in the archive tier.</summary>
[JsonConverter(typeof(WireEnum<ArchiveReading>))]
public enum ArchiveReading
{
    /// <summary>Files whose packs can all be read now are restored; the others are left for a later order, and counted.</summary>
    [JsonStringEnumMemberName("ready")] Ready,

    /// <summary>Everything is restored; packs that lie in the archive are read from their copies.</summary>
    [JsonStringEnumMemberName("all")] All,
}

/// <summary>Where a restore reads from. Make one by <see cref="FromVault"/>, <see cref="FromReplica"/> or <see cref="FromCopy"/>.</summary>
public sealed record RestoreOrigin
{
    /// <summary>Which of the fields below apply.</summary>
    [JsonPropertyName("kind")] public required RestoreOriginKind Kind { get; init; }

    /// <summary>The vault's name in the agent's configuration; else the vault whose restore key applies, or null to let the agent find it by <see cref="VaultId"/>.</summary>
    [JsonPropertyName("vault")] public string? Vault { get; init; }

    /// <summary>The replica's container, without credentials.</summary>
    [JsonPropertyName("containerUri")] public Uri? ContainerUri { get; init; }

    /// <summary>A container SAS: read and list.</summary>
    [JsonPropertyName("sas")] public SecretText? Sas { get; init; }

    /// <summary>The id of the vault the replica or the copy is of.</summary>
    [JsonPropertyName("vaultId")] public string? VaultId { get; init; }

    /// <summary>The place's name under <c>copies</c> in the agent's configuration.</summary>
    [JsonPropertyName("place")] public string? Place { get; init; }

    /// <summary>Read from a vault of the agent.</summary>
    public static RestoreOrigin FromVault(string vault) => new() { Kind = RestoreOriginKind.Vault, Vault = vault };

    /// <summary>Read from a replica.</summary>
    public static RestoreOrigin FromReplica(Uri containerUri, SecretText sas, string vaultId, string? vault = null) =>
        new() { Kind = RestoreOriginKind.Replica, ContainerUri = containerUri, Sas = sas, VaultId = vaultId, Vault = vault };

    /// <summary>Read from a copy on another node.</summary>
    public static RestoreOrigin FromCopy(string place, string vaultId, string? vault = null) => new() { Kind = RestoreOriginKind.Copy, Place = place, VaultId = vaultId, Vault = vault };

    internal RestoreOrigin WithoutCredentials() => Sas is null ? this : this with { Sas = new SecretText("") };

    internal void Check(ContractCheck check, string field)
    {
        check.That(Enum.IsDefined(Kind), $"'{field}.kind' is unknown");
        if (Kind == RestoreOriginKind.Vault || Vault is not null) check.Name(Vault, $"{field}.vault");
        if (Kind == RestoreOriginKind.Vault) return;
        check.Name(VaultId, $"{field}.vaultId");
        if (Kind == RestoreOriginKind.Copy)
        {
            check.Name(Place, $"{field}.place");
            return;
        }

        check.HttpsOrLoopback(ContainerUri, $"{field}.containerUri");
        check.Secret(Sas, $"{field}.sas");
    }
}

/// <summary>Bring a snapshot back to the agent's machine.</summary>
public sealed record RestoreOrder : JobOrder
{
    /// <summary>The catalog's restore.</summary>
    [JsonPropertyName("restoreId")] public required string RestoreId { get; init; }

    /// <summary>The asset's name.</summary>
    [JsonPropertyName("asset")] public required string Asset { get; init; }

    /// <summary>What kind of source made the snapshot.</summary>
    [JsonPropertyName("sourceKind")] public required SourceKind SourceKind { get; init; }

    /// <summary>The snapshot's id.</summary>
    [JsonPropertyName("snapshotId")] public required string SnapshotId { get; init; }

    /// <summary>Which copy to read.</summary>
    [JsonPropertyName("from")] public required RestoreOrigin From { get; init; }

    /// <summary>Absolute path on the agent's machine; must lie under one of its restore roots.</summary>
    [JsonPropertyName("target")] public required string Target { get; init; }

    /// <summary>Patterns of what to bring back; empty means everything.</summary>
    [JsonPropertyName("include")] public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>True: existing files may be replaced.</summary>
    [JsonPropertyName("overwrite")] public bool Overwrite { get; init; }

    /// <summary>For databases: from the snapshot on, recover along the log that the same store holds of the asset; null: only to the snapshot's own moment.</summary>
    [JsonPropertyName("recovery"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public RecoveryGoal? Recovery { get; init; }

    /// <summary>For databases: prove what was restored. What fails makes the job partial.</summary>
    [JsonPropertyName("proof")] public ProofSettings? Proof { get; init; }

    /// <summary>True: remove what was restored at the end. A drill.</summary>
    [JsonPropertyName("discard"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool Discard { get; init; }

    /// <summary>The replica's packs lie in the archive tier; null: they do not, and none of its copies is looked for.</summary>
    [JsonPropertyName("archive"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public ArchiveReading? Archive { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Restore;

    internal override OrderPayload WithoutCredentials() => this with { Priority = null, From = From.WithoutCredentials() };

    internal override void Check(ContractCheck check)
    {
        check.Name(RestoreId, "restoreId");
        check.Name(Asset, "asset");
        check.Name(SnapshotId, "snapshotId");
        check.That(Enum.IsDefined(SourceKind), "'sourceKind' is unknown");
        check.Path(Target, "target");
        check.That(Target is ['/', ..], "'target' must be an absolute path");
        check.Items(Include, "include", pattern => check.Path(pattern, "include[]"));
        check.That(Proof is null || SourceKind == SourceKind.Postgres, "'proof' is for the kind postgres only");
        check.That(Recovery is null || SourceKind == SourceKind.Postgres, "'recovery' is for the kind postgres only");
        check.That(Recovery is not { Time: not null, RestorePoint: not null }, "'recovery' names a time or a restore point, not both");
        if (Recovery?.RestorePoint is { } point) check.Name(point, "recovery.restorePoint");
        check.That(!Discard || !Overwrite, "'discard' and 'overwrite' exclude each other");
        Proof?.Check(check);
        check.That(Archive is null || (Enum.IsDefined(Archive.Value) && From is { Kind: RestoreOriginKind.Replica }), "'archive' is for replicas only");
        check.That(Archive is not ArchiveReading.Ready || (SourceKind == SourceKind.Files && !Discard), "a part can be restored of files only, and not as a drill");
        check.That(From is not null, "'from' must be present");
        From?.Check(check, "from");
    }
}

/// <summary>The moment that a database is recovered to.</summary>
public sealed record RecoveryGoal
{
    /// <summary>The last moment whose commits are in, by the database server's clock; null for everything that the log holds.</summary>
    [JsonPropertyName("time"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public DateTimeOffset? Time { get; init; }

    /// <summary>A restore point by its name, in place of a time: each backup makes one, named by its run.</summary>
    [JsonPropertyName("restorePoint"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? RestorePoint { get; init; }
}

/// <summary>How a database was recovered along its log.</summary>
public sealed record RecoveryResult
{
    /// <summary>The timeline that was followed.</summary>
    [JsonPropertyName("timeline")] public required long Timeline { get; init; }

    /// <summary>Replay begins here.</summary>
    [JsonPropertyName("fromLsn")] public required string FromLsn { get; init; }

    /// <summary>Replay ends here, or a little before.</summary>
    [JsonPropertyName("toLsn")] public required string ToLsn { get; init; }
}

/// <summary>What a finished restore brought back.</summary>
public sealed record RestoreResult
{
    /// <summary>Where it lies.</summary>
    [JsonPropertyName("target")] public required string Target { get; init; }

    /// <summary>Files and other entries restored.</summary>
    [JsonPropertyName("filesRestored")] public required long FilesRestored { get; init; }

    /// <summary>Content bytes of the restored files.</summary>
    [JsonPropertyName("bytesRestored")] public required long BytesRestored { get; init; }

    /// <summary>Bytes that had to be written: less than restored when the target already held some.</summary>
    [JsonPropertyName("bytesWritten")] public required long BytesWritten { get; init; }

    /// <summary>Bytes whose chunk ids were checked while writing.</summary>
    [JsonPropertyName("verifiedBytes")] public required long VerifiedBytes { get; init; }

    /// <summary>When the last byte was durable.</summary>
    [JsonPropertyName("endedAt")] public required DateTimeOffset EndedAt { get; init; }

    /// <summary>The way along the log, when that was ordered.</summary>
    [JsonPropertyName("recovery"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public RecoveryResult? Recovery { get; init; }

    /// <summary>Files left for later, because packs of theirs lie in the archive. With <see cref="ArchiveReading.Ready"/> only.</summary>
    [JsonPropertyName("filesWaiting"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public long FilesWaiting { get; init; }

    /// <summary>The proof, when one was ordered and could be begun.</summary>
    [JsonPropertyName("proof")] public ProofResult? Proof { get; init; }
}
