namespace Backup.Policy.States;

/// <summary>Where one attempt to back up an asset stands.</summary>
public enum RunState
{
    /// <summary>Recorded, not yet ordered.</summary>
    Queued,

    /// <summary>Ordered from the agent.</summary>
    Running,

    /// <summary>A recovery point of the whole asset was published and every required replica checked. Final.</summary>
    Succeeded,

    /// <summary>A recovery point was published; some files were unreadable or some replica is missing. Final.</summary>
    Partial,

    /// <summary>No recovery point. Final.</summary>
    Failed,

    /// <summary>A person stopped it; no recovery point. Final.</summary>
    Cancelled,
}

/// <summary>The state machine of runs: pure, and the only place that knows which changes are allowed.</summary>
public static class RunStates
{
    /// <summary>True when a run may go from one state to the other. No state follows a final one; staying is not a change.</summary>
    public static bool Allows(RunState from, RunState to) => (from, to) switch
    {
        (RunState.Queued, RunState.Running or RunState.Failed or RunState.Cancelled) => true,
        (RunState.Running, RunState.Succeeded or RunState.Partial or RunState.Failed or RunState.Cancelled) => true,
        _ => false,
    };

    /// <summary>True for states that nothing follows.</summary>
    public static bool IsFinal(RunState state) => state is not (RunState.Queued or RunState.Running);

    /// <summary>True for the outcomes that leave a recovery point behind.</summary>
    public static bool HasRecoveryPoint(RunState state) => state is RunState.Succeeded or RunState.Partial;
}
