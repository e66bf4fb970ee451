using System.Globalization;
using System.Text.RegularExpressions;

namespace Backup.Policy.Parsing;

/// <summary>
/// Reads the keys of one group, notes what is wrong and goes on. A method that finds a problem answers null: callers build
/// nothing from nulls, and the problem list says why.
/// </summary>
internal sealed partial class MapReader(YamlMap map, string what, ProblemList problems)
{
    private readonly List<string> _known = [];

    public PolicyPosition At => map.At;

    public ProblemList Problems => problems;

    /// <summary>Reads an item of a list as a group of keys; null, with a problem, when it is something else.</summary>
    public static MapReader? Open(YamlNode node, string what, ProblemList problems)
    {
        if (node is YamlMap map)
        {
            return new MapReader(map, what, problems);
        }

        problems.Add(node.At, $"{what} is a group of keys; this is {node.Describe}");
        return null;
    }

    public bool Has(string key) => Find(key) is not null;

    /// <summary>Where the key's value stands, or the group itself when the key is missing.</summary>
    public PolicyPosition PlaceOf(string key) => Find(key)?.At ?? map.At;

    public string? Text(string key, bool required)
    {
        switch (Find(key))
        {
            case YamlText { IsEmpty: false } text when text.Value.Length > 0:
                return text.Value;
            case null when !required:
                return null;
            case null:
                problems.Add(map.At, $"{what} needs the key \"{key}\"");
                return null;
            case var node:
                problems.Add(node.At, $"\"{key}\" is one value; this is {node.Describe}");
                return null;
        }
    }

    /// <summary>A kebab-case name of at most <see cref="PolicyLimits.NameLengthMax"/> characters.</summary>
    public string? Name(string key, bool required = true)
    {
        var text = Text(key, required);
        if (text is null || IsName(text))
        {
            return text;
        }

        problems.Add(PlaceOf(key), $"\"{text}\" is not a name: small letters, digits and single dashes between them, at most {PolicyLimits.NameLengthMax} characters");
        return null;
    }

    /// <summary>A duration within both limits; at most <see cref="PolicyLimits.DurationMax"/> unless told otherwise.</summary>
    public TimeSpan? Duration(string key, bool required, TimeSpan min, TimeSpan? max = null)
    {
        var text = Text(key, required);
        if (text is null)
        {
            return null;
        }

        if (!Durations.TryParse(text, out var duration))
        {
            problems.Add(PlaceOf(key), $"\"{text}\" is not {Durations.Form}");
            return null;
        }

        if (duration < min)
        {
            problems.Add(PlaceOf(key), $"\"{key}\" is {text}; it has to be at least {Durations.Format(min)}");
            return null;
        }

        var most = max ?? PolicyLimits.DurationMax;
        if (duration > most)
        {
            problems.Add(PlaceOf(key), $"\"{key}\" is {text}; it has to be at most {Durations.Format(most)}");
            return null;
        }

        return duration;
    }

    /// <summary>Bytes per second.</summary>
    public long? Rate(string key, bool required)
    {
        var text = Text(key, required);
        if (text is null)
        {
            return null;
        }

        if (Rates.TryParse(text, out var rate))
        {
            return rate;
        }

        problems.Add(PlaceOf(key), $"\"{text}\" is not {Rates.Form}");
        return null;
    }

    public int? Number(string key, int min, int max)
    {
        var text = Text(key, required: false);
        if (text is null)
        {
            return null;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
        {
            return number;
        }

        problems.Add(PlaceOf(key), $"\"{key}\" is a whole number from {min} to {max}; this is \"{text}\"");
        return null;
    }

    public bool? Flag(string key)
    {
        var text = Text(key, required: false);
        switch (text)
        {
            case null:
                return null;
            case "true":
                return true;
            case "false":
                return false;
            default:
                problems.Add(PlaceOf(key), $"\"{key}\" is true or false; this is \"{text}\"");
                return null;
        }
    }

    public T? OneOf<T>(string key, bool required, params (string Text, T Value)[] choices)
        where T : struct
    {
        var text = Text(key, required);
        if (text is null)
        {
            return null;
        }

        foreach (var choice in choices)
        {
            if (choice.Text == text)
            {
                return choice.Value;
            }
        }

        problems.Add(PlaceOf(key), $"\"{key}\" is one of {string.Join(", ", choices.Select(c => c.Text))}; this is \"{text}\"");
        return null;
    }

    /// <summary>The items of a list; null when the key is missing, empty (with a problem) when it is not a list or too long.</summary>
    public IReadOnlyList<YamlNode>? List(string key)
    {
        switch (Find(key))
        {
            case null:
                return null;
            case YamlList list when list.Items.Count <= PolicyLimits.ListLengthMax:
                return list.Items;
            case YamlList list:
                problems.Add(list.At, $"\"{key}\" has {list.Items.Count} entries; the limit is {PolicyLimits.ListLengthMax}");
                return [];
            case var node:
                problems.Add(node.At, $"\"{key}\" is a list; this is {node.Describe}");
                return [];
        }
    }

    /// <summary>The texts of a list with their places; null when the key is missing.</summary>
    public IReadOnlyList<YamlText>? Texts(string key)
    {
        if (List(key) is not { } nodes)
        {
            return null;
        }

        var texts = new List<YamlText>();
        foreach (var node in nodes)
        {
            if (node is YamlText { IsEmpty: false } text && text.Value.Length > 0)
            {
                texts.Add(text);
            }
            else
            {
                problems.Add(node.At, $"\"{key}\" holds texts; this is {node.Describe}");
            }
        }

        return texts;
    }

    /// <summary>The group under a key; null when the key is missing or is something else.</summary>
    public MapReader? Group(string key)
    {
        var node = Find(key);
        return node is null ? null : Open(node, $"\"{key}\"", problems);
    }

    /// <summary>Reports every key that nobody asked for. Called last.</summary>
    public void RefuseUnknownKeys()
    {
        foreach (var (key, _) in map.Entries)
        {
            if (!_known.Contains(key.Value))
            {
                problems.Add(key.At, $"{what} has no key \"{key.Value}\"; it has {string.Join(", ", _known)}");
            }
        }
    }

    internal static bool IsName(string text) => text.Length <= PolicyLimits.NameLengthMax && NamePattern().IsMatch(text);

    private YamlNode? Find(string key)
    {
        if (!_known.Contains(key))
        {
            _known.Add(key);
        }

        foreach (var (name, value) in map.Entries)
        {
            if (name.Value == key)
            {
                return value;
            }
        }

        return null;
    }

    [GeneratedRegex(@"\A[a-z0-9]+(?:-[a-z0-9]+)*\z")]
    private static partial Regex NamePattern();
}
