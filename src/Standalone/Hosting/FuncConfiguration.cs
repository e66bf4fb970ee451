using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Configuration.Memory;

namespace Backup.Standalone.Hosting;

/// <summary>Configuration as <c>func</c> gives it to an app.</summary>
/// <remarks>
/// <c>Values</c> of local.settings.json are settings, <c>ConnectionStrings</c> connection strings; the environment wins
/// over both. Two underscores in a name stand for a colon. Both files are looked for beside the program.
/// </remarks>
internal static class FuncConfiguration
{
    public static void AddTo(IConfigurationBuilder configuration, string folder)
    {
        var added = new List<IConfigurationSource>();
        var hostFile = Path.Combine(folder, "host.json");
        if (File.Exists(hostFile))
        {
            added.Add(new MemoryConfigurationSource { InitialData = ReadHost(hostFile) });
        }

        var localFile = Path.Combine(folder, "local.settings.json");
        if (File.Exists(localFile))
        {
            added.Add(new MemoryConfigurationSource { InitialData = ReadLocal(localFile) });
        }

        var place = configuration.Sources.TakeWhile(s => s is not EnvironmentVariablesConfigurationSource { Prefix: null or "" }).Count();
        foreach (var source in added)
        {
            configuration.Sources.Insert(place++, source);
        }

        // The files of the generic host are read once: watching them costs and nothing here takes a change.
        foreach (var source in configuration.Sources.OfType<JsonConfigurationSource>())
        {
            source.ReloadOnChange = false;
        }
    }

    private static Dictionary<string, string?> ReadHost(string file)
    {
        using var document = Parse(file);
        var settings = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        Flatten(document.RootElement, HostSettings.Section, settings);

        // Log levels of host.json are the app's log levels.
        foreach (var (key, value) in settings.ToList())
        {
            const string Levels = HostSettings.Section + ":logging:logLevel:";
            if (key.StartsWith(Levels, StringComparison.OrdinalIgnoreCase))
            {
                settings["Logging:LogLevel:" + key[Levels.Length..]] = value;
            }
        }

        return settings;
    }

    private static Dictionary<string, string?> ReadLocal(string file)
    {
        using var document = Parse(file);
        var settings = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var section in document.RootElement.EnumerateObject())
        {
            if (section.NameEquals("IsEncrypted") && section.Value.ValueKind == JsonValueKind.True)
            {
                throw new StandaloneException(
                    StandaloneFault.Configuration, $"{file} is encrypted.", "Run 'func settings decrypt': this host cannot.");
            }

            if (section.Value.ValueKind != JsonValueKind.Object || !(section.NameEquals("Values") || section.NameEquals("ConnectionStrings")))
            {
                continue;
            }

            var prefix = section.NameEquals("ConnectionStrings") ? "ConnectionStrings:" : string.Empty;
            foreach (var value in section.Value.EnumerateObject())
            {
                settings[prefix + value.Name.Replace("__", ":", StringComparison.Ordinal)] = value.Value.ToString();
            }
        }

        return settings;
    }

    private static JsonDocument Parse(string file)
    {
        try
        {
            return JsonDocument.Parse(
                File.ReadAllText(file), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException exception)
        {
            throw new StandaloneException(StandaloneFault.Configuration, $"{file} is not valid JSON: {exception.Message}", "Correct the file.", exception);
        }
    }

    private static void Flatten(JsonElement element, string path, Dictionary<string, string?> settings)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    Flatten(member.Value, $"{path}:{member.Name}", settings);
                }

                break;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in element.EnumerateArray())
                {
                    Flatten(item, $"{path}:{index++}", settings);
                }

                break;
            default:
                settings[path] = element.ToString();
                break;
        }
    }
}
