using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>Turns nodes into a policy: groups first, then references between them, so that one pass reports everything.</summary>
internal sealed partial class PolicyBuilder
{
    private readonly ProblemList _problems;
    private readonly Named<SiteName, Site> _sites;
    private readonly Named<AgentName, Agent> _agents;
    private readonly Named<ServiceClassName, ServiceClass> _serviceClasses;
    private readonly Named<DataClassName, DataClass> _dataClasses;
    private readonly Named<TierName, Tier> _tiers;
    private readonly Named<AssetName, Asset> _assets;
    private readonly Named<GroupName, AssetGroup> _groups;
    private readonly List<(AgentName Name, PolicyPosition At)> _caretakers = [];
    private readonly Dictionary<string, AgentName> _relayPaths = new(StringComparer.OrdinalIgnoreCase);

    private PolicyBuilder(ProblemList problems)
    {
        _problems = problems;
        _sites = new("site", problems);
        _agents = new("agent", problems);
        _serviceClasses = new("service class", problems);
        _dataClasses = new("data class", problems);
        _tiers = new("tier", problems);
        _assets = new("asset", problems);
        _groups = new("group", problems);
    }

    /// <summary>The policy, or null when the root is not even a group of keys. It is only sound when no problem was noted.</summary>
    public static PolicyDocument? Build(YamlNode root, ProblemList problems)
    {
        if (MapReader.Open(root, "a policy", problems) is not { } reader)
        {
            return null;
        }

        var builder = new PolicyBuilder(problems);
        reader.OneOf("version", required: true, ("1", 1));
        builder.Each(reader, "sites", "a site", builder.AddSite);
        builder.Each(reader, "tiers", "a tier", builder.AddTier);
        builder.Each(reader, "agents", "an agent", builder.AddAgent);
        builder.CheckTiers();
        builder._caretakers.ForEach(caretaker => builder._agents.Refer(caretaker.Name, caretaker.At));
        builder.Each(reader, "serviceClasses", "a service class", builder.AddServiceClass);
        builder.Each(reader, "dataClasses", "a data class", builder.AddDataClass);
        builder.FillDefaults();
        builder.Each(reader, "assets", "an asset", builder.AddAsset);
        builder.Each(reader, "groups", "a group", builder.AddGroup);
        var guards = ReadGuards(reader);
        var archive = ReadArchiveRules(reader);
        var verifyWithinDays = reader.Number("verifyWithinDays", min: 1, max: PolicyLimits.VerifyWithinDaysMax);
        reader.RefuseUnknownKeys();
        builder.CheckContainers();
        builder.CheckCopies();
        builder.CheckGroups();
        return new PolicyDocument(
            builder._sites.Values,
            builder._agents.Values,
            builder._serviceClasses.Values,
            builder._dataClasses.Values,
            builder._tiers.Values,
            builder._assets.Values)
        {
            Groups = builder._groups.Values,
            Retention = guards,
            Archive = archive,
            VerifyWithinDays = verifyWithinDays ?? PolicyDefaults.VerifyWithinDays,
        };
    }

    private void Each(MapReader reader, string key, string what, Action<MapReader> add)
    {
        foreach (var node in reader.List(key) ?? [])
        {
            if (MapReader.Open(node, what, _problems) is { } item)
            {
                add(item);
                item.RefuseUnknownKeys();
            }
        }
    }

    private void AddSite(MapReader item)
    {
        var name = item.Name("name");
        var zone = TimeZoneInfo.Utc;
        if (item.Text("timeZone", required: false) is { } id && !TimeZoneInfo.TryFindSystemTimeZoneById(id, out zone!))
        {
            _problems.Add(item.PlaceOf("timeZone"), $"this machine knows no time zone \"{id}\"; use an IANA name such as Europe/Berlin");
        }

        var concurrency = item.Number("concurrency", min: 1, max: PolicyLimits.SiteConcurrencyMax);
        var blackout = ReadBlackout(item);
        var bandwidth = ReadBandwidth(item);
        if (name is not null)
        {
            var site = new Site(new(name), zone ?? TimeZoneInfo.Utc)
            {
                Concurrency = concurrency,
                Blackout = blackout,
                Bandwidth = bandwidth,
            };
            _sites.Add(site.Name, site, item.PlaceOf("name"));
        }
    }

    private void AddAgent(MapReader item)
    {
        var name = item.Name("name");
        var site = item.Name("site");
        if (site is not null)
        {
            _sites.Refer(new(site), item.PlaceOf("site"));
        }

        var path = item.Text("relayPath", required: false);
        if (path is not null && (path.Length > PolicyLimits.RelayPathLengthMax || !RelayPath().IsMatch(path)))
        {
            _problems.Add(
                item.PlaceOf("relayPath"),
                $"\"{path}\" is not a relay path: letters, digits, dashes, underscores, dots but not in front, and single slashes between them, at most {PolicyLimits.RelayPathLengthMax} characters");
        }

        var concurrency = item.Number("concurrency", min: 1, max: PolicyLimits.ConcurrencyMax);
        var caretaker = item.Text("caretaker", required: false);
        if (caretaker is not null)
        {
            _caretakers.Add((new(caretaker), item.PlaceOf("caretaker")));
        }

        if (name is not null)
        {
            var agent = new Agent(new(name), new(site ?? ""), path ?? $"agents/{name}", concurrency ?? PolicyDefaults.AgentConcurrency) { Caretaker = new(caretaker ?? name) };
            if (!_relayPaths.TryAdd(agent.RelayPath, agent.Name) && _relayPaths[agent.RelayPath] != agent.Name)
            {
                // The relay gives what comes to any listener of a path: orders would reach the wrong agent, by chance.
                _problems.Add(item.PlaceOf(path is null ? "name" : "relayPath"), $"the relay path \"{agent.RelayPath}\" is that of agent \"{_relayPaths[agent.RelayPath]}\"; each agent has its own");
            }

            _agents.Add(agent.Name, agent, item.PlaceOf("name"));
        }
    }

    private void AddServiceClass(MapReader item)
    {
        var name = item.Name("name");
        var standard = PolicyDefaults.ServiceClasses.FirstOrDefault(c => c.Name.Value == name);
        var rto = item.Duration("rto", required: standard is null, PolicyLimits.ObjectiveMin);
        var rpo = item.Duration("rpo", required: standard is null, PolicyLimits.ObjectiveMin);
        var priority = item.Number("priority", min: 1, max: PolicyLimits.PriorityMax);
        var ignoresBlackout = item.Flag("ignoresBlackout");
        var copies = item.Number("copies", min: 1, max: PolicyLimits.CopiesMax);
        var retention = ReadRetention(item);
        if (name is not null)
        {
            var added = new ServiceClass(new(name), rto ?? standard?.Rto ?? PolicyLimits.DurationMax, rpo ?? standard?.Rpo ?? PolicyLimits.DurationMax)
            {
                Priority = priority ?? standard?.Priority ?? PolicyDefaults.Priority,
                IgnoresBlackout = ignoresBlackout ?? standard?.IgnoresBlackout ?? false,
                Retention = retention ?? standard?.Retention ?? PolicyDefaults.Retention,
                Copies = copies,
            };
            _serviceClasses.Add(added.Name, added, item.PlaceOf("name"));
        }
    }

    private void AddDataClass(MapReader item)
    {
        var name = item.Name("name");
        var tiers = ReadTiers(item) ?? [];
        var standard = PolicyDefaults.DataClasses.FirstOrDefault(c => c.Name.Value == name);
        var retention = ReadRetention(item) ?? standard?.Retention ?? PolicyDefaults.Retention;
        var copies = item.Number("copies", min: 1, max: PolicyLimits.CopiesMax);
        if (name is not null)
        {
            _dataClasses.Add(new(name), new DataClass(new(name), tiers) { Retention = retention, Copies = copies }, item.PlaceOf("name"));
        }
    }

    private void FillDefaults()
    {
        foreach (var standard in PolicyDefaults.ServiceClasses.Where(c => !_serviceClasses.Contains(c.Name)))
        {
            _serviceClasses.AddDefault(standard.Name, standard);
        }

        foreach (var standard in PolicyDefaults.DataClasses.Where(c => !_dataClasses.Contains(c.Name)))
        {
            _dataClasses.AddDefault(standard.Name, standard);
        }
    }

    private List<TierName>? ReadTiers(MapReader item)
    {
        if (item.Texts("replicateTo") is not { } texts)
        {
            return null;
        }

        var tiers = new List<TierName>();
        foreach (var text in texts)
        {
            var tier = new TierName(text.Value);
            _tiers.Refer(tier, text.At);
            if (tiers.Contains(tier))
            {
                _problems.Add(text.At, $"tier \"{tier}\" stands twice in this list");
            }

            tiers.Add(tier);
        }

        return tiers;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\z")]
    private static partial Regex RelayPath();
}
