using System.Text.Json;

namespace Backup.Policy.Parsing;

/// <summary>Assets, and the checks that need several groups at once.</summary>
internal sealed partial class PolicyBuilder
{
    private readonly Dictionary<AssetName, PolicyPosition> _assetPlaces = [];

    private void AddAsset(MapReader item)
    {
        var name = item.Name("name");
        var kind = item.OneOf("kind", required: true, ("files", SourceKind.Files), ("postgres", SourceKind.Postgres));
        var agent = item.Name("agent");
        var vault = item.Name("vault");
        var serviceClass = item.Name("serviceClass");
        var dataClass = item.Name("dataClass");
        _ = agent is not null && _agents.Refer(new(agent), item.PlaceOf("agent"));
        _ = dataClass is not null && _dataClasses.Refer(new(dataClass), item.PlaceOf("dataClass"));
        var classIsKnown = serviceClass is not null && _serviceClasses.Refer(new(serviceClass), item.PlaceOf("serviceClass"));

        var connection = item.Name("connection", required: kind is SourceKind.Postgres);
        var paths = ReadPaths(item, required: kind is SourceKind.Files);
        var excludes = ReadExcludes(item);
        var oneFileSystem = item.Flag("oneFileSystem");
        var proof = ReadProof(item);
        var hooks = ReadHooks(item);
        var dump = ReadDump(item);
        var spreadCheckpoint = item.Flag("spreadCheckpoint");
        var fullSpeed = item.Flag("fullSpeed");
        RefuseKeysOfOtherKinds(item, kind);

        var tiers = ReadTiers(item);
        var window = ReadWindow(item);
        if (window is not null && classIsKnown)
        {
            CheckWindow(window, _serviceClasses.Find(new(serviceClass!))!, item.PlaceOf("window"));
        }

        var enabled = item.Flag("enabled");
        var legalHold = item.Flag("legalHold");
        CheckSize(item, "paths, patterns and databases", [.. paths, .. excludes, .. dump?.Databases ?? []]);
        CheckSize(item, "checks", proof.Checks.SelectMany(check => (string[])[check.Name, check.Database, check.Sql, check.Expect ?? ""]));
        if (name is not null)
        {
            _assetPlaces.TryAdd(new(name), item.PlaceOf("name"));
            _assets.Add(
                new(name),
                new Asset(
                    new(name),
                    kind ?? SourceKind.Files,
                    new(agent ?? ""),
                    new(vault ?? ""),
                    new(serviceClass ?? ""),
                    new(dataClass ?? ""),
                    connection,
                    paths,
                    excludes,
                    oneFileSystem ?? false,
                    tiers,
                    window,
                    enabled ?? true)
                { LegalHold = legalHold ?? false, Proof = proof, Hooks = hooks, Dump = dump, SpreadCheckpoint = spreadCheckpoint ?? false, FullSpeed = fullSpeed ?? false },
                item.PlaceOf("name"));
        }
    }

    private List<string> ReadPaths(MapReader item, bool required)
    {
        var texts = item.Texts("paths");
        if (required && texts is null or { Count: 0 })
        {
            _problems.Add(item.PlaceOf("paths"), "an asset of kind files needs \"paths\" with at least one absolute path");
        }

        var paths = new List<string>();
        foreach (var text in texts ?? [])
        {
            if (text.Value[0] != '/' || text.Value.Split('/').Contains(".."))
            {
                _problems.Add(text.At, $"\"{text.Value}\" is not an absolute path without \"..\"");
            }

            CheckPath(text);
            paths.Add(text.Value);
        }

        return paths;
    }

    private string[] ReadExcludes(MapReader item)
    {
        var texts = item.Texts("excludes") ?? [];
        foreach (var text in texts)
        {
            CheckPath(text);
        }

        return [.. texts.Select(text => text.Value)];
    }

    private void CheckPath(YamlText text)
    {
        if (text.Value.Length > PolicyLimits.PathCharsMax || text.Value.Contains('\0', StringComparison.Ordinal))
        {
            _problems.Add(text.At, $"a path or pattern has at most {PolicyLimits.PathCharsMax} characters, none of them zero");
        }
    }

    /// <summary>What no order can carry would fail at every backup, and not here where somebody looks.</summary>
    private void CheckSize(MapReader item, string what, IEnumerable<string> texts)
    {
        var bytes = texts.Sum(text => JsonEncodedText.Encode(text).EncodedUtf8Bytes.Length + 3);
        if (bytes > PolicyLimits.AssetBytesMax)
        {
            _problems.Add(item.PlaceOf("name"), $"the {what} of this asset take {bytes} bytes; the limit is {PolicyLimits.AssetBytesMax}: make several assets of it");
        }
    }

    private void RefuseKeysOfOtherKinds(MapReader item, SourceKind? kind)
    {
        string[] foreign = kind switch
        {
            SourceKind.Files => ["connection", "proof", "dump", "spreadCheckpoint", "fullSpeed"],
            SourceKind.Postgres => ["paths", "excludes", "oneFileSystem"],
            _ => [],
        };
        foreach (var key in foreign.Where(item.Has))
        {
            _problems.Add(item.PlaceOf(key), $"\"{key}\" means nothing for an asset of kind {kind.ToString()!.ToLowerInvariant()}; remove it");
        }
    }

    /// <summary>Vaults may share a container, since each copy lies in a folder of its vault's id; the name must be one that storage takes.</summary>
    private void CheckContainers()
    {
        foreach (var asset in _assets.Values)
        {
            var names = asset.ReplicateTo ?? _dataClasses.Find(asset.DataClass)?.ReplicateTo ?? [];
            foreach (var tier in names.Select(_tiers.Find).OfType<Tier>().Where(t => t.Node is null))
            {
                var container = tier.ContainerOf(asset);
                if (container.Length is < 3 or > 63)
                {
                    _problems.Add(_assetPlaces[asset.Name], $"tier \"{tier.Name}\" would use the container \"{container}\", whose name is not 3 to 63 characters long");
                }
            }
        }
    }
}
