using Backup.Functions.Agents;

namespace Backup.Functions.Restores;

/// <summary>A restore to run, already resolved: which point, from where, to where. Plain data: the input of an orchestration.</summary>
public sealed record RestoreRequest
{
    /// <summary>In place of a moment: everything that the log holds.</summary>
    public const string Latest = "latest";

    /// <summary>The recovery point's id.</summary>
    public required string RecoveryPoint { get; init; }

    /// <summary>The agent that writes the restored data.</summary>
    public required string Agent { get; init; }

    /// <summary>What that agent shall do.</summary>
    public required RestoreTask Task { get; init; }

    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>The point's dump is brought back, as files, in place of the cluster.</summary>
    public bool IsDump { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>How to end a restore.</summary>
public sealed record RestoreEnding
{
    /// <summary>The restore.</summary>
    public required string Restore { get; init; }

    /// <summary>A final state in small letters.</summary>
    public required string State { get; init; }

    /// <summary>What the agent brought back.</summary>
    public AgentApi.RestoreResult? Result { get; init; }

    /// <summary>Why it is no success.</summary>
    public JobFailure? Reason { get; init; }
}

/// <summary>How a restore ended; the output of an orchestration.</summary>
public sealed record RestoreOutcome
{
    /// <summary>The restore.</summary>
    public required string Restore { get; init; }

    /// <summary>Its state in small letters; final unless opening it showed that it had not ended.</summary>
    public required string State { get; init; }

    /// <summary>Why it is no success.</summary>
    public JobFailure? Reason { get; init; }
}
