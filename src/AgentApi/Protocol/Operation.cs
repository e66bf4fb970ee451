using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>The closed list of what an agent can be asked. Wire names are fixed; numbers are not used on the wire.</summary>
[JsonConverter(typeof(WireEnum<Operation>))]
public enum Operation
{
    /// <summary>Back up one asset into a vault. A job.</summary>
    [JsonStringEnumMemberName("backup")] Backup,

    /// <summary>Bring a snapshot back. A job.</summary>
    [JsonStringEnumMemberName("restore")] Restore,

    /// <summary>Copy new store objects to a replica. A job.</summary>
    [JsonStringEnumMemberName("replicate")] Replicate,

    /// <summary>Drop snapshots and free what none needs. A job, of agents that hold the key for it only.</summary>
    [JsonStringEnumMemberName("prune")] Prune,

    /// <summary>Hold applications still while several assets are backed up. A job.</summary>
    [JsonStringEnumMemberName("hold")] Hold,

    /// <summary>Let go what is held. A job.</summary>
    [JsonStringEnumMemberName("release")] Release,

    /// <summary>Read what a vault, or a copy of one, holds, and mend what is damaged. A job.</summary>
    [JsonStringEnumMemberName("verify")] Verify,

    /// <summary>Remove from a copy on another node what its vault dropped. A job.</summary>
    [JsonStringEnumMemberName("tidy")] Tidy,

    /// <summary>Which packs a restore would read. A job.</summary>
    [JsonStringEnumMemberName("survey")] Survey,

    /// <summary>Where a job stands. A query.</summary>
    [JsonStringEnumMemberName("job")] Job,

    /// <summary>Stop a job. A query: repeating it changes nothing.</summary>
    [JsonStringEnumMemberName("cancel")] Cancel,

    /// <summary>How the agent is. A query.</summary>
    [JsonStringEnumMemberName("health")] Health,

    /// <summary>What a vault holds. A query.</summary>
    [JsonStringEnumMemberName("snapshots")] Snapshots,

    /// <summary>Which packs prune has deleted lately. A query.</summary>
    [JsonStringEnumMemberName("deletions")] Deletions,

    /// <summary>The packs that a survey found. A query.</summary>
    [JsonStringEnumMemberName("survey-packs")] SurveyPacks,

    /// <summary>What the agent can be asked for. A query.</summary>
    [JsonStringEnumMemberName("inventory")] Inventory,

    /// <summary>The newest lines of the agent's log. A query.</summary>
    [JsonStringEnumMemberName("log")] Log,

    /// <summary>How much of each database would be lost now. A query.</summary>
    [JsonStringEnumMemberName("rpo")] Rpo,

    /// <summary>Make a new key pair. A query: repeating it gives the same pair.</summary>
    [JsonStringEnumMemberName("rotate-agent-key")] RotateAgentKey,

    /// <summary>Trust another control plane key. A query: repeating it changes nothing.</summary>
    [JsonStringEnumMemberName("trust-control-plane-key")] TrustControlPlaneKey,

    /// <summary>Never trust a control plane key again. A query: repeating it changes nothing.</summary>
    [JsonStringEnumMemberName("revoke-control-plane-key")] RevokeControlPlaneKey,
}

/// <summary>What follows from an operation.</summary>
public static class Operations
{
    /// <summary>True for operations that start a job, which an agent journals before it answers.</summary>
    public static bool IsJob(this Operation operation) => operation.PayloadType().IsAssignableTo(typeof(JobOrder));

    /// <summary>The type of the operation's payload.</summary>
    public static Type PayloadType(this Operation operation) => OrderWords.PayloadType(operation).Type;
}

/// <summary>Enumerations travel by their declared names only; a number would let a reordering change meanings silently.</summary>
internal sealed class WireEnum<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;
