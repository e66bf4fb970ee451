using System.Text.Json.Serialization;
using Backup.AgentApi;

namespace Backup.Functions.Agents;

/// <summary>What one question to an agent led to.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AgentSaysKind>))]
public enum AgentSaysKind
{
    /// <summary>Nothing came back.</summary>
    Silent,

    /// <summary>The agent, or off-site storage before it, will not do it; it may later when the failure is transient.</summary>
    Refused,

    /// <summary>The job is queued or running.</summary>
    Working,

    /// <summary>The job has ended, one way or another.</summary>
    Ended,
}

/// <summary>The answer to one question; stored in orchestration histories.</summary>
public sealed record AgentSays
{
    /// <summary>Which of the fields below counts.</summary>
    public required AgentSaysKind Kind { get; init; }

    /// <summary>With <see cref="AgentSaysKind.Working"/> and <see cref="AgentSaysKind.Ended"/>.</summary>
    public JobReport? Report { get; init; }

    /// <summary>With <see cref="AgentSaysKind.Silent"/> and <see cref="AgentSaysKind.Refused"/>.</summary>
    public JobFailure? Failure { get; init; }

    /// <summary>Asking again later may help.</summary>
    public bool IsTransient { get; init; }
}
