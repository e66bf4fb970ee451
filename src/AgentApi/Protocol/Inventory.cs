using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>What can the agent be asked for?</summary>
public sealed record InventoryQuery : OrderPayload<AgentInventory>
{
    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Inventory;

    internal override void Check(ContractCheck check)
    {
        // Nothing to break: the query has no fields.
    }
}

/// <summary>What an agent's owner configured it for. Names and places, never a credential.</summary>
public sealed record AgentInventory
{
    /// <summary>The agent's name.</summary>
    [JsonPropertyName("agent")] public required string Agent { get; init; }

    /// <summary>Where it stands.</summary>
    [JsonPropertyName("site")] public required string Site { get; init; }

    /// <summary>Its program's version.</summary>
    [JsonPropertyName("version")] public required string Version { get; init; }

    /// <summary>The version of this API: the number in the address orders are posted to.</summary>
    [JsonPropertyName("apiVersion")] public int ApiVersion { get; init; } = 1;

    /// <summary>The operations it knows, by their wire names.</summary>
    [JsonPropertyName("operations")] public required IReadOnlyList<string> Operations { get; init; }

    /// <summary>The kinds of source it can read.</summary>
    [JsonPropertyName("sourceKinds")] public required IReadOnlyList<SourceKind> SourceKinds { get; init; }

    /// <summary>Its vaults.</summary>
    [JsonPropertyName("vaults")] public required IReadOnlyList<VaultEntry> Vaults { get; init; }

    /// <summary>The database connections it knows, by name.</summary>
    [JsonPropertyName("connections")] public required IReadOnlyList<string> Connections { get; init; }

    /// <summary>Roots below which files may be read.</summary>
    [JsonPropertyName("allowedSources")] public required IReadOnlyList<string> AllowedSources { get; init; }

    /// <summary>Roots below which restores may write.</summary>
    [JsonPropertyName("restoreRoots")] public required IReadOnlyList<string> RestoreRoots { get; init; }

    /// <summary>Jobs it works on at the same time.</summary>
    [JsonPropertyName("concurrentJobs")] public required int ConcurrentJobs { get; init; }

    /// <summary>The agent's own key ids, oldest first; several during a rotation.</summary>
    [JsonPropertyName("keyIds")] public required IReadOnlyList<string> KeyIds { get; init; }

    /// <summary>The control plane keys it trusts, oldest first.</summary>
    [JsonPropertyName("trustedKeyIds")] public required IReadOnlyList<string> TrustedKeyIds { get; init; }
}

/// <summary>A vault in an agent's configuration.</summary>
public sealed record VaultEntry
{
    /// <summary>The name orders use.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>The folder, or the container's address.</summary>
    [JsonPropertyName("location")] public required string Location { get; init; }

    /// <summary>True when the agent also holds the restore key.</summary>
    [JsonPropertyName("canRestore")] public bool CanRestore { get; init; }
}

/// <summary>The newest lines of the agent's log.</summary>
public sealed record LogQuery : OrderPayload<LogTail>
{
    /// <summary>The most lines that an agent keeps for this, and answers.</summary>
    public const int LinesMax = 1000;

    /// <summary>The most characters of a line; longer ones are cut.</summary>
    public const int LineCharsMax = 2000;

    /// <summary>How many lines, 1 to <see cref="LinesMax"/>.</summary>
    [JsonPropertyName("lines")] public int Lines { get; init; } = 100;

    /// <summary>Only lines about this job; null: all.</summary>
    [JsonPropertyName("orderId")] public OrderId? OrderId { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Log;

    internal override void Check(ContractCheck check) => check.That(Lines is >= 1 and <= LinesMax, $"'lines' must be 1 to {LinesMax}");
}

/// <summary>One line of a log.</summary>
public sealed record LogLine
{
    /// <summary>When.</summary>
    [JsonPropertyName("at")] public required DateTimeOffset At { get; init; }

    /// <summary>How grave: <c>information</c>, <c>warning</c>, <c>error</c> or <c>critical</c>.</summary>
    [JsonPropertyName("level")] public required string Level { get; init; }

    /// <summary>The event's number.</summary>
    [JsonPropertyName("event")] public int Event { get; init; }

    /// <summary>What happened.</summary>
    [JsonPropertyName("text")] public required string Text { get; init; }
}

/// <summary>The newest lines of a log, oldest first.</summary>
public sealed record LogTail
{
    /// <summary>At most as many as were asked for.</summary>
    [JsonPropertyName("lines")] public required IReadOnlyList<LogLine> Lines { get; init; }
}
