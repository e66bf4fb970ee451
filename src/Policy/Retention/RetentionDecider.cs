using System.Globalization;

namespace Backup.Policy.Retention;

/// <summary>
/// Decides which recovery points of an asset may go. Pure: the control plane's clock, the rule and the points, nothing else. It
/// deletes nothing and never errs towards deletion.
/// </summary>
public static class RetentionDecider
{
    /// <summary>An agent's clock may differ from the control plane's by this much (a long backup lies between) before its word is no longer taken.</summary>
    public static readonly TimeSpan ClockTrusted = TimeSpan.FromDays(2);

    /// <summary>Decides.</summary>
    /// <param name="asset">Whose points.</param>
    /// <param name="rule">What is kept.</param>
    /// <param name="zone">The site's.</param>
    /// <param name="now">The control plane's clock.</param>
    /// <param name="points">All points of the asset, in any order.</param>
    /// <param name="isFrozen">True: nothing goes, whatever the rule says.</param>
    /// <param name="guards">The standard ones unless given.</param>
    /// <param name="wantedByGroups">Points that stay because of other assets' points: <see cref="GroupRetention"/> finds them.</param>
    /// <exception cref="ArgumentException">Two points have one id.</exception>
    public static RetentionPlan Decide(
        AssetName asset, RetentionRule rule, TimeZoneInfo zone, DateTimeOffset now, IReadOnlyCollection<RetentionPoint> points, bool isFrozen = false, RetentionGuards? guards = null,
        IReadOnlySet<string>? wantedByGroups = null)
    {
        guards ??= RetentionGuards.Standard;
        var all = points.OrderByDescending(p => p.Instant).ThenByDescending(p => p.Id, StringComparer.Ordinal).ToArray();
        var reasons = new KeepReason[all.Length];
        for (var i = 0; i < all.Length; i++)
        {
            reasons[i] |= now - all[i].PublishedAt < rule.ImmutableFor ? KeepReason.Immutable : KeepReason.None;
            reasons[i] |= all[i].HasLegalHold ? KeepReason.LegalHold : KeepReason.None;
            reasons[i] |= isFrozen ? KeepReason.Frozen : KeepReason.None;
            reasons[i] |= wantedByGroups?.Contains(all[i].Id) is true ? KeepReason.Group : KeepReason.None;
        }

        var order = Enumerable.Range(0, all.Length).ToArray();
        Keep(rule, zone, now, all, order, p => p.Instant, reasons);
        if (all.Any(p => !p.IsDateTrusted))
        {
            // Nobody knows which of the two dates is right, so the rule is kept by either: a clock that is years off must not cost a
            // point that the control plane saw come in, and a catalog rebuilt today must not make the points of years look alike.
            Array.Sort(order, (a, b) => Dated(all[b]).CompareTo(Dated(all[a])));
            Keep(rule, zone, now, all, order, Dated, reasons);
        }

        KeepNeeded(all, reasons);

        var gone = reasons.Count(r => r is KeepReason.None);
        var refusal = gone == 0 ? PlanRefusal.None
            : gone == all.Length ? PlanRefusal.DeletesEverything
            : gone > all.Length * guards.ShareMax ? PlanRefusal.DeletesTooMuch
            : PlanRefusal.None;
        return new RetentionPlan(asset, now, [.. all.Select((p, i) => new RetentionVerdict(p, reasons[i]))], refusal, NeedsApproval: gone > guards.ApprovalAbovePoints);

        static DateTimeOffset Dated(RetentionPoint point) => point.IsDateTrusted ? point.Instant : point.PublishedAt;
    }

    /// <summary>Applies the rule to the points as one way of dating them has it; <c>order</c> holds their indexes, newest first.</summary>
    private static void Keep(
        RetentionRule rule, TimeZoneInfo zone, DateTimeOffset now, RetentionPoint[] points, int[] order, Func<RetentionPoint, DateTimeOffset> dateOf, KeepReason[] reasons)
    {
        var at = order.Select(i => dateOf(points[i])).ToArray();
        var local = at.Select(a => TimeZoneInfo.ConvertTime(a, zone).DateTime).ToArray();
        for (var i = 0; i < order.Length; i++)
        {
            reasons[order[i]] |= i < rule.KeepLast ? KeepReason.Last : KeepReason.None;
            reasons[order[i]] |= now - at[i] < rule.KeepWithin ? KeepReason.Within : KeepReason.None;
        }

        // In an hour that a clock change repeats both hours count, so hours are not those of the wall clock's face.
        KeepPeriods(rule.KeepHourly, at, a => a.UtcTicks / TimeSpan.TicksPerHour, KeepReason.Hourly, order, reasons);
        KeepPeriods(rule.KeepDaily, local, l => l.Ticks / TimeSpan.TicksPerDay, KeepReason.Daily, order, reasons);
        KeepPeriods(rule.KeepWeekly, local, l => (ISOWeek.GetYear(l) * 100L) + ISOWeek.GetWeekOfYear(l), KeepReason.Weekly, order, reasons);
        KeepPeriods(rule.KeepMonthly, local, l => (l.Year * 12L) + l.Month, KeepReason.Monthly, order, reasons);
        KeepPeriods(rule.KeepYearly, local, l => l.Year, KeepReason.Yearly, order, reasons);
        KeepContinuous(rule.ContinuousFor, now, points, at, order, reasons);
    }

    /// <summary>Of the newest <paramref name="count"/> periods that have a point, keeps the newest point.</summary>
    private static void KeepPeriods<T>(int count, T[] moments, Func<T, long> periodOf, KeepReason reason, int[] order, KeepReason[] reasons)
    {
        long? last = null;
        for (var i = 0; i < moments.Length && count > 0; i++)
        {
            var period = periodOf(moments[i]);
            if (period != last)
            {
                reasons[order[i]] |= reason;
                last = period;
                count--;
            }
        }
    }

    /// <summary>
    /// Every moment from <paramref name="continuousFor"/> ago until now has to stay restorable as far as it is today: the newest base before that time stays, and of the later
    /// ones each that leads further than those before it. A base whose log is not known might, so it stays as well, and does not count as the one before that time if there is another; where log is points of their own, all of that time stays.
    /// </summary>
    private static void KeepContinuous(TimeSpan continuousFor, DateTimeOffset now, RetentionPoint[] points, DateTimeOffset[] at, int[] order, KeepReason[] reasons)
    {
        if (continuousFor <= TimeSpan.Zero)
        {
            return;
        }

        var begin = now - continuousFor;
        // As far as its log leads, by the clock that dates it here: whoever dated it also dated its log. A future that it claims was a wrong clock's, and says nothing.
        DateTimeOffset? Reach(int i) => points[order[i]] is { LogUntil: { } end } point && end >= point.Instant && at[i] + (end - point.Instant) <= now ? at[i] + (end - point.Instant) : null;

        bool IsBaseBefore(int i) => points[order[i]].NeedsPoint is null && at[i] <= begin;

        var all = Enumerable.Range(0, order.Length);
        var first = all.Where(i => IsBaseBefore(i) && Reach(i) is not null).Append(-1).First();
        first = first >= 0 ? first : all.Where(IsBaseBefore).Append(order.Length - 1).First();
        DateTimeOffset? reached = null;
        for (var i = first; i >= 0; i--)
        {
            var point = points[order[i]];
            var known = Reach(i);
            var until = known ?? at[i];
            if (point.NeedsPoint is not null ? at[i] >= begin : known is null || reached is null || until > reached)
            {
                // A log range from before the beginning is needed only if its base is, and KeepNeeded sees to that.
                reasons[order[i]] |= KeepReason.Continuous;
                reached = reached > until ? reached : until;
            }
        }
    }

    /// <summary>
    /// Bases and their logs are units: what a point that stays needs stays too, and a base that stays keeps its log, since
    /// without it the base can never be brought to a consistent state.
    /// </summary>
    private static void KeepNeeded(RetentionPoint[] points, KeepReason[] reasons)
    {
        var indexes = new Dictionary<string, int>(points.Length, StringComparer.Ordinal);
        var dependents = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        var open = new Stack<int>();
        for (var i = 0; i < points.Length; i++)
        {
            indexes.Add(points[i].Id, i);
            if (points[i].NeedsPoint is { } needed)
            {
                (dependents.TryGetValue(needed, out var list) ? list : dependents[needed] = []).Add(i);
            }

            if (reasons[i] is not KeepReason.None)
            {
                open.Push(i);
            }
        }

        while (open.TryPop(out var i))
        {
            if (points[i].NeedsPoint is { } needed && indexes.TryGetValue(needed, out var baseIndex))
            {
                Keep(baseIndex);
            }

            foreach (var log in dependents.GetValueOrDefault(points[i].Id) ?? [])
            {
                Keep(log);
            }
        }

        void Keep(int index)
        {
            if (reasons[index] is KeepReason.None)
            {
                reasons[index] = KeepReason.Needed;
                open.Push(index);
            }
        }
    }
}
