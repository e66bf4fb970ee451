namespace Backup.Policy.Scheduling;

/// <summary>The safety margins of scheduling, each with its reason.</summary>
public sealed record SchedulingMargins
{
    /// <summary>The margins every production schedule uses.</summary>
    public static readonly SchedulingMargins Standard = new();

    /// <summary>A backup starts when at least this share of the RPO is left: a failed first attempt must have time for a second.</summary>
    public double RpoShareLeft { get; init; } = 0.25;

    /// <summary>…or this many times the expected duration, if that is longer: a run that grows must still end in time.</summary>
    public double DurationsLeft { get; init; } = 2;

    /// <summary>No scheduled backup starts before this share of the RPO has passed: slow assets must not be backed up back to back.</summary>
    public double RpoShareBetween { get; init; } = 0.5;

    /// <summary>
    /// …except in an opening that is the last chance before the objective breaks: there this share has to have passed. Smaller,
    /// because a backup at the beginning of tonight's window has to be repeated before its end when the next one opens too late.
    /// </summary>
    public double RpoShareBetweenLastChance { get; init; } = 0.25;

    /// <summary>The wait after a first failure; it doubles with each further one. The timer ticks each minute, so less would mean nothing.</summary>
    public TimeSpan FailureWaitMin { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The wait after failures never exceeds this share of the RPO: a repaired agent must not wait for hours.</summary>
    public double FailureWaitRpoShareMax { get; init; } = 0.25;

    /// <summary>
    /// A run that is expected to take longer than this share of a more important class's RPO leaves a lane free for that class:
    /// one that becomes due meanwhile must not find every lane taken for hours.
    /// </summary>
    public double BlockedRpoShareMax { get; init; } = 0.1;

    /// <summary>Assets that may wait behind each lane of a fleet for their turn within its minute. It bounds the fleet's history.</summary>
    public int QueuedPerLaneMax { get; init; } = 20;
}
