using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>
/// Drop snapshots from a vault and free what none needs any more. Only an agent whose owner gave it the key to prune that vault does it.
/// Which snapshots go is decided by the control plane; the agent refuses to drop an asset's last one unless the order says so.
/// </summary>
public sealed record PruneOrder : JobOrder
{
    /// <summary>The most snapshots one order drops: as many ids as fit into a sealed order with room to spare.</summary>
    public const int DropsMax = 2500;

    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>Ids of the snapshots to drop; those that are gone already are no fault.</summary>
    [JsonPropertyName("drops")] public required IReadOnlyList<string> Drops { get; init; }

    /// <summary>An asset may lose its last snapshot: a forced plan.</summary>
    [JsonPropertyName("allowsLast")] public bool AllowsLast { get; init; }

    /// <summary>Only say what would be done.</summary>
    [JsonPropertyName("dryRun")] public bool DryRun { get; init; }

    /// <summary>When it was ordered, by the control plane's clock: ages are judged by it, so that an agent's clock decides nothing. Null: by the agent's.</summary>
    [JsonPropertyName("orderedAt")] public DateTimeOffset? OrderedAt { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Prune;

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        check.That(Drops is { Count: <= DropsMax }, $"'drops' must hold at most {DropsMax} items");
        check.Items(Drops, "drops", id => check.Name(id, "drops"));
    }
}

/// <summary>What a prune did, or would do.</summary>
public sealed record PruneResult
{
    /// <summary>Snapshots of the order that the vault holds no more; of a dry run, those that it would drop.</summary>
    [JsonPropertyName("snapshotsDropped")] public required int SnapshotsDropped { get; init; }

    /// <summary>
    /// Of a dry run: snapshots of databases' log that are of no use once the order's snapshots are dropped, and dumps that were made with a base backup that is
    /// gone then; each oldest first. Order them dropped with the others. At most as many as still fit into the order.
    /// </summary>
    [JsonPropertyName("logSnapshots")] public IReadOnlyList<string> LogSnapshots { get; init; } = [];

    /// <summary>Packs that no snapshot needs, newly marked: they are deleted by a prune after the grace period.</summary>
    [JsonPropertyName("packsMarked")] public required int PacksMarked { get; init; }

    /// <summary>Packs whose live part was or would be moved to new packs.</summary>
    [JsonPropertyName("packsRepacked")] public required int PacksRepacked { get; init; }

    /// <summary>Packs deleted, since they were marked longer ago than the grace period.</summary>
    [JsonPropertyName("packsDeleted")] public required int PacksDeleted { get; init; }

    /// <summary>Bytes of deleted packs less bytes of new ones.</summary>
    [JsonPropertyName("bytesFreed")] public required long BytesFreed { get; init; }

    /// <summary>Bytes of marked packs, freed after the grace period.</summary>
    [JsonPropertyName("bytesFreedLater")] public required long BytesFreedLater { get; init; }
}

/// <summary>Which packs has prune deleted from a vault lately? Its notes are kept for two weeks, and no key is needed to read them.</summary>
public sealed record DeletionsQuery : OrderPayload<DeletionPage>
{
    /// <summary>The most names in one answer.</summary>
    public const int PageItemsMax = 10_000;

    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("vault")] public required string Vault { get; init; }

    /// <summary>Continue after this name: the <see cref="DeletionPage.Next"/> of the page before. Null: begin.</summary>
    [JsonPropertyName("after")] public string? After { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Deletions;

    internal override void Check(ContractCheck check)
    {
        check.Name(Vault, "vault");
        if (After is not null) check.Name(After, "after");
    }
}

/// <summary>Some of the packs that prune has deleted, in order of their names.</summary>
public sealed record DeletionPage
{
    /// <summary>Store objects' names; at most <see cref="DeletionsQuery.PageItemsMax"/>.</summary>
    [JsonPropertyName("names")] public required IReadOnlyList<string> Names { get; init; }

    /// <summary>What to ask for next; null when this was the last page.</summary>
    [JsonPropertyName("next")] public string? Next { get; init; }
}
