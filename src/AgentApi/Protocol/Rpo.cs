using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>How much would be lost now, of every database whose log the agent receives?</summary>
public sealed record RpoQuery : OrderPayload<RpoReadings>
{
    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Rpo;

    internal override void Check(ContractCheck check)
    {
        // Nothing to break: the query has no fields.
    }
}

/// <summary>The agent's RPO clocks.</summary>
public sealed record RpoReadings
{
    /// <summary>One for each database whose log is received.</summary>
    [JsonPropertyName("readings")] public required IReadOnlyList<RpoReading> Readings { get; init; }
}

/// <summary>One RPO clock, read when the answer was made.</summary>
public sealed record RpoReading
{
    /// <summary>The database's asset.</summary>
    [JsonPropertyName("asset")] public required string Asset { get; init; }

    /// <summary>
    /// How old the newest restorable moment is, in seconds: a length of time, so that no two clocks are compared. Null while it is not known, as after a
    /// start or before the first base backup: what was known before still holds, and grows older.
    /// </summary>
    [JsonPropertyName("ageSeconds")] public double? AgeSeconds { get; init; }

    /// <summary>Behind the last byte of log in the vault, as PostgreSQL prints it.</summary>
    [JsonPropertyName("durableLsn")] public string? DurableLsn { get; init; }

    /// <summary>Behind the last byte of log on the server's disk; null while it cannot be asked.</summary>
    [JsonPropertyName("serverLsn")] public string? ServerLsn { get; init; }

    /// <summary>Log that the server keeps for the agent; null while it cannot be asked.</summary>
    [JsonPropertyName("slotBytes")] public long? SlotBytes { get; init; }

    /// <summary>What stands in the way, for people; null when nothing does.</summary>
    [JsonPropertyName("problem")] public string? Problem { get; init; }
}
