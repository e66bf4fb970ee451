using System.Globalization;
using Backup.Policy.Scheduling;

namespace Backup.Policy.Parsing;

/// <summary>Windows, blackout days, bandwidth and groups: everything about when.</summary>
internal sealed partial class PolicyBuilder
{
    private static readonly (string, DayOfWeek)[] DayNames =
    [
        ("mon", DayOfWeek.Monday), ("tue", DayOfWeek.Tuesday), ("wed", DayOfWeek.Wednesday), ("thu", DayOfWeek.Thursday),
        ("fri", DayOfWeek.Friday), ("sat", DayOfWeek.Saturday), ("sun", DayOfWeek.Sunday),
    ];

    // Any day does: what is asked is whether calendars ever open together.
    private static readonly DateTimeOffset CalendarProbe = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<(AssetGroup Group, PolicyPosition At)> _groupPlaces = [];

    private BackupWindow? ReadWindow(MapReader item)
    {
        if (item.Group("window") is not { } group)
        {
            return null;
        }

        var window = ReadHours(group);
        var catchUp = group.Flag("catchUp") ?? false;
        group.RefuseUnknownKeys();
        return window is null ? null : window with { CatchUp = catchUp };
    }

    private BackupWindow? ReadHours(MapReader group)
    {
        var from = ReadTime(group, "from");
        var to = ReadTime(group, "to");
        var days = ReadDays(group);
        return from is not null && to is not null && days.Count > 0 ? new BackupWindow(from.Value, to.Value, days) : null;
    }

    private TimeOnly? ReadTime(MapReader group, string key)
    {
        var text = group.Text(key, required: true);
        if (text is null)
        {
            return null;
        }

        if (TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
        {
            return time;
        }

        _problems.Add(group.PlaceOf(key), $"\"{text}\" is not a time of day such as \"22:00\" (24 hours, in quotes)");
        return null;
    }

    private HashSet<DayOfWeek> ReadDays(MapReader group)
    {
        if (group.Texts("days") is not { } texts)
        {
            return [.. DayNames.Select(d => d.Item2)];
        }

        var days = new HashSet<DayOfWeek>();
        foreach (var text in texts)
        {
            var known = DayNames.Where(d => d.Item1 == text.Value).ToArray();
            if (known.Length == 0)
            {
                _problems.Add(text.At, $"\"{text.Value}\" is not a day; days are {string.Join(", ", DayNames.Select(d => d.Item1))}");
            }
            else if (!days.Add(known[0].Item2))
            {
                _problems.Add(text.At, $"day \"{text.Value}\" stands twice in this list");
            }
        }

        if (texts.Count == 0)
        {
            _problems.Add(group.PlaceOf("days"), "\"days\" is empty; leave it out for every day");
        }

        return days;
    }

    private void CheckWindow(BackupWindow window, ServiceClass serviceClass, PolicyPosition at)
    {
        if (window.LongestClosure >= serviceClass.Rpo)
        {
            _problems.Add(
                at,
                $"this window stays closed for {Durations.Format(window.LongestClosure)}, so class \"{serviceClass.Name}\" (rpo {Durations.Format(serviceClass.Rpo)}) cannot be kept; widen the window or choose another class");
        }
    }

    private BlackoutDays ReadBlackout(MapReader item)
    {
        if (item.Texts("blackoutDays") is not { } texts)
        {
            return BlackoutDays.None;
        }

        var dates = new HashSet<DateOnly>();
        var yearly = new HashSet<(int, int)>();
        foreach (var text in texts)
        {
            // A leap year stands in for "every year", so that 29 February can be named.
            if (DateOnly.TryParseExact($"2024-{text.Value}", "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
            {
                AddDay(text, yearly.Add((day.Month, day.Day)));
            }
            else if (DateOnly.TryParseExact(text.Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
            {
                AddDay(text, dates.Add(date));
            }
            else
            {
                _problems.Add(text.At, $"\"{text.Value}\" is not a day such as \"2026-12-24\", or \"12-24\" for every year (in quotes)");
            }
        }

        return new BlackoutDays(dates, yearly);
    }

    private void AddDay(YamlText text, bool isNew)
    {
        if (!isNew)
        {
            _problems.Add(text.At, $"day \"{text.Value}\" stands twice in this list");
        }
    }

    private BandwidthPlan ReadBandwidth(MapReader item)
    {
        var limits = new List<BandwidthLimit>();
        Each(item, "bandwidth", "a bandwidth limit", group =>
        {
            var rate = group.Rate("limit", required: true);
            var hours = group.Has("from") || group.Has("to") || group.Has("days") ? ReadHours(group) : null;
            if (rate is not null)
            {
                limits.Add(new BandwidthLimit(rate.Value, hours));
            }
        });
        return limits.Count == 0 ? BandwidthPlan.Unlimited : new BandwidthPlan(limits);
    }

    private void AddGroup(MapReader item)
    {
        var name = item.Name("name");
        var limit = item.Duration("holdLimit", required: false, PolicyLimits.HoldMin, PolicyLimits.HoldMax) ?? PolicyDefaults.HoldLimit;
        var members = new List<AssetName>();
        foreach (var text in item.Texts("assets") ?? [])
        {
            var asset = new AssetName(text.Value);
            if (!_assets.Refer(asset, text.At))
            {
                continue;
            }

            if (members.Contains(asset))
            {
                _problems.Add(text.At, $"asset \"{asset}\" stands twice in this list");
            }
            else if (_groupPlaces.Find(g => g.Group.Assets.Contains(asset)) is { Group: { } other })
            {
                _problems.Add(text.At, $"asset \"{asset}\" is in group \"{other.Name}\" already");
            }

            members.Add(asset);
        }

        if (members.Count < 2)
        {
            _problems.Add(item.PlaceOf("assets"), "a group needs \"assets\" with at least two names");
        }

        if (name is not null)
        {
            var group = new AssetGroup(new(name), members) { HoldLimit = limit };
            _groups.Add(group.Name, group, item.PlaceOf("name"));
            _groupPlaces.Add((group, item.PlaceOf("assets")));
        }
    }

    /// <summary>A group that can never start would be a promise nobody keeps; its members need lanes and an opening together.</summary>
    private void CheckGroups()
    {
        foreach (var (group, at) in _groupPlaces)
        {
            var members = group.Assets.Select(_assets.Find).OfType<Asset>().Where(a => _agents.Contains(a.Agent)).ToArray();
            var sites = members.Select(a => _sites.Find(_agents.Find(a.Agent)!.Site)).OfType<Site>().Distinct().ToArray();
            if (sites.Length > 1)
            {
                _problems.Add(at, $"the assets of group \"{group.Name}\" are at sites {string.Join(" and ", sites.Select(s => s.Name))}; a group is at one site");
                continue;
            }

            foreach (var agent in members.Where(a => a.Enabled).GroupBy(a => a.Agent))
            {
                if (agent.Count() > _agents.Find(agent.Key)!.Concurrency)
                {
                    _problems.Add(at, $"group \"{group.Name}\" needs {agent.Count()} backups at once on agent \"{agent.Key}\", whose concurrency is {_agents.Find(agent.Key)!.Concurrency}");
                }
            }

            foreach (var agent in members.GroupBy(a => a.Agent))
            {
                var hooks = Math.Max(agent.SelectMany(a => a.Hooks.Before).Distinct().Count(), agent.SelectMany(a => a.Hooks.After).Distinct().Count());
                if (hooks > PolicyLimits.HooksMax)
                {
                    _problems.Add(at, $"the assets of group \"{group.Name}\" have {hooks} hooks on agent \"{agent.Key}\", which are run together; the limit is {PolicyLimits.HooksMax}");
                }
            }

            if (sites is [{ Concurrency: { } limit } site] && members.Count(a => a.Enabled) > limit)
            {
                _problems.Add(at, $"group \"{group.Name}\" needs {members.Count(a => a.Enabled)} backups at once at site \"{site.Name}\", whose concurrency is {limit}");
            }

            var rpo = members.Select(a => _serviceClasses.Find(a.ServiceClass)?.Rpo ?? PolicyLimits.DurationMax).DefaultIfEmpty(PolicyLimits.DurationMax).Min();
            if (members.FirstOrDefault(a => a.Window?.LongestClosure >= rpo) is { } closed)
            {
                _problems.Add(at, $"the window of asset \"{closed.Name}\" stays closed for {Durations.Format(closed.Window!.LongestClosure)}, longer than the shortest rpo in group \"{group.Name}\" ({Durations.Format(rpo)}) allows");
            }

            if (sites is [var home] && StartCalendar.Both(members.Select(a => StartCalendar.Of(home, a.Window, ignoresBlackout: true))).Next(CalendarProbe) is null)
            {
                _problems.Add(at, $"the windows of group \"{group.Name}\" are never open at the same time");
            }
        }
    }
}
