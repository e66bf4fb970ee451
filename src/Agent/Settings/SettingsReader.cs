using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace Backup.Agent.Settings;

/// <summary>One mistake in a configuration file and where it stands (both numbers count from 1).</summary>
internal sealed record SettingsProblem(long Line, long Column, string Text)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Line}:{Column}: {Text}");
}

/// <summary>
/// Reads one YAML mapping strictly: every mistake becomes a problem with its place, reading goes on, and whatever was
/// not asked for by the time of <see cref="RefuseTheRest"/> is an unknown key.
/// </summary>
internal sealed class SettingsReader
{
    private readonly YamlMappingNode _node;
    private readonly string _path;
    private readonly List<SettingsProblem> _problems;
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    public SettingsReader(YamlMappingNode node, string path, List<SettingsProblem> problems)
    {
        _node = node;
        _path = path;
        _problems = problems;
    }

    /// <summary>Text that must be there; the empty string after a problem was noted.</summary>
    public string Text(string key) => OptionalText(key) ?? Missing(key);

    public string? OptionalText(string key)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        if (value is YamlScalarNode { Value: { Length: > 0 } text } scalar && !IsNull(scalar))
        {
            return text;
        }

        Note(value, $"'{Full(key)}' must be text");
        return "";
    }

    /// <summary>An absolute path of a file that exists.</summary>
    public string File(string key) => OptionalFile(key) ?? Missing(key);

    public string? OptionalFile(string key)
    {
        var path = OptionalAbsolutePath(key);
        if (path is { Length: > 0 } && !System.IO.File.Exists(path))
        {
            Note(Find(key)!, $"'{Full(key)}': there is no file {path}");
        }

        return path;
    }

    public string AbsolutePath(string key) => OptionalAbsolutePath(key) ?? Missing(key);

    /// <summary>A list of absolute paths; an absent key is an empty list.</summary>
    public IReadOnlyList<string> AbsolutePaths(string key)
    {
        if (Find(key) is not { } value)
        {
            return [];
        }

        if (value is not YamlSequenceNode list)
        {
            Note(value, $"'{Full(key)}' must be a list of absolute paths");
            return [];
        }

        var paths = new List<string>();
        foreach (var item in list)
        {
            if (item is YamlScalarNode { Value: { } path } && Path.IsPathRooted(path))
            {
                paths.Add(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
            }
            else
            {
                Note(item, $"'{Full(key)}': {item} is not an absolute path");
            }
        }

        return paths;
    }

    /// <summary>A list of texts; an absent key is an empty list.</summary>
    public IReadOnlyList<string> Words(string key)
    {
        if (Find(key) is not { } value)
        {
            return [];
        }

        if (value is YamlSequenceNode list && list.All(item => item is YamlScalarNode { Value: not null }))
        {
            return [.. list.Select(item => ((YamlScalarNode)item).Value!)];
        }

        Note(value, $"'{Full(key)}' must be a list of texts");
        return [];
    }

    public int Number(string key, int min, int max, int absent)
    {
        if (Find(key) is not { } value)
        {
            return absent;
        }

        if (value is YamlScalarNode { Value: { } text }
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max)
        {
            return number;
        }

        Note(value, string.Create(CultureInfo.InvariantCulture, $"'{Full(key)}' must be a number from {min} to {max}"));
        return absent;
    }

    /// <summary>A mapping under a key, or null after noting that it is absent or something else.</summary>
    public SettingsReader? Section(string key)
    {
        if (Find(key) is not { } value)
        {
            Missing(key);
            return null;
        }

        return AsSection(value, Full(key));
    }

    /// <summary>A mapping under a key, or null when there is none.</summary>
    public SettingsReader? OptionalSection(string key) => Find(key) is { } value ? AsSection(value, Full(key)) : null;

    /// <summary>A mapping from free names to mappings; an absent key is an empty one.</summary>
    public IEnumerable<(string Name, SettingsReader Section)> NamedSections(string key)
    {
        if (Find(key) is not { } value || AsSection(value, Full(key)) is not { } names)
        {
            yield break;
        }

        foreach (var (nameNode, section) in names._node)
        {
            var name = ((YamlScalarNode)nameNode).Value!;
            if (AsSection(section, $"{Full(key)}.{name}") is { } reader)
            {
                yield return (name, reader);
            }
        }
    }

    /// <summary>A mapping from free names to absolute paths; an absent key is an empty one.</summary>
    public IEnumerable<(string Name, string Path)> NamedPaths(string key)
    {
        if (OptionalSection(key) is not { } names)
        {
            yield break;
        }

        foreach (var nameNode in names._node.Children.Keys.OfType<YamlScalarNode>())
        {
            if (names.OptionalAbsolutePath(nameNode.Value!) is { Length: > 0 } path)
            {
                yield return (nameNode.Value!, path);
            }
        }
    }

    /// <summary>Notes that a value read before is not acceptable.</summary>
    public void Refuse(string key, string why) => Note(Find(key) ?? _node, $"'{Full(key)}' {why}");

    /// <summary>Notes every key nobody asked for.</summary>
    public void RefuseTheRest()
    {
        foreach (var (key, _) in _node)
        {
            if (key is not YamlScalarNode { Value: { } name })
            {
                Note(key, "a key must be text");
            }
            else if (!_asked.Contains(name))
            {
                Note(key, $"unknown key '{Full(name)}'; known here: {string.Join(", ", _asked.Order(StringComparer.Ordinal))}");
            }
        }
    }

    private string? OptionalAbsolutePath(string key)
    {
        var path = OptionalText(key);
        if (path is not { Length: > 0 })
        {
            return path;
        }

        if (Path.IsPathRooted(path))
        {
            return Path.GetFullPath(path);
        }

        Note(Find(key)!, $"'{Full(key)}' must be an absolute path");
        return "";
    }

    private SettingsReader? AsSection(YamlNode value, string path)
    {
        if (value is YamlMappingNode mapping)
        {
            return new SettingsReader(mapping, path, _problems);
        }

        Note(value, $"'{path}' must be a mapping");
        return null;
    }

    private YamlNode? Find(string key)
    {
        _asked.Add(key);
        return _node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value : null;
    }

    private static bool IsNull(YamlScalarNode node) =>
        node.Style == YamlDotNet.Core.ScalarStyle.Plain && node.Value is "null" or "~" or "Null" or "NULL";

    private string Missing(string key)
    {
        Note(_node, $"'{Full(key)}' is missing");
        return "";
    }

    private string Full(string key) => _path.Length == 0 ? key : $"{_path}.{key}";

    private void Note(YamlNode node, string text) => _problems.Add(new SettingsProblem(node.Start.Line, node.Start.Column, text));
}
