using System.Globalization;
using System.Text.Json;

namespace Backup.Relay.Emulator;

/// <summary>A configuration file as JSON, with the line of every value, and all that is wrong with it.</summary>
internal sealed class ConfigurationText
{
    private static readonly JsonReaderOptions ReaderOptions = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    private readonly string _file;
    private readonly Dictionary<string, int> _lines;
    private readonly List<string> _faults = [];

    private ConfigurationText(string file, JsonElement root, Dictionary<string, int> lines)
    {
        _file = file;
        _lines = lines;
        Root = new ConfigurationNode(this, "", root);
    }

    public ConfigurationNode Root { get; }

    public IReadOnlyList<string> Faults => _faults;

    /// <exception cref="EmulatorException">It cannot be read or is no JSON.</exception>
    public static ConfigurationText Load(string path)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            var lines = new Dictionary<string, int>(StringComparer.Ordinal);
            var text = new ConfigurationText(path, document.RootElement.Clone(), lines);
            foreach (var (twice, line) in Places(bytes, lines)) text.Fault(twice, "is given twice", line);
            return text;
        }
        catch (JsonException e)
        {
            var place = e.LineNumber is { } line ? string.Create(CultureInfo.InvariantCulture, $"{path}:{line + 1}:{e.BytePositionInLine + 1}") : path;
            throw new EmulatorException(EmulatorFault.Configuration, $"{place}: cannot be read as JSON: {e.Message.Split(" Path:")[0].Split(" LineNumber:")[0]}", "See src/Relay.Emulator/README.md for a sample.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmulatorException(EmulatorFault.Configuration, $"'{path}' cannot be read: {e.Message}", "See src/Relay.Emulator/README.md for a sample.", e);
        }
    }

    /// <summary>Notes a fault with its place: the file, the line and the value's name.</summary>
    public void Fault(string name, string what, int? line = null)
    {
        // A value that is absent is reported where it should stand.
        var known = name;
        while (known.Length > 0 && !_lines.ContainsKey(known)) known = known[..Math.Max(0, known.LastIndexOfAny(['.', '[']))];
        _faults.Add(string.Create(CultureInfo.InvariantCulture, $"{_file}:{line ?? _lines.GetValueOrDefault(known, 1)}: {(name.Length > 0 ? $"'{name}' " : "the file ")}{what}"));
    }

    /// <summary>Notes the line of every value.</summary>
    /// <returns>The names that stand twice in one object.</returns>
    private static List<(string Name, int Line)> Places(ReadOnlySpan<byte> bytes, Dictionary<string, int> lines)
    {
        var reader = new Utf8JsonReader(bytes, ReaderOptions);
        var twice = new List<(string, int)>();
        var around = new Stack<(string Name, int Index)>();
        string? property = null;
        var (line, counted) = (1, 0);
        while (reader.Read())
        {
            line += bytes[counted..(int)reader.TokenStartIndex].Count((byte)'\n');
            counted = (int)reader.TokenStartIndex;
            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                around.Pop();
                continue;
            }
            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                property = reader.GetString();
                continue;
            }
            var name = Name(around, property);
            property = null;
            if (!lines.TryAdd(name, line)) twice.Add((name, line));
            if (reader.TokenType is JsonTokenType.StartObject) around.Push((name, -1));
            else if (reader.TokenType is JsonTokenType.StartArray) around.Push((name, 0));
        }
        return twice;
    }

    private static string Name(Stack<(string Name, int Index)> around, string? property)
    {
        if (!around.TryPeek(out var parent)) return "";
        if (property is not null) return parent.Name.Length > 0 ? $"{parent.Name}.{property}" : property;
        around.Pop();
        around.Push((parent.Name, parent.Index + 1));
        return string.Create(CultureInfo.InvariantCulture, $"{parent.Name}[{parent.Index}]");
    }
}

/// <summary>One value of a configuration file. Reading it never throws: what is wrong is noted, and a harmless value returned.</summary>
internal sealed class ConfigurationNode(ConfigurationText text, string name, JsonElement value)
{
    public string Name => name;

    public void Fault(string what) => text.Fault(name, what);

    /// <summary>Notes every key that is not one of these. False when this is no object at all.</summary>
    public bool IsObjectOf(params ReadOnlySpan<string> keys)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            Fault("must be an object");
            return false;
        }
        foreach (var property in value.EnumerateObject())
            if (!keys.Contains(property.Name)) text.Fault(Path(property.Name), $"is not known here; known are {string.Join(", ", keys!)}");
        return true;
    }

    public bool Has(string key) => value.TryGetProperty(key, out _);

    public ConfigurationNode? Child(string key) => value.TryGetProperty(key, out var child) ? new ConfigurationNode(text, Path(key), child) : null;

    public string Text(string key, string? otherwise)
    {
        if (!value.TryGetProperty(key, out var found))
        {
            if (otherwise is null) text.Fault(Path(key), "is missing");
            return otherwise ?? "";
        }
        if (found.ValueKind == JsonValueKind.String) return found.GetString()!;
        text.Fault(Path(key), "must be a text");
        return otherwise ?? "";
    }

    public int Number(string key, int otherwise)
    {
        if (!value.TryGetProperty(key, out var found)) return otherwise;
        if (found.ValueKind == JsonValueKind.Number && found.TryGetInt32(out var number)) return number;
        text.Fault(Path(key), "must be a whole number");
        return otherwise;
    }

    public bool Flag(string key, bool otherwise)
    {
        if (!value.TryGetProperty(key, out var found)) return otherwise;
        if (found.ValueKind is JsonValueKind.True or JsonValueKind.False) return found.GetBoolean();
        text.Fault(Path(key), "must be true or false");
        return otherwise;
    }

    public IReadOnlyList<ConfigurationNode> List(string key, bool isRequired = false)
    {
        if (!value.TryGetProperty(key, out var found))
        {
            if (isRequired) text.Fault(Path(key), "is missing");
            return [];
        }
        if (found.ValueKind == JsonValueKind.Array)
            return [.. found.EnumerateArray().Select((item, at) => new ConfigurationNode(text, string.Create(CultureInfo.InvariantCulture, $"{Path(key)}[{at}]"), item))];
        text.Fault(Path(key), "must be a list");
        return [];
    }

    /// <summary>This value as a text.</summary>
    public string AsText()
    {
        if (value.ValueKind == JsonValueKind.String) return value.GetString()!;
        Fault("must be a text");
        return "";
    }

    private string Path(string key) => name.Length > 0 ? $"{name}.{key}" : key;
}
