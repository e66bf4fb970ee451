using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>Azure's access tiers for a block blob.</summary>
[JsonConverter(typeof(WireEnum<AccessTier>))]
public enum AccessTier
{
    /// <summary>Hot.</summary>
    [JsonStringEnumMemberName("Hot")] Hot,

    /// <summary>Cool.</summary>
    [JsonStringEnumMemberName("Cool")] Cool,

    /// <summary>Cold.</summary>
    [JsonStringEnumMemberName("Cold")] Cold,

    /// <summary>Archive: readable only after hours of rehydration.</summary>
    [JsonStringEnumMemberName("Archive")] Archive,
}

/// <summary>Where to copy to, with the short-lived right to do so.</summary>
public sealed record ReplicaTarget
{
    /// <summary>The replica's name: the policy's tier.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>The container's address, without credentials.</summary>
    [JsonPropertyName("containerUri")] public required Uri ContainerUri { get; init; }

    /// <summary>A container SAS: create, list and read; never write or delete, so that nothing is overwritten.</summary>
    [JsonPropertyName("sas")] public required SecretText Sas { get; init; }

    /// <summary>The tier for data packs; small metadata stays hot.</summary>
    [JsonPropertyName("accessTier")] public required AccessTier AccessTier { get; init; }
}

/// <summary>How fast to send from a moment on.</summary>
public sealed record RateStep
{
    /// <summary>Since when.</summary>
    [JsonPropertyName("from")] public required DateTimeOffset From { get; init; }

    /// <summary>Bytes per second; null: no limit.</summary>
    [JsonPropertyName("bytesPerSecond")] public long? BytesPerSecond { get; init; }
}

/// <summary>Copy what a snapshot needs, and a replica lacks, to that replica.</summary>
public sealed record ReplicateOrder : JobOrder
{
    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>The container to copy to. Exactly one of this and <see cref="Copy"/>.</summary>
    [JsonPropertyName("replica")] public ReplicaTarget? Replica { get; init; }

    /// <summary>The place to copy to, by its name under <c>copies</c> in the agent's configuration: another node's storage.</summary>
    [JsonPropertyName("copy")] public string? Copy { get; init; }

    /// <summary>The snapshot that the replica must hold when the job has succeeded.</summary>
    [JsonPropertyName("snapshotId")] public required string SnapshotId { get; init; }

    /// <summary>The most steps of <see cref="Bandwidth"/>: one for every minute of a day, and one more.</summary>
    public const int BandwidthStepsMax = 1441;

    /// <summary>
    /// How fast all copies of this agent together may send, off-site or to the one place of <see cref="Copy"/>, oldest step first; the last one
    /// holds on. Empty: no limit.
    /// </summary>
    [JsonPropertyName("bandwidth")] public IReadOnlyList<RateStep> Bandwidth { get; init; } = [];

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Replicate;

    // The limits of the hour do not make another job either.
    internal override OrderPayload WithoutCredentials() =>
        this with { Priority = null, Bandwidth = [], Replica = Replica is null ? null : Replica with { Sas = new SecretText("") } };

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        check.Name(SnapshotId, "snapshotId");
        check.That(Bandwidth is { Count: <= BandwidthStepsMax } && Bandwidth.All(s => s is { BytesPerSecond: null or > 0 }), $"'bandwidth' must hold at most {BandwidthStepsMax} steps of at least one byte per second");
        check.That(Replica is null != Copy is null, "one of 'replica' and 'copy' must be present");
        if (Copy is not null) check.Name(Copy, "copy");
        if (Replica is null) return;
        check.Name(Replica.Name, "replica.name");
        check.HttpsOrLoopback(Replica.ContainerUri, "replica.containerUri");
        check.Secret(Replica.Sas, "replica.sas");
        check.That(Enum.IsDefined(Replica.AccessTier), "'replica.accessTier' is unknown");
    }
}

/// <summary>What a finished replication made.</summary>
public sealed record ReplicateResult
{
    /// <summary>Store objects that the replica holds for the vault.</summary>
    [JsonPropertyName("objectsTotal")] public required long ObjectsTotal { get; init; }

    /// <summary>Store objects copied by this job.</summary>
    [JsonPropertyName("objectsCopied")] public required long ObjectsCopied { get; init; }

    /// <summary>Bytes copied by this job.</summary>
    [JsonPropertyName("bytesCopied")] public required long BytesCopied { get; init; }

    /// <summary>Bytes of all store objects.</summary>
    [JsonPropertyName("bytesTotal")] public required long BytesTotal { get; init; }

    /// <summary>The manifest's name in the container: every store object's name and length, and which were copied now.</summary>
    [JsonPropertyName("manifestName")] public required string ManifestName { get; init; }

    /// <summary>SHA-256 of the manifest's bytes, lower-case hex.</summary>
    [JsonPropertyName("manifestSha256")] public required string ManifestSha256 { get; init; }
}
