using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>Tiers: blob storage, blob storage copied from another tier, other nodes' storage.</summary>
internal sealed partial class PolicyBuilder
{
    private readonly List<(Tier Tier, PolicyPosition CopyFrom, PolicyPosition Agent)> _tierReferences = [];

    private void AddTier(MapReader item)
    {
        var name = item.Name("name");
        var isNode = item.OneOf("kind", required: false, ("blob", false), ("vault", true)) ?? false;
        var tier = isNode ? ReadNode(item, name) : ReadBlob(item, name);
        var prices = ReadPrices(item);
        var gigabytes = item.Number("gigabytesMax", min: 1, max: PolicyLimits.TierGigabytesMax);
        if (name is not null)
        {
            tier = tier with { Prices = prices, BytesMax = gigabytes * 1_000_000_000L };
            _tiers.Add(tier.Name, tier, item.PlaceOf("name"));
            _tierReferences.Add((tier, item.PlaceOf("copyFrom"), item.PlaceOf("agent")));
        }
    }

    private Tier ReadBlob(MapReader item, string? name)
    {
        var access = item.OneOf("accessTier", required: true, ("Hot", AccessTier.Hot), ("Cool", AccessTier.Cool), ("Cold", AccessTier.Cold), ("Archive", AccessTier.Archive));
        var container = item.Text("container", required: true);
        if (container is not null && !ContainerPattern().IsMatch(container))
        {
            _problems.Add(item.PlaceOf("container"), $"\"{container}\" is not a container name: small letters, digits and single dashes, where {{agent}} and {{vault}} may stand for the asset's");
        }

        RefuseForeignTierKeys(item, "blob storage", "place", "agent", "source", "bandwidth");
        var region = item.Name("region", required: false);
        var copyFrom = item.Name("copyFrom", required: false);
        var immutable = ReadLockRule(item);
        return new Tier(new(name ?? ""), container ?? name ?? "", access ?? AccessTier.Hot) { Immutable = immutable, Region = region, CopyFrom = copyFrom is null ? null : new TierName(copyFrom) };
    }

    private Tier ReadNode(MapReader item, string? name)
    {
        RefuseForeignTierKeys(item, "another node's storage", "container", "accessTier", "region", "copyFrom", "prices", "immutable");
        var place = item.Name("place");
        var agent = item.Name("agent", required: false);
        var source = item.Text("source", required: false);
        if (source is not null && !ContainerPattern().IsMatch(source))
        {
            _problems.Add(item.PlaceOf("source"), $"\"{source}\" is not a vault's name: small letters, digits and single dashes, where {{agent}} and {{vault}} may stand for the asset's");
        }

        if (source is not null && agent is null)
        {
            _problems.Add(item.PlaceOf("source"), "\"source\" says what the copying agent calls the vault; name that agent with \"agent\"");
        }

        var bandwidth = ReadBandwidth(item);
        return new Tier(new(name ?? ""), place ?? "", AccessTier.Hot)
        {
            Node = new NodePlace(place ?? "", agent is null ? null : new AgentName(agent), source ?? NodePlace.SameVault) { Bandwidth = bandwidth },
        };
    }

    private void RefuseForeignTierKeys(MapReader item, string what, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (item.Has(key))
            {
                _problems.Add(item.PlaceOf(key), $"\"{key}\" means nothing for a tier that is {what}; remove it");
            }
        }
    }

    /// <summary>Once all tiers and agents are known.</summary>
    private void CheckTiers()
    {
        foreach (var (tier, copyFrom, agent) in _tierReferences)
        {
            if (tier.Node?.Agent is { } copier)
            {
                _agents.Refer(copier, agent);
            }

            if (tier.CopyFrom is not { } from || !_tiers.Refer(from, copyFrom))
            {
                continue;
            }

            var source = _tiers.Find(from)!;
            if (source.Node is not null || source.CopyFrom is not null)
            {
                _problems.Add(copyFrom, $"tier \"{tier.Name}\" can be copied only from a tier in blob storage that an agent sends to; \"{from}\" is none");
            }
            else if (source.AccessTier is AccessTier.Archive)
            {
                _problems.Add(copyFrom, $"tier \"{from}\" is in the archive, where nothing can be read for hours; copy from a tier that is Hot, Cool or Cold");
            }
        }
    }

    /// <summary>What a copy needs is there: the tier it is copied from, and as many places as the classes want.</summary>
    private void CheckCopies()
    {
        foreach (var asset in _assets.Values)
        {
            var names = asset.ReplicateTo ?? _dataClasses.Find(asset.DataClass)?.ReplicateTo ?? [];
            foreach (var tier in names.Select(_tiers.Find).OfType<Tier>().Where(t => t.CopyFrom is { } from && !names.Contains(from)))
            {
                _problems.Add(_assetPlaces[asset.Name], $"tier \"{tier.Name}\" is copied from \"{tier.CopyFrom}\", which the asset is not copied to; add it to \"replicateTo\"");
            }

            var wanted = Math.Max(_serviceClasses.Find(asset.ServiceClass)?.Copies ?? 1, _dataClasses.Find(asset.DataClass)?.Copies ?? 1);
            if (names.Count + 1 < wanted)
            {
                _problems.Add(_assetPlaces[asset.Name], $"its classes want {wanted} copies, and its vault and {names.Count} tiers make {names.Count + 1}; name more tiers in \"replicateTo\"");
            }
        }
    }

    // Lengths are checked once agent and vault are filled in.
    [GeneratedRegex(@"\A(?:[a-z0-9]|\{agent\}|\{vault\})(?:-?(?:[a-z0-9]|\{agent\}|\{vault\}))*\z")]
    private static partial Regex ContainerPattern();
}
