using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Restores;

namespace Backup.Functions.Groups;

/// <summary>A group to back up as one. Plain data: the input of an orchestration.</summary>
public sealed record GroupRequest
{
    /// <summary>The group's name.</summary>
    public required string Group { get; init; }

    /// <summary>Names the members' runs.</summary>
    public required string Slot { get; init; }

    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }
}

/// <summary>A group as it was when its backup began.</summary>
public sealed record GroupPlan
{
    /// <summary>The members that are backed up, in the group's order; empty when the policy lost the group meanwhile.</summary>
    public required string[] Assets { get; init; }

    /// <summary>What is held, agent by agent in the order of the first member there; empty when no member has hooks.</summary>
    public required GroupHold[] Holds { get; init; }

    /// <summary>After so many seconds agents let go by themselves.</summary>
    public required int HoldSecondsMax { get; init; }

    /// <summary>How long to put up with silence and failure.</summary>
    public required JobPatience Patience { get; init; }
}

/// <summary>What one agent holds.</summary>
/// <param name="Agent">The agent.</param>
/// <param name="Hooks">Hooks before in the members' order, hooks after in the opposite one; a name that several members have is there once.</param>
public sealed record GroupHold(string Agent, BackupHooks Hooks);

/// <summary>What the members' backups came to, to be recorded as one point.</summary>
public sealed record GroupRecord
{
    /// <summary>The backup of the group; also the point's id.</summary>
    public required string Id { get; init; }

    /// <summary>The group.</summary>
    public required string Group { get; init; }

    /// <summary>Who asked.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>The members' runs, in the group's order.</summary>
    public required string[] Runs { get; init; }

    /// <summary>The applications were held still from before the first backup until after the last.</summary>
    public required bool IsHeld { get; init; }

    /// <summary>Why there is no point whatever the runs came to; null when they decide.</summary>
    public JobFailure? Failure { get; init; }

    /// <summary>What went wrong without spoiling the point; null when nothing did.</summary>
    public JobFailure? Beside { get; init; }
}

/// <summary>How a group's backup ended; the output of an orchestration.</summary>
public sealed record GroupOutcome
{
    /// <summary>The group.</summary>
    public required string Group { get; init; }

    /// <summary>The group point, if there is one.</summary>
    public string? GroupPoint { get; init; }

    /// <summary>Why there is none, or what went wrong beside it.</summary>
    public JobFailure? Reason { get; init; }

    /// <summary>How the members' runs ended.</summary>
    public RunOutcome[] Runs { get; init; } = [];
}

/// <summary>A group point to bring back: all members or none. Plain data: the input of an orchestration.</summary>
/// <param name="Restores">One of each member.</param>
public sealed record GroupRestoreRequest(RestoreRequest[] Restores);

/// <summary>How that ended.</summary>
/// <param name="State"><c>succeeded</c> when every member was brought back, otherwise the worst of the members'.</param>
/// <param name="Restores">Each member's.</param>
public sealed record GroupRestoreOutcome(string State, RestoreOutcome[] Restores);
