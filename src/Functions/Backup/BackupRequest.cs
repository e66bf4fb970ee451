using Backup.Functions.Agents;

namespace Backup.Functions.Backups;

/// <summary>A backup to run. Plain data: the input of an orchestration.</summary>
public sealed record BackupRequest
{
    /// <summary>The asset's name.</summary>
    public required string Asset { get; init; }

    /// <summary>Who asked: the schedule, or the API.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>The backup of a group that this one belongs to: it runs the hooks, and is told when the snapshot is made; null for a backup of its own.</summary>
    public string? Group { get; init; }

    /// <summary>What the snapshot shall say beside what it is: to which group point it belongs.</summary>
    public Dictionary<string, string> Tags { get; init; } = [];
}

/// <summary>Several backups to run. Plain data: the input of an orchestration.</summary>
public sealed record FleetRequest
{
    /// <summary>The minute that names the runs, <c>yyyyMMddTHHmm</c> in UTC.</summary>
    public required string Slot { get; init; }

    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>What to back up, most urgent first.</summary>
    public required FleetMember[] Members { get; init; }

    /// <summary>Whoever has no lane by then is left to the next fleet, which decides anew; null: everybody gets a turn.</summary>
    public DateTimeOffset? StartUntil { get; init; }
}

/// <summary>One asset of a fleet.</summary>
/// <param name="Asset">Its name.</param>
/// <param name="Agent">Its agent's name.</param>
/// <param name="Lanes">How many backups of this fleet that agent runs at once.</param>
/// <param name="Group">The group it starts with, as one; null for an asset of its own.</param>
public sealed record FleetMember(string Asset, string Agent, int Lanes, string? Group = null);

/// <summary>How a run ended; the output of an orchestration.</summary>
public sealed record RunOutcome
{
    /// <summary>The run; when the asset was busy, the run that kept it so.</summary>
    public required string Run { get; init; }

    /// <summary>The asset.</summary>
    public required string Asset { get; init; }

    /// <summary>A final run state in small letters, or <c>skipped</c>.</summary>
    public required string State { get; init; }

    /// <summary>The recovery point, if there is one.</summary>
    public string? RecoveryPoint { get; init; }

    /// <summary>Why it is not a success.</summary>
    public JobFailure? Reason { get; init; }
}

/// <summary>What a run does: the policy as it was when the run was opened, so that a changed policy never changes a run under way.</summary>
public sealed record BackupPlan
{
    /// <summary>The run.</summary>
    public required string Run { get; init; }

    /// <summary>The agent.</summary>
    public required string Agent { get; init; }

    /// <summary>What the agent shall do.</summary>
    public required BackupTask Task { get; init; }

    /// <summary>Where copies go.</summary>
    public required ReplicaPlace[] Places { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }

    /// <summary>The priority of the asset's service class, 1 before 9; null in plans of earlier releases.</summary>
    public int? ClassPriority { get; init; }
}

/// <summary>Opening a run led to a plan, or to an outcome at once; exactly one is set.</summary>
public sealed record RunOpened
{
    /// <summary>What to do.</summary>
    public BackupPlan? Plan { get; init; }

    /// <summary>Nothing is left to do.</summary>
    public RunOutcome? Outcome { get; init; }
}

/// <summary>A receipt to publish.</summary>
public sealed record PublishRequest
{
    /// <summary>The plan.</summary>
    public required BackupPlan Plan { get; init; }

    /// <summary>The agent's result.</summary>
    public required AgentApi.BackupResult Result { get; init; }
}

/// <summary>The recovery point, or why there is none; exactly one is set.</summary>
public sealed record PublishOutcome
{
    /// <summary>The recovery point's id.</summary>
    public string? RecoveryPoint { get; init; }

    /// <summary>Why there is none.</summary>
    public JobFailure? Refusal { get; init; }
}

/// <summary>How to end a run.</summary>
public sealed record RunEnding
{
    /// <summary>The run.</summary>
    public required string Run { get; init; }

    /// <summary>A final run state in small letters.</summary>
    public required string State { get; init; }

    /// <summary>Why; null only for a success.</summary>
    public JobFailure? Reason { get; init; }
}
