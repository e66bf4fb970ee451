using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>How is the agent?</summary>
public sealed record HealthQuery : OrderPayload<AgentHealth>
{
    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Health;

    internal override void Check(ContractCheck check)
    {
        // Nothing to break: the query has no fields.
    }
}

/// <summary>A vault as its agent finds it.</summary>
public sealed record VaultHealth
{
    /// <summary>The vault's name in the agent's configuration.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>The vault's own id; null when it cannot be opened.</summary>
    [JsonPropertyName("vaultId")] public string? VaultId { get; init; }

    /// <summary>True when the agent also holds the restore key.</summary>
    [JsonPropertyName("canRestore")] public bool CanRestore { get; init; }

    /// <summary>Free bytes where the vault lies, when that can be asked.</summary>
    [JsonPropertyName("bytesFree")] public long? BytesFree { get; init; }

    /// <summary>Size of the disk where the vault lies, in bytes, when that can be asked.</summary>
    [JsonPropertyName("bytesTotal")] public long? BytesTotal { get; init; }

    /// <summary>Why the vault cannot be used; null when it can.</summary>
    [JsonPropertyName("failure")] public Failure? Failure { get; init; }
}

/// <summary>A place for copies as its agent finds it.</summary>
public sealed record PlaceHealth
{
    /// <summary>The place's name in the agent's configuration.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>Free bytes there, when it can be reached.</summary>
    [JsonPropertyName("bytesFree")] public long? BytesFree { get; init; }

    /// <summary>Size of the disk there, in bytes, when it can be reached.</summary>
    [JsonPropertyName("bytesTotal")] public long? BytesTotal { get; init; }

    /// <summary>Why the place cannot be used; null when it can.</summary>
    [JsonPropertyName("failure")] public Failure? Failure { get; init; }
}

/// <summary>The agent's own account of itself.</summary>
public sealed record AgentHealth
{
    /// <summary>The agent's name.</summary>
    [JsonPropertyName("agent")] public required string Agent { get; init; }

    /// <summary>Its program's version.</summary>
    [JsonPropertyName("version")] public required string Version { get; init; }

    /// <summary>When it started.</summary>
    [JsonPropertyName("startedAt")] public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Its clock when it answered: compare it with yours.</summary>
    [JsonPropertyName("now")] public required DateTimeOffset Now { get; init; }

    /// <summary>Jobs being worked on.</summary>
    [JsonPropertyName("jobsRunning")] public int JobsRunning { get; init; }

    /// <summary>Jobs waiting.</summary>
    [JsonPropertyName("jobsQueued")] public int JobsQueued { get; init; }

    /// <summary>Its vaults.</summary>
    [JsonPropertyName("vaults")] public IReadOnlyList<VaultHealth> Vaults { get; init; } = [];

    /// <summary>Places on other nodes that it copies vaults to.</summary>
    [JsonPropertyName("copies")] public IReadOnlyList<PlaceHealth> Copies { get; init; } = [];
}
