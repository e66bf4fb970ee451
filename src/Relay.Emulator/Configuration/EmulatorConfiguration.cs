using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Backup.Relay.Emulator;

/// <summary>What a configuration file says.</summary>
/// <param name="Namespaces">At least one.</param>
/// <param name="Files">The file itself and every file it names: a change of any of them is a change of the configuration.</param>
internal sealed record EmulatorConfiguration(IReadOnlyList<RelayEmulatorOptions> Namespaces, IReadOnlyList<string> Files)
{
    /// <summary>Reads the file and everything it names; makes a certificate where none is named.</summary>
    /// <exception cref="EmulatorException">Something is wrong; the message lists all of it with its place.</exception>
    public static EmulatorConfiguration Load(string path, TimeProvider clock)
    {
        var text = ConfigurationText.Load(path);
        var reader = new ConfigurationReader(text, Path.GetDirectoryName(Path.GetFullPath(path))!, clock);
        var namespaces = reader.Read();
        return text.Faults.Count == 0
            ? new EmulatorConfiguration(namespaces, [path, .. reader.Files])
            : throw new EmulatorException(EmulatorFault.Configuration, string.Join('\n', text.Faults), "Correct everything listed; nothing of it was taken over.");
    }
}

/// <summary>Turns the file's JSON into options, noting every fault on the way.</summary>
internal sealed class ConfigurationReader(ConfigurationText text, string folder, TimeProvider clock)
{
    private const int RulesMax = 12;

    private static readonly string[] NamespaceKeys =
        ["host", "certificateFile", "certificateKeyFile", "noListenerStatus", "acceptUnverifiedEntraTokens", "rules", "entities"];

    private readonly List<string> _files = [];

    public IReadOnlyList<string> Files => _files;

    /// <summary>Where a certificate that nobody gave is kept: a folder of its own, so that nobody's file is ever replaced.</summary>
    private string MadeFolder => Path.Combine(folder, ".relay-emulator");

    public IReadOnlyList<RelayEmulatorOptions> Read()
    {
        var root = text.Root;
        if (!root.IsObjectOf(["listen", "port", "namespaces", .. NamespaceKeys])) return [];
        if (!IPAddress.TryParse(root.Text("listen", "127.0.0.1"), out var listen)) root.Child("listen")?.Fault("is no IP address");
        var port = root.Number("port", 0);
        if (port is < 0 or > 65535) root.Child("port")?.Fault("must be 0 to 65535");
        var namespaces = Namespaces(root);
        var hosts = namespaces.Select(space => space.Text("host", "localhost")).ToArray();
        foreach (var (space, _) in namespaces.Zip(hosts).Where((pair, at) => hosts.Take(at).Contains(pair.Second, StringComparer.OrdinalIgnoreCase)))
            space.Fault("has the same host as another namespace");
        return [.. namespaces.Select(space => Namespace(space, hosts) with { Listen = listen ?? IPAddress.Loopback, Port = port, Clock = clock })];
    }

    /// <summary>One namespace at the top, or several in a list.</summary>
    private static IReadOnlyList<ConfigurationNode> Namespaces(ConfigurationNode root)
    {
        if (!root.Has("namespaces")) return [root];
        foreach (var key in NamespaceKeys) root.Child(key)?.Fault("belongs into one of the 'namespaces'");
        var list = root.List("namespaces");
        if (list.Count == 0) root.Child("namespaces")?.Fault("must list at least one namespace");
        return [.. list.Where(space => space.IsObjectOf(NamespaceKeys))];
    }

    private RelayEmulatorOptions Namespace(ConfigurationNode space, string[] hosts)
    {
        var host = space.Text("host", "localhost");
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown) space.Child("host")?.Fault($"is no host name: {host}");
        var noListener = space.Number("noListenerStatus", 404);
        if (noListener is not (404 or 502 or 503)) space.Child("noListenerStatus")?.Fault("must be 404, 502 or 503");
        var rules = Rules(space);
        if (rules.Count > RulesMax) space.Child("rules")?.Fault($"has {rules.Count} rules; a namespace has at most {RulesMax}");
        var (certificate, chain) = Certificate(space, hosts);
        return new RelayEmulatorOptions
        {
            Host = host,
            Certificate = certificate,
            CertificateChain = chain,
            NoListenerStatus = noListener,
            AcceptUnverifiedEntraTokens = space.Flag("acceptUnverifiedEntraTokens", false),
            Rules = rules,
            Entities = Entities(space),
        };
    }

    private List<EmulatorEntity> Entities(ConfigurationNode space)
    {
        var entities = new List<EmulatorEntity>();
        foreach (var node in space.List("entities", isRequired: true))
        {
            if (!node.IsObjectOf("path", "requiresClientAuthorization", "userMetadata", "rules")) continue;
            var entity = new EmulatorEntity(EntityPathOf(node))
            {
                RequiresClientAuthorization = node.Flag("requiresClientAuthorization", true),
                UserMetadata = node.Text("userMetadata", ""),
                Rules = Rules(node),
            };
            if (entity.Path == default) continue;
            if (entities.Any(other => other.Path == entity.Path)) node.Child("path")?.Fault($"is listed twice: {entity.Path}");
            else entities.Add(entity);
        }
        return entities;
    }

    private static EntityPath EntityPathOf(ConfigurationNode node)
    {
        var path = node.Text("path", null);
        try
        {
            // Absent is noted already.
            return node.Has("path") ? EntityPath.Parse(path) : default;
        }
        catch (RelayException e)
        {
            node.Child("path")?.Fault($"is wrong: {e.Message.Split('\n')[0]} {e.Hint}");
            return default;
        }
    }

    private List<EmulatorRule> Rules(ConfigurationNode owner) => [.. owner.List("rules").Select(Rule).OfType<EmulatorRule>()];

    private EmulatorRule? Rule(ConfigurationNode node)
    {
        if (!node.IsObjectOf("name", "keyFile", "secondaryKeyFile", "rights")) return null;
        var name = node.Text("name", null);
        if (node.Has("name") && name is not { Length: > 0 and <= SasToken.KeyLengthMax }) node.Child("name")?.Fault("must be 1 to 256 characters");
        var rights = RelayRights.None;
        foreach (var word in node.List("rights", isRequired: true))
        {
            var spelled = word.AsText();
            if (Enum.TryParse<RelayRights>(spelled, ignoreCase: true, out var right) && right != RelayRights.None && char.IsLetter(spelled[0])) rights |= right;
            else word.Fault($"is wrong: '{spelled}' is not Listen, Send or Manage");
        }
        if (rights == RelayRights.None) node.Child("rights")?.Fault("allows nothing");
        node.Text("keyFile", null);
        var (primary, secondary) = (node.Child("keyFile"), node.Child("secondaryKeyFile"));
        string[] keys = [.. new[] { primary, secondary }.OfType<ConfigurationNode>().Select(Key)];
        return new EmulatorRule(name, keys, rights);
    }

    private string Key(ConfigurationNode node)
    {
        var path = FileOf(node.AsText());
        try
        {
            var key = File.ReadAllText(path).Trim();
            if (key.Length is > 0 and <= SasToken.KeyLengthMax) return key;
            node.Fault($"is wrong: '{path}' must hold a key of 1 to 256 characters");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            node.Fault($"cannot be read: {e.Message}");
        }
        return "";
    }

    private (X509Certificate2 Certificate, IReadOnlyCollection<X509Certificate2> Chain) Certificate(ConfigurationNode space, string[] hosts)
    {
        if (space.Has("certificateFile") != space.Has("certificateKeyFile")) space.Fault("needs both 'certificateFile' and 'certificateKeyFile', or neither");
        try
        {
            var file = space.Has("certificateFile") ? FileOf(space.Text("certificateFile", "")) : DevelopmentCertificate.Ensure(MadeFolder, clock, hosts);
            var keyFile = space.Has("certificateKeyFile") ? FileOf(space.Text("certificateKeyFile", "")) : Path.Combine(MadeFolder, DevelopmentCertificate.KeyFileName);
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(file);
            return (X509Certificate2.CreateFromPemFile(file, keyFile), [.. all.Skip(1)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or EmulatorException)
        {
            (space.Child("certificateFile") ?? space).Fault($"is wrong: the certificate cannot be read: {e.Message.Split('\n')[0]}");
            // Never served: a configuration with a fault is not taken over.
            return (DevelopmentCertificate.Create(clock), []);
        }
    }

    private string FileOf(string name)
    {
        var path = Path.Combine(folder, name);
        _files.Add(path);
        return path;
    }
}
