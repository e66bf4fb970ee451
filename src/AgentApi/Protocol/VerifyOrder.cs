using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>A copy on another node to look at, by the manifest that its replication left there.</summary>
public sealed record CopyToVerify
{
    /// <summary>The place's name under <c>copies</c> in the agent's configuration.</summary>
    [JsonPropertyName("place")] public required string Place { get; init; }

    /// <summary>Whose copy.</summary>
    [JsonPropertyName("vaultId")] public required string VaultId { get; init; }

    /// <summary>The manifest, as the replication reported it.</summary>
    [JsonPropertyName("manifestName")] public required string ManifestName { get; init; }

    /// <summary>Its hash.</summary>
    [JsonPropertyName("manifestSha256")] public required string ManifestSha256 { get; init; }

    /// <summary>The part of all objects to read, from 0; null for those that the replication copied.</summary>
    [JsonPropertyName("part")] public int? Part { get; init; }

    /// <summary>How many parts there are, with <see cref="Part"/>.</summary>
    [JsonPropertyName("parts")] public int? Parts { get; init; }

    /// <summary>Move what is wrong to quarantine, so that the next replication brings it anew.</summary>
    [JsonPropertyName("quarantine")] public bool Quarantine { get; init; }

    internal void Check(ContractCheck check)
    {
        check.Name(Place, "copy.place");
        check.Name(VaultId, "copy.vaultId");
        check.Name(ManifestName, "copy.manifestName");
        check.Name(ManifestSha256, "copy.manifestSha256");
        check.That(Part is null == Parts is null && (Parts is null || (Parts >= 1 && Part >= 0 && Part < Parts)), "'copy.part' must be one of 'copy.parts'");
    }
}

/// <summary>
/// Read what a vault holds, as deeply as the agent's keys allow, and mend what is damaged from a healthy copy; or look at a copy on another node.
/// An agent that may not prune the vault finds damage and mends nothing.
/// </summary>
public sealed record VerifyOrder : JobOrder
{
    /// <summary>The most places to look for healthy copies.</summary>
    public const int RepairFromMax = 16;

    /// <summary>The vault's name in the agent's configuration; with <see cref="Copy"/> the one whose copy it is, which is not read.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>Look at this copy instead of the vault.</summary>
    [JsonPropertyName("copy")] public CopyToVerify? Copy { get; init; }

    /// <summary>Of the vault's packs, the share to read, in percent: those verified longest ago. Above 0, at most 100.</summary>
    [JsonPropertyName("samplePercent")] public double SamplePercent { get; init; } = 100;

    /// <summary>Where to look for healthy copies of what is damaged, in this order; none: nothing is mended.</summary>
    [JsonPropertyName("repairFrom")] public IReadOnlyList<RestoreOrigin> RepairFrom { get; init; } = [];

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Verify;

    internal override OrderPayload WithoutCredentials() => this with { Priority = null, RepairFrom = [.. RepairFrom.Select(from => from.WithoutCredentials())] };

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        check.That(SamplePercent is > 0 and <= 100, "'samplePercent' must be above 0 and at most 100");
        check.That(RepairFrom is { Count: <= RepairFromMax } && RepairFrom.All(from => from.Kind is not RestoreOriginKind.Vault), $"'repairFrom' must hold at most {RepairFromMax} replicas or copies");
        check.Items(RepairFrom, "repairFrom", from => from.Check(check, "repairFrom[]"));
        Copy?.Check(check);
    }
}

/// <summary>What a verification found. Damage is a result, not a failure of the job.</summary>
public sealed record VerifyResult
{
    /// <summary>The most objects named in <see cref="Problems"/>; all are counted.</summary>
    public const int ProblemsListed = 20;

    /// <summary>The vault's own id.</summary>
    [JsonPropertyName("vaultId")] public required string VaultId { get; init; }

    /// <summary><c>data</c>: everything read was decrypted and compared with its ids. <c>hashes</c>: its bytes were compared with their names.</summary>
    [JsonPropertyName("depth")] public required string Depth { get; init; }

    /// <summary>Store objects whose presence and length were checked.</summary>
    [JsonPropertyName("objectsChecked")] public required long ObjectsChecked { get; init; }

    /// <summary>Store objects read.</summary>
    [JsonPropertyName("objectsRead")] public required long ObjectsRead { get; init; }

    /// <summary>Their bytes.</summary>
    [JsonPropertyName("bytesRead")] public required long BytesRead { get; init; }

    /// <summary>Since when every pack has been verified at this depth; null when some never were, and for a copy.</summary>
    [JsonPropertyName("oldestVerification")] public DateTimeOffset? OldestVerification { get; init; }

    /// <summary>Objects found missing or wrong, and what snapshots need and nobody has.</summary>
    [JsonPropertyName("problemsTotal")] public required long ProblemsTotal { get; init; }

    /// <summary>The first of them, for people.</summary>
    [JsonPropertyName("problems")] public required IReadOnlyList<string> Problems { get; init; }

    /// <summary>How many of them were mended from a healthy copy.</summary>
    [JsonPropertyName("mended")] public long Mended { get; init; }

    /// <summary>How many wrong objects were moved to quarantine.</summary>
    [JsonPropertyName("quarantined")] public long Quarantined { get; init; }

    /// <summary>Why damage was not mended; null when there was none, or all of it was.</summary>
    [JsonPropertyName("repairFailure")] public Failure? RepairFailure { get; init; }

    /// <summary>Nothing is wrong now.</summary>
    [JsonIgnore] public bool IsSound => ProblemsTotal <= Mended;
}

/// <summary>
/// Remove from a copy on another node what its vault dropped: snapshots that the order names, replaced index objects, and packs that the vault's own notes say
/// were pruned. Nothing that the manifest lists is touched.
/// </summary>
public sealed record TidyOrder : JobOrder
{
    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>The place's name under <c>copies</c> in the agent's configuration.</summary>
    [JsonPropertyName("place")] public required string Place { get; init; }

    /// <summary>The manifest of a replication after the prune: what the copy must go on holding.</summary>
    [JsonPropertyName("manifestName")] public required string ManifestName { get; init; }

    /// <summary>Its hash.</summary>
    [JsonPropertyName("manifestSha256")] public required string ManifestSha256 { get; init; }

    /// <summary>When that replication was ordered, by the control plane's clock: younger index objects may belong to another one.</summary>
    [JsonPropertyName("orderedAt")] public required DateTimeOffset OrderedAt { get; init; }

    /// <summary>Ids of the snapshots to remove, at most <see cref="PruneOrder.DropsMax"/>.</summary>
    [JsonPropertyName("drops")] public required IReadOnlyList<string> Drops { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Tidy;

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        check.Name(Place, "place");
        check.Name(ManifestName, "manifestName");
        check.Name(ManifestSha256, "manifestSha256");
        check.That(Drops is { Count: <= PruneOrder.DropsMax }, $"'drops' must hold at most {PruneOrder.DropsMax} items");
        check.Items(Drops, "drops", id => check.Name(id, "drops"));
    }
}

/// <summary>What tidying removed.</summary>
public sealed record TidyResult
{
    /// <summary>Store objects removed.</summary>
    [JsonPropertyName("objectsRemoved")] public required int ObjectsRemoved { get; init; }

    /// <summary>Their bytes.</summary>
    [JsonPropertyName("bytesRemoved")] public required long BytesRemoved { get; init; }
}
