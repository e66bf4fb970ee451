namespace Backup.Policy.Scheduling;

/// <summary>Decides what to back up and when. Pure: the same policy, clock and facts always give the same answer.</summary>
public static class BackupSchedule
{
    /// <summary>
    /// The assets to start now, most urgent first, at most as many per agent and site as there is room for. Facts of assets that
    /// the policy does not hold still count against nothing and are ignored; an asset without facts was never backed up.
    /// </summary>
    public static IReadOnlyList<DueAsset> DueAssets(
        PolicyDocument policy, DateTimeOffset now, IReadOnlyCollection<AssetFacts> facts, SchedulingMargins? margins = null) =>
        new FleetSchedule(policy, margins).Plan(now, facts).Start;

    /// <summary>When something becomes due if nothing changes and no window interferes; the past when it is due already.</summary>
    public static DateTimeOffset DueAt(UnitFacts facts, TimeSpan rpo, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        if (facts.LastRecoveryPoint is not { } last)
        {
            return DateTimeOffset.MinValue;
        }

        var left = Longer(rpo * margins.RpoShareLeft, (facts.Duration ?? TimeSpan.Zero) * margins.DurationsLeft);
        return last + Longer(rpo - left, rpo * margins.RpoShareBetween);
    }

    /// <summary>How long something that failed waits for its next attempt.</summary>
    public static TimeSpan WaitAfterFailures(int consecutiveFailures, TimeSpan rpo, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        if (consecutiveFailures <= 0)
        {
            return TimeSpan.Zero;
        }

        // 2^20 minutes is beyond every cap; without the bound the shift would overflow.
        var wait = margins.FailureWaitMin * (1L << Math.Min(consecutiveFailures - 1, 20));
        var cap = rpo * margins.FailureWaitRpoShareMax;
        return Longer(margins.FailureWaitMin, wait < cap ? wait : cap);
    }

    /// <summary>
    /// The first instant, not before <paramref name="from"/>, at which the unit is due and allowed to start, as far as limits of
    /// agents and sites do not matter. It is due at <paramref name="from"/> when the answer is <paramref name="from"/> itself.
    /// </summary>
    /// <param name="unit">What to start.</param>
    /// <param name="facts">What is known of it. A moment far in the future was made by a wrong clock and counts as unknown.</param>
    /// <param name="from">The clock.</param>
    /// <param name="margins">The standard ones unless given.</param>
    /// <returns>Null while it runs, and when its calendar never opens again.</returns>
    public static DateTimeOffset? NextStart(ScheduleUnit unit, UnitFacts facts, DateTimeOffset from, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        if (facts.RunningSince is not null)
        {
            return null;
        }

        facts = facts.Believable(unit.Rpo, from, margins);
        var earliest = from;
        if (facts.LastRunEnded is { } ended)
        {
            earliest = Later(earliest, ended + WaitAfterFailures(facts.ConsecutiveFailures, unit.Rpo, margins));
        }

        var due = DueAt(facts, unit.Rpo, margins);
        if (unit.Calendar.IsAlways)
        {
            return Later(earliest, due);
        }

        var regular = StartWithin(unit, facts, earliest, due, margins);
        if (unit.CatchUpCalendar is not { } catchUp || facts.LastRecoveryPoint is not { } last)
        {
            return regular;
        }

        var late = catchUp.Next(Later(earliest, last + unit.Rpo))?.Opens;
        return late is null || regular <= late ? regular : late;
    }

    /// <summary>The last instant from now on at which a start still keeps the objective; in the past when none does.</summary>
    internal static DateTimeOffset LatestStart(ScheduleUnit unit, UnitFacts facts, DateTimeOffset now)
    {
        if (facts.LastRecoveryPoint is not { } last)
        {
            return DateTimeOffset.MinValue;
        }

        var latest = last + unit.Rpo - (facts.Duration ?? TimeSpan.Zero);
        if (unit.Calendar.IsAlways || latest <= now)
        {
            return latest;
        }

        var (allowed, from) = (DateTimeOffset.MinValue, now);
        while (unit.Calendar.Next(from) is { } opening && opening.Opens <= latest)
        {
            if (opening.Closes >= latest)
            {
                return latest;
            }

            (allowed, from) = (opening.Closes, opening.Closes);
        }

        return allowed;
    }

    private static DateTimeOffset? StartWithin(ScheduleUnit unit, UnitFacts facts, DateTimeOffset earliest, DateTimeOffset due, SchedulingMargins margins)
    {
        if (unit.Calendar.Next(earliest) is not { } opening)
        {
            return null;
        }

        if (due < opening.Closes)
        {
            return Later(opening.Opens, due);
        }

        // It comes due after this opening. If waiting for the next one would break the objective, this one is its last chance,
        // unless the last point is too fresh to be repeated.
        var last = facts.LastRecoveryPoint!.Value;
        var chance = Later(opening.Opens, last + (unit.Rpo * margins.RpoShareBetweenLastChance));
        var next = unit.Calendar.Next(opening.Closes);
        var isLastChance = next is null || Later(next.Value.Opens, due) + ((facts.Duration ?? TimeSpan.Zero) * margins.DurationsLeft) > last + unit.Rpo;
        if (isLastChance && chance < opening.Closes)
        {
            return chance;
        }

        return unit.Calendar.Next(due) is { } later ? later.Opens : null;
    }

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
