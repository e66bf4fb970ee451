namespace Backup.Policy.Scheduling;

/// <summary>A unit that is due, with what decides when its turn comes.</summary>
/// <param name="Unit">The unit.</param>
/// <param name="Facts">What is known of it.</param>
/// <param name="LatestStart">When it has to start to end in time; the beginning of time when it was never backed up.</param>
internal sealed record Candidate(ScheduleUnit Unit, UnitFacts Facts, DateTimeOffset LatestStart)
{
    public TimeSpan Expected { get; } = Facts.Duration ?? TimeSpan.Zero;

    /// <summary>Set when not everything can be in time and this is among the victims.</summary>
    public bool IsDeferred { get; set; }
}

/// <summary>
/// Chooses which due units start when there are more than lanes. Whoever has to start first goes first; when a projection shows
/// that not everybody can end in time, units of the lowest class, and of those the longest, step back until the rest can.
/// </summary>
internal static class LaneAdmission
{
    /// <summary>Splits the candidates into those to start and those that wait, both in the order of their turn.</summary>
    public static (List<Candidate> Start, List<Candidate> Wait) Admit(
        DateTimeOffset now, IReadOnlyCollection<Candidate> candidates, Occupancy occupancy, SchedulingMargins margins)
    {
        var ordered = candidates.ToList();
        ordered.Sort(ByLatestStart);
        if (ordered.Count > 1)
        {
            foreach (var lanes in ordered.SelectMany(c => c.Unit.Needs).SelectMany(WithSite).Distinct().ToList())
            {
                DeferVictims(lanes, now, ordered, occupancy.On(lanes));
            }
        }

        var room = new Dictionary<Lanes, int>();
        var (start, wait) = (new List<Candidate>(), new List<Candidate>());
        foreach (var candidate in ordered.OrderBy(c => c.IsDeferred).ThenBy(c => c.IsDeferred ? c.Unit.Priority : 0))
        {
            if (Fits(candidate, room, occupancy, margins))
            {
                start.Add(candidate);
                Take(candidate.Unit.Needs, room);
            }
            else
            {
                wait.Add(candidate);
                if (candidate.Unit.IsGroup)
                {
                    // Single assets would take each lane as it becomes free, and the group would never find enough at once.
                    Hold(candidate.Unit.Needs, room);
                }
            }
        }

        return (start, wait);
    }

    /// <summary>True when the run would keep nobody more important waiting too long, whatever else runs.</summary>
    public static bool BlocksNobody(Candidate candidate, Lanes lanes, SchedulingMargins margins) =>
        lanes.Blocked(candidate.Unit.Priority, candidate.Facts.Duration, margins.BlockedRpoShareMax).Classes == 0;

    /// <summary>
    /// For each more important class that the run would keep waiting too long, another lane has to be free, or taken by a run so
    /// short that it is free in time. When a long run will end is known too badly to count on it, however near that looks.
    /// </summary>
    private static bool LeavesLanes(Candidate candidate, Lanes lanes, int needed, int left, Occupancy occupancy, SchedulingMargins margins)
    {
        var (classes, patience) = lanes.Blocked(candidate.Unit.Priority, candidate.Facts.Duration, margins.BlockedRpoShareMax);
        if (classes == 0)
        {
            return true;
        }

        var others = left - needed;
        foreach (var run in occupancy.On(lanes))
        {
            others += run.Expected > TimeSpan.Zero && run.Expected <= patience ? 1 : 0;
        }

        // It has to run at some time: where there is one lane, or more classes than lanes, it may have one all the same.
        return others >= Math.Min(classes, lanes.Total - needed);
    }

    private static bool Fits(Candidate candidate, Dictionary<Lanes, int> room, Occupancy occupancy, SchedulingMargins margins)
    {
        foreach (var (agent, count) in candidate.Unit.Needs)
        {
            for (var lanes = agent; lanes is not null; lanes = lanes.Site)
            {
                if (!room.TryGetValue(lanes, out var left))
                {
                    room.Add(lanes, left = lanes.Total - occupancy.On(lanes).Count);
                }

                var needed = lanes == agent ? count : candidate.Unit.Assets.Count;
                if (left < needed || !LeavesLanes(candidate, lanes, needed, left, occupancy, margins))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static void Take(IReadOnlyList<(Lanes Lanes, int Count)> needs, Dictionary<Lanes, int> room)
    {
        foreach (var (agent, count) in needs)
        {
            for (var lanes = agent; lanes is not null; lanes = lanes.Site)
            {
                room[lanes] -= count;
            }
        }
    }

    private static void Hold(IReadOnlyList<(Lanes Lanes, int Count)> needs, Dictionary<Lanes, int> room)
    {
        foreach (var (agent, _) in needs)
        {
            room[agent] = 0;
        }
    }

    private static int ByLatestStart(Candidate a, Candidate b)
    {
        var order = a.LatestStart.CompareTo(b.LatestStart);
        order = order != 0 ? order : a.Unit.Priority.CompareTo(b.Unit.Priority);
        order = order != 0 ? order : a.Unit.Rpo.CompareTo(b.Unit.Rpo);
        return order != 0 ? order : string.CompareOrdinal(a.Unit.Name, b.Unit.Name);
    }

    private static IEnumerable<Lanes> WithSite((Lanes Lanes, int Count) need) => need.Lanes.Site is { } site ? [need.Lanes, site] : [need.Lanes];

    /// <summary>
    /// Walks through the candidates by their latest start over the lanes as they become free. Whenever one could not start in
    /// time, the least important of those so far steps back. One that is late already counts as having to start now.
    /// </summary>
    private static void DeferVictims(Lanes lanes, DateTimeOffset now, List<Candidate> ordered, IReadOnlyList<BusyLane> busy)
    {
        var contenders = ordered.Where(c => !c.IsDeferred && CountOn(c, lanes) > 0).ToList();
        if (busy.Count >= lanes.Total || contenders.Sum(c => CountOn(c, lanes)) <= lanes.Total - busy.Count)
        {
            // Nothing can start here, or everything can.
            return;
        }

        // Whose promise is broken already steps behind more important ones whose promise can still be kept.
        var mostImportantInTime = contenders.Where(c => c.LatestStart > now).Min(c => (int?)c.Unit.Priority);
        contenders.Where(c => c.LatestStart <= now && c.Unit.Priority > mostImportantInTime).ToList().ForEach(c => c.IsDeferred = true);

        var kept = new List<Candidate>();
        var free = FreeFrom(lanes, now, busy);
        foreach (var candidate in contenders.Where(c => !c.IsDeferred))
        {
            if (TryAssign(free, candidate, lanes, now))
            {
                kept.Add(candidate);
                continue;
            }

            var victim = kept.Append(candidate).MaxBy(c => (c.Unit.Priority, c.Expected))!;
            victim.IsDeferred = true;
            if (victim != candidate)
            {
                // Usually the rest fits now; where a shorter run does not make up for it, whoever is too late steps back as well.
                kept.Remove(victim);
                kept.Add(candidate);
                free = FreeFrom(lanes, now, busy);
                kept.RemoveAll(c => !TryAssign(free, c, lanes, now) && (c.IsDeferred = true));
            }
        }
    }

    private static DateTimeOffset[] FreeFrom(Lanes lanes, DateTimeOffset now, IReadOnlyList<BusyLane> busy)
    {
        var free = new DateTimeOffset[lanes.Total];
        for (var i = 0; i < free.Length; i++)
        {
            free[i] = i < busy.Count && busy[i].End > now ? busy[i].End : now;
        }

        return free;
    }

    /// <summary>Gives the candidate the lanes that become free first.</summary>
    /// <returns>False, with nothing changed, when that is too late for it.</returns>
    private static bool TryAssign(DateTimeOffset[] free, Candidate candidate, Lanes lanes, DateTimeOffset now)
    {
        Array.Sort(free);
        var count = Math.Min(CountOn(candidate, lanes), free.Length);
        var start = free[count - 1];
        if (start > (candidate.LatestStart > now ? candidate.LatestStart : now))
        {
            return false;
        }

        Array.Fill(free, start + candidate.Expected, 0, count);
        return true;
    }

    private static int CountOn(Candidate candidate, Lanes lanes)
    {
        var count = 0;
        foreach (var (agent, needed) in candidate.Unit.Needs)
        {
            count += agent == lanes || agent.Site == lanes ? needed : 0;
        }

        return count;
    }
}
