namespace Backup.Policy.Scheduling;

/// <summary>What starts as one: a single asset, or a group whose members start together or not at all.</summary>
/// <param name="Name">The asset's or the group's.</param>
/// <param name="Assets">The enabled members; at least one.</param>
/// <param name="Rpo">The shortest of its members'.</param>
/// <param name="Priority">The most important of its members'; 1 is served first.</param>
/// <param name="Calendar">Open when every member may start.</param>
/// <param name="CatchUpCalendar">Open when a unit that is late may start; null when it waits for its window all the same.</param>
public sealed record ScheduleUnit(
    string Name, IReadOnlyList<Asset> Assets, TimeSpan Rpo, int Priority, StartCalendar Calendar, StartCalendar? CatchUpCalendar)
{
    /// <summary>The agents it needs, each with the number of backups it runs there.</summary>
    internal IReadOnlyList<(Lanes Lanes, int Count)> Needs { get; init; } = [];

    /// <summary>It is more than one backup.</summary>
    public bool IsGroup => Assets.Count > 1;
}

/// <summary>What is known of a unit: its asset's facts, or for a group the worst of its members'.</summary>
/// <param name="LastRecoveryPoint">The newest recovery point's moment of consistency; of a group, its most outdated member's; null when one has none.</param>
/// <param name="LastRunEnded">When the newest finished run ended.</param>
/// <param name="Duration">How long the next run is expected to take; null when nobody knows.</param>
/// <param name="ConsecutiveFailures">Failed runs since the last one that left a recovery point.</param>
/// <param name="RunningSince">When the open run was opened; null when there is none.</param>
public readonly record struct UnitFacts(
    DateTimeOffset? LastRecoveryPoint, DateTimeOffset? LastRunEnded, TimeSpan? Duration, int ConsecutiveFailures, DateTimeOffset? RunningSince)
{
    /// <summary>The facts of one asset.</summary>
    public static UnitFacts Of(AssetFacts facts) =>
        new(facts.LastRecoveryPoint, facts.LastRunEnded, facts.Duration, facts.ConsecutiveFailures, facts.RunningSince);

    /// <summary>The facts of a group: as outdated, as slow, as busy and as unlucky as the worst of its members.</summary>
    /// <param name="members">At least one.</param>
    public static UnitFacts OfGroup(IReadOnlyCollection<UnitFacts> members) => new(
        members.Any(m => m.LastRecoveryPoint is null) ? null : members.Min(m => m.LastRecoveryPoint),
        members.Max(m => m.LastRunEnded),
        members.Max(m => m.Duration),
        members.Max(m => m.ConsecutiveFailures),
        members.Min(m => m.RunningSince));

    /// <summary>A moment far in the future was made by a clock that was wrong; believing it would stop backups until that day.</summary>
    internal UnitFacts Believable(TimeSpan rpo, DateTimeOffset now, SchedulingMargins margins)
    {
        var latest = now + (rpo * margins.RpoShareBetween);
        return LastRecoveryPoint > latest || LastRunEnded > latest
            ? this with
            {
                LastRecoveryPoint = LastRecoveryPoint > latest ? null : LastRecoveryPoint,
                LastRunEnded = LastRunEnded > latest ? null : LastRunEnded,
            }
            : this;
    }
}
