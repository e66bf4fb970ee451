namespace Backup.Policy.Scheduling;

/// <summary>A policy prepared for scheduling: units, calendars and limits resolved once, then asked each minute. Immutable.</summary>
public sealed class FleetSchedule
{
    private readonly SchedulingMargins _margins;
    private readonly Dictionary<AgentName, Lanes> _lanes;
    private readonly Dictionary<AssetName, Asset> _assets;
    private readonly Dictionary<AssetName, TimeSpan> _rpos;

    /// <summary>Prepares a policy.</summary>
    public FleetSchedule(PolicyDocument policy, SchedulingMargins? margins = null)
    {
        _margins = margins ?? SchedulingMargins.Standard;
        var sites = policy.Sites.ToDictionary(s => s.Name);
        var siteLanes = policy.Sites.Where(s => s.Concurrency is not null).ToDictionary(s => s.Name, s => new Lanes(s.Concurrency!.Value, site: null));
        var agents = policy.Agents.ToDictionary(a => a.Name);
        var classes = policy.ServiceClasses.ToDictionary(c => c.Name);
        _lanes = policy.Agents.ToDictionary(a => a.Name, a => new Lanes(a.Concurrency, siteLanes.GetValueOrDefault(a.Site)));
        _assets = policy.Assets.ToDictionary(a => a.Name);
        _rpos = policy.Assets.ToDictionary(a => a.Name, a => classes[a.ServiceClass].Rpo);

        var grouped = policy.Groups.SelectMany(g => g.Assets).ToHashSet();
        var units = policy.Groups.Select(g => (Name: g.Name.Value, Assets: g.Assets.Select(a => _assets[a]).Where(a => a.Enabled).ToArray()))
            .Concat(policy.Assets.Where(a => a.Enabled && !grouped.Contains(a.Name)).Select(a => (Name: a.Name.Value, Assets: new[] { a })))
            .Where(u => u.Assets.Length > 0);
        Units = [.. units.Select(u => Unit(u.Name, u.Assets, a => sites[agents[a.Agent].Site], a => classes[a.ServiceClass]))];
    }

    /// <summary>Everything that is scheduled: groups first, then assets outside groups, in file order. Disabled assets are not here.</summary>
    public IReadOnlyList<ScheduleUnit> Units { get; }

    /// <summary>What this minute's fleet does.</summary>
    /// <param name="now">The clock.</param>
    /// <param name="facts">Facts of assets that the policy does not hold are ignored; an asset without facts was never backed up.</param>
    public FleetPlan Plan(DateTimeOffset now, IReadOnlyCollection<AssetFacts> facts)
    {
        var known = facts.ToDictionary(f => f.Asset);
        var occupancy = new Occupancy();
        foreach (var fact in facts.Where(f => f.IsRunning && _assets.ContainsKey(f.Asset)))
        {
            var expected = fact.Duration ?? TimeSpan.Zero;
            occupancy.Add(_lanes[_assets[fact.Asset].Agent], new BusyLane(fact.RunningSince!.Value + expected, expected));
        }

        var due = Units.Select(unit => (Unit: unit, Facts: FactsOf(unit, known)))
            .Where(u => BackupSchedule.NextStart(u.Unit, u.Facts, now, _margins) == now)
            .Select(u => CandidateOf(u.Unit, u.Facts, now))
            .ToArray();
        var (start, wait) = Admit(now, due, occupancy);
        return new FleetPlan(
            [.. start.SelectMany(c => c.Unit.Assets).Select(a => Due(a, known, now))],
            [.. Queue(start, wait).Select(c => Due(c.Unit.Assets[0], known, now))]);
    }

    internal Candidate CandidateOf(ScheduleUnit unit, UnitFacts facts, DateTimeOffset now)
    {
        facts = facts.Believable(unit.Rpo, now, _margins);
        return new Candidate(unit, facts, BackupSchedule.LatestStart(unit, facts, now));
    }

    internal (List<Candidate> Start, List<Candidate> Wait) Admit(DateTimeOffset now, IReadOnlyCollection<Candidate> due, Occupancy occupancy) =>
        LaneAdmission.Admit(now, due, occupancy, _margins);

    private ScheduleUnit Unit(string name, Asset[] assets, Func<Asset, Site> siteOf, Func<Asset, ServiceClass> classOf)
    {
        var rpo = assets.Min(a => classOf(a).Rpo);
        var priority = assets.Min(a => classOf(a).Priority);
        var needs = assets.GroupBy(a => a.Agent).Select(g => (_lanes[g.Key], g.Count())).ToArray();
        foreach (var (agent, _) in needs)
        {
            agent.AddUser(priority, rpo);
            agent.Site?.AddUser(priority, rpo);
        }

        var catchesUp = assets.Any(a => a.Window is { CatchUp: true }) && assets.All(a => a.Window is null or { CatchUp: true });
        return new ScheduleUnit(
            name,
            assets,
            rpo,
            priority,
            CalendarOf(assets, siteOf, classOf, windows: true),
            catchesUp ? CalendarOf(assets, siteOf, classOf, windows: false) : null)
        { Needs = needs };
    }

    private static StartCalendar CalendarOf(Asset[] assets, Func<Asset, Site> siteOf, Func<Asset, ServiceClass> classOf, bool windows) =>
        StartCalendar.Both(assets.Select(a => StartCalendar.Of(siteOf(a), windows ? a.Window : null, classOf(a).IgnoresBlackout)));

    private static UnitFacts FactsOf(ScheduleUnit unit, Dictionary<AssetName, AssetFacts> known)
    {
        if (!unit.IsGroup)
        {
            return FactsOf(unit.Assets[0], known);
        }

        return UnitFacts.OfGroup([.. unit.Assets.Select(a => FactsOf(a, known))]);
    }

    private static UnitFacts FactsOf(Asset asset, Dictionary<AssetName, AssetFacts> known) =>
        known.TryGetValue(asset.Name, out var facts) ? UnitFacts.Of(facts) : default;

    /// <summary>
    /// Those that wait, for the agents that get lanes now. A run that would block someone is left out, and so is a group:
    /// which lane becomes free when is not known here.
    /// </summary>
    private IEnumerable<Candidate> Queue(List<Candidate> start, List<Candidate> wait)
    {
        var places = start.SelectMany(c => c.Unit.Needs).GroupBy(n => n.Lanes).ToDictionary(g => g.Key, g => g.Sum(n => n.Count) * _margins.QueuedPerLaneMax);
        foreach (var candidate in wait.Where(c => !c.Unit.IsGroup))
        {
            var lanes = candidate.Unit.Needs[0].Lanes;
            if (places.GetValueOrDefault(lanes) > 0
                && LaneAdmission.BlocksNobody(candidate, lanes, _margins)
                && (lanes.Site is null || LaneAdmission.BlocksNobody(candidate, lanes.Site, _margins)))
            {
                places[lanes]--;
                yield return candidate;
            }
        }
    }

    private DueAsset Due(Asset asset, Dictionary<AssetName, AssetFacts> known, DateTimeOffset now)
    {
        var rpo = _rpos[asset.Name];
        var last = FactsOf(asset, known).Believable(rpo, now, _margins).LastRecoveryPoint;
        return new DueAsset(asset, last is { } l ? (now - l) / rpo : double.PositiveInfinity, last + rpo);
    }
}
