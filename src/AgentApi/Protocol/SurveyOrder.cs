using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>
/// Which data packs does a restore need? Found by reading the snapshot's tree with the restore key; no content is read, and nothing is written but the agent's
/// own note of the names, which <see cref="SurveyPacksQuery"/> reads.
/// </summary>
public sealed record SurveyOrder : JobOrder
{
    /// <summary>The snapshot's id.</summary>
    [JsonPropertyName("snapshotId")] public required string SnapshotId { get; init; }

    /// <summary>Which copy to read.</summary>
    [JsonPropertyName("from")] public required RestoreOrigin From { get; init; }

    /// <summary>Patterns of what is to be brought back; empty means everything.</summary>
    [JsonPropertyName("include")] public IReadOnlyList<string> Include { get; init; } = [];

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Survey;

    internal override OrderPayload WithoutCredentials() => this with { Priority = null, From = From.WithoutCredentials() };

    internal override void Check(ContractCheck check)
    {
        check.Name(SnapshotId, "snapshotId");
        check.Items(Include, "include", pattern => check.Path(pattern, "include[]"));
        check.That(From is not null, "'from' must be present");
        From?.Check(check, "from");
    }
}

/// <summary>What a finished survey found.</summary>
public sealed record SurveyResult
{
    /// <summary>Files that the restore would bring back.</summary>
    [JsonPropertyName("files")] public required long Files { get; init; }

    /// <summary>Their content's bytes.</summary>
    [JsonPropertyName("bytes")] public required long Bytes { get; init; }

    /// <summary>Different data packs that hold them.</summary>
    [JsonPropertyName("packs")] public required int Packs { get; init; }
}

/// <summary>Some of the packs that a survey found, in the order in which a restore reads them. The agent keeps the names as long as it keeps the job.</summary>
public sealed record SurveyPacksQuery : OrderPayload<SurveyPacksPage>
{
    /// <summary>The most names in one answer.</summary>
    public const int PageItemsMax = 10_000;

    /// <summary>The survey.</summary>
    [JsonPropertyName("orderId")] public required OrderId OrderId { get; init; }

    /// <summary>How many names to pass over.</summary>
    [JsonPropertyName("skip")] public int Skip { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.SurveyPacks;

    internal override void Check(ContractCheck check)
    {
        check.That(OrderId != default, "'orderId' must be present");
        check.That(Skip >= 0, "'skip' must not be negative");
    }
}

/// <summary>A page of packs.</summary>
public sealed record SurveyPacksPage
{
    /// <summary>Store objects' names; at most <see cref="SurveyPacksQuery.PageItemsMax"/>. Fewer means that these were the last.</summary>
    [JsonPropertyName("names")] public required IReadOnlyList<string> Names { get; init; }
}
