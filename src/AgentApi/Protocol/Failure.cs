using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>Why a job failed or an order was refused; the closed list that automation may branch on.</summary>
[JsonConverter(typeof(WireEnum<FailureCode>))]
public enum FailureCode
{
    /// <summary>The order breaks the contract.</summary>
    [JsonStringEnumMemberName("invalid-order")] InvalidOrder,

    /// <summary>The agent is older than the order's operation.</summary>
    [JsonStringEnumMemberName("unknown-operation")] UnknownOperation,

    /// <summary>The order id was already used for something else.</summary>
    [JsonStringEnumMemberName("order-id-reused")] OrderIdReused,

    /// <summary>The agent has too much to do; ask later.</summary>
    [JsonStringEnumMemberName("busy")] Busy,

    /// <summary>The agent's configuration knows no such vault.</summary>
    [JsonStringEnumMemberName("unknown-vault")] UnknownVault,

    /// <summary>The agent's configuration knows no such database connection.</summary>
    [JsonStringEnumMemberName("unknown-connection")] UnknownConnection,

    /// <summary>The agent's configuration knows no such hook.</summary>
    [JsonStringEnumMemberName("unknown-hook")] UnknownHook,

    /// <summary>A hook before or after a backup failed or took too long.</summary>
    [JsonStringEnumMemberName("hook-failed")] HookFailed,

    /// <summary>What was held for a group's backup did not stay held until the end.</summary>
    [JsonStringEnumMemberName("hold-lost")] HoldLost,

    /// <summary>A path lies outside what the agent's owner allows.</summary>
    [JsonStringEnumMemberName("path-not-allowed")] PathNotAllowed,

    /// <summary>The source does not exist.</summary>
    [JsonStringEnumMemberName("source-missing")] SourceMissing,

    /// <summary>The source cannot be reached now.</summary>
    [JsonStringEnumMemberName("source-unavailable")] SourceUnavailable,

    /// <summary>Reading the source failed.</summary>
    [JsonStringEnumMemberName("source-failed")] SourceFailed,

    /// <summary>The vault's store cannot be reached now.</summary>
    [JsonStringEnumMemberName("vault-unavailable")] VaultUnavailable,

    /// <summary>The vault is damaged.</summary>
    [JsonStringEnumMemberName("vault-damaged")] VaultDamaged,

    /// <summary>The key does not open the vault, or does not allow this.</summary>
    [JsonStringEnumMemberName("key-refused")] KeyRefused,

    /// <summary>The replica's store cannot be reached now.</summary>
    [JsonStringEnumMemberName("replica-unavailable")] ReplicaUnavailable,

    /// <summary>A credential was refused or has expired: submit the order again with a fresh one.</summary>
    [JsonStringEnumMemberName("access-denied")] AccessDenied,

    /// <summary>No space is left on the agent's machine.</summary>
    [JsonStringEnumMemberName("disk-full")] DiskFull,

    /// <summary>The snapshot does not exist, or is not what was ordered, or the log does not lead from it to where the order wants.</summary>
    [JsonStringEnumMemberName("snapshot-missing")] SnapshotMissing,

    /// <summary>The target holds something and overwriting was not ordered, or cannot be written.</summary>
    [JsonStringEnumMemberName("target-unusable")] TargetUnusable,

    /// <summary>What was restored is in place, but the proof found something wrong with it, or could not be made.</summary>
    [JsonStringEnumMemberName("proof-failed")] ProofFailed,

    /// <summary>Somebody stopped the job.</summary>
    [JsonStringEnumMemberName("cancelled")] Cancelled,

    /// <summary>The agent stopped while the job ran.</summary>
    [JsonStringEnumMemberName("interrupted")] Interrupted,

    /// <summary>The agent will not change this key: it is unknown, revoked, its only one, or fixed by the agent's configuration.</summary>
    [JsonStringEnumMemberName("key-change-refused")] KeyChangeRefused,

    /// <summary>A fault in the agent; its log says more.</summary>
    [JsonStringEnumMemberName("internal")] Internal,
}

/// <summary>A failure that crosses the wire.</summary>
public sealed record Failure
{
    /// <summary>What kind of failure.</summary>
    [JsonPropertyName("code")] public required FailureCode Code { get; init; }

    /// <summary>What happened, for people; no secrets.</summary>
    [JsonPropertyName("message")] public required string Message { get; init; }

    /// <summary>What to do about it.</summary>
    [JsonPropertyName("hint")] public string Hint { get; init; } = "";

    /// <summary>True when trying again later may succeed without anybody changing anything.</summary>
    [JsonPropertyName("isTransient")] public bool IsTransient { get; init; }
}
