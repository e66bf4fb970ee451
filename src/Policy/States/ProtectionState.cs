namespace Backup.Policy.States;

/// <summary>Whether an asset's promise is kept.</summary>
public enum ProtectionState
{
    /// <summary>No recovery point exists.</summary>
    Unprotected,

    /// <summary>The newest recovery point is within the objective.</summary>
    Protected,

    /// <summary>The newest recovery point is older than the objective.</summary>
    Late,
}

/// <summary>
/// An asset's state is never stored: it follows from facts and the clock, so nothing can forget to update it.
/// </summary>
public static class ProtectionStates
{
    /// <summary>The state that follows from the newest recovery point and the clock. A point from the future (a clock that was put back) protects.</summary>
    public static ProtectionState Assess(DateTimeOffset now, DateTimeOffset? lastRecoveryPoint, TimeSpan rpo) =>
        lastRecoveryPoint is not { } instant ? ProtectionState.Unprotected
        : now - instant <= rpo ? ProtectionState.Protected
        : ProtectionState.Late;
}
