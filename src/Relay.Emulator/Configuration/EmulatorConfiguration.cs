using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.Relay.Emulator;

/// <summary>The configuration file: JSON with comments, paths relative to the file, unknown keys refused, all errors at once.</summary>
internal sealed record EmulatorConfiguration
{
    [JsonPropertyName("listen")] public string Listen { get; set; } = "127.0.0.1";
    [JsonPropertyName("port")] public int Port { get; set; }
    [JsonPropertyName("host")] public string Host { get; set; } = "localhost";
    [JsonPropertyName("certificateFile")] public required string CertificateFile { get; init; }
    [JsonPropertyName("certificateKeyFile")] public required string CertificateKeyFile { get; init; }
    [JsonPropertyName("noListenerStatus")] public int NoListenerStatus { get; set; } = 404;
    [JsonPropertyName("acceptUnverifiedEntraTokens")] public bool AcceptUnverifiedEntraTokens { get; set; }
    [JsonPropertyName("rules")] public IReadOnlyList<RuleConfiguration> Rules { get; set; } = [];
    [JsonPropertyName("entities")] public required IReadOnlyList<EntityConfiguration> Entities { get; init; }

    /// <summary>Reads the file and everything it names.</summary>
    /// <exception cref="EmulatorException">Something is wrong; the message lists all of it.</exception>
    public static RelayEmulatorOptions Load(string path)
    {
        EmulatorConfiguration read;
        try
        {
            read = JsonSerializer.Deserialize(File.ReadAllText(path), EmulatorJson.Default.EmulatorConfiguration) ?? throw new JsonException("The file holds null.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new EmulatorException(EmulatorFault.Configuration, $"'{path}' cannot be read: {e.Message}", "See src/Relay.Emulator/README.md for a sample.", e);
        }
        var errors = new List<string>();
        var options = read.ToOptions(Path.GetDirectoryName(Path.GetFullPath(path))!, errors);
        return errors.Count == 0
            ? options!
            : throw new EmulatorException(EmulatorFault.Configuration, $"'{path}' is wrong: {string.Join("; ", errors)}", "Correct everything listed; nothing was started.");
    }

    private RelayEmulatorOptions? ToOptions(string folder, List<string> errors)
    {
        if (!IPAddress.TryParse(Listen, out var listen)) errors.Add($"'listen' is no IP address: {Listen}");
        if (Port is < 0 or > 65535) errors.Add("'port' must be 0 to 65535");
        if (Uri.CheckHostName(Host) == UriHostNameType.Unknown) errors.Add($"'host' is no host name: {Host}");
        if (NoListenerStatus is not (404 or 502 or 503)) errors.Add("'noListenerStatus' must be 404, 502 or 503");
        var rules = Rules.Select(rule => rule.ToRule(folder, errors)).ToArray();
        if (rules.Length > 12) errors.Add("a namespace has at most 12 rules");
        var entities = Entities.Select(entity => entity.ToEntity(folder, errors)).ToArray();
        foreach (var twice in entities.GroupBy(entity => entity.Path).Where(group => group.Count() > 1)) errors.Add($"the entity '{twice.Key}' is listed twice");
        X509Certificate2? certificate = null;
        try
        {
            certificate = X509Certificate2.CreateFromPemFile(Path.Combine(folder, CertificateFile), Path.Combine(folder, CertificateKeyFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            errors.Add($"the certificate cannot be read: {e.Message}");
        }
        if (errors.Count > 0) return null;
        return new RelayEmulatorOptions
        {
            Listen = listen!,
            Port = Port,
            Host = Host,
            Certificate = certificate!,
            NoListenerStatus = NoListenerStatus,
            AcceptUnverifiedEntraTokens = AcceptUnverifiedEntraTokens,
            Rules = rules,
            Entities = entities,
        };
    }
}

internal sealed record RuleConfiguration
{
    [JsonPropertyName("name")] public required string Name { get; init; }
    [JsonPropertyName("keyFile")] public required string KeyFile { get; init; }
    [JsonPropertyName("secondaryKeyFile")] public string? SecondaryKeyFile { get; set; }
    [JsonPropertyName("rights")] public required IReadOnlyList<string> Rights { get; init; }

    public EmulatorRule ToRule(string folder, List<string> errors)
    {
        var rights = RelayRights.None;
        foreach (var word in Rights)
        {
            if (Enum.TryParse<RelayRights>(word, ignoreCase: true, out var right) && right != RelayRights.None && !char.IsDigit(word[0])) rights |= right;
            else errors.Add($"rule '{Name}': '{word}' is not Listen, Send or Manage");
        }
        if (rights == RelayRights.None) errors.Add($"rule '{Name}' allows nothing");
        if (Name is not { Length: > 0 and <= SasToken.KeyLengthMax }) errors.Add("a rule's name is 1 to 256 characters");
        var files = SecondaryKeyFile is null ? new[] { KeyFile } : [KeyFile, SecondaryKeyFile];
        return new EmulatorRule(Name, [.. files.Select(file => ReadKey(Path.Combine(folder, file), errors))], rights);
    }

    private string ReadKey(string path, List<string> errors)
    {
        try
        {
            var key = File.ReadAllText(path).Trim();
            if (key.Length is > 0 and <= SasToken.KeyLengthMax) return key;
            errors.Add($"rule '{Name}': '{path}' must hold a key of 1 to 256 characters");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add($"rule '{Name}': {e.Message}");
        }
        return "";
    }
}

internal sealed record EntityConfiguration
{
    [JsonPropertyName("path")] public required string Path { get; init; }
    [JsonPropertyName("requiresClientAuthorization")] public bool RequiresClientAuthorization { get; set; } = true;
    [JsonPropertyName("userMetadata")] public string UserMetadata { get; set; } = "";
    [JsonPropertyName("rules")] public IReadOnlyList<RuleConfiguration> Rules { get; set; } = [];

    public EmulatorEntity ToEntity(string folder, List<string> errors)
    {
        EntityPath path = default;
        try
        {
            path = EntityPath.Parse(Path);
        }
        catch (RelayException e)
        {
            errors.Add(e.Message);
        }
        return new EmulatorEntity(path)
        {
            RequiresClientAuthorization = RequiresClientAuthorization,
            UserMetadata = UserMetadata,
            Rules = [.. Rules.Select(rule => rule.ToRule(folder, errors))],
        };
    }
}

[JsonSourceGenerationOptions(
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(EmulatorConfiguration))]
internal sealed partial class EmulatorJson : JsonSerializerContext;
