namespace Backup.Policy.Protection;

/// <summary>How a recovery point objective stands.</summary>
public enum RpoState
{
    /// <summary>Well within it.</summary>
    Kept,

    /// <summary>Still kept, but not for long if nothing changes.</summary>
    AtRisk,

    /// <summary>More would be lost now than was promised.</summary>
    Broken,
}

/// <summary>When an objective that is kept by continuous log becomes a matter for people.</summary>
public static class RpoRisk
{
    /// <summary>At risk from here on: log is seconds old while all is well, so half of the time is both a sure sign and time enough to act.</summary>
    public const double RiskShare = 0.5;

    /// <summary>Over only below this: a clock that hovers about the threshold is one episode, not many.</summary>
    public const double RecoveredShare = 0.25;

    /// <summary>The state of an objective.</summary>
    /// <param name="age">How old the newest restorable moment is.</param>
    /// <param name="rpo">How old it may be.</param>
    public static RpoState Assess(TimeSpan age, TimeSpan rpo) => age > rpo ? RpoState.Broken : age >= rpo * RiskShare ? RpoState.AtRisk : RpoState.Kept;

    /// <summary>Whether an episode of risk is over.</summary>
    public static bool IsOver(TimeSpan age, TimeSpan rpo) => age < rpo * RecoveredShare;
}
