using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Backup.Policy.Parsing;

/// <summary>A node with its place. YamlDotNet's own document model stops at the first duplicate key; this one keeps going.</summary>
internal abstract record YamlNode(PolicyPosition At)
{
    public abstract string Describe { get; }
}

internal sealed record YamlText(PolicyPosition At, string Value, bool IsQuoted) : YamlNode(At)
{
    public override string Describe => IsEmpty ? "nothing" : $"the text \"{Value}\"";

    public bool IsEmpty => !IsQuoted && Value is "" or "~" or "null";
}

internal sealed record YamlList(PolicyPosition At, IReadOnlyList<YamlNode> Items) : YamlNode(At)
{
    public override string Describe => "a list";
}

internal sealed record YamlMap(PolicyPosition At, IReadOnlyList<(YamlText Key, YamlNode Value)> Entries) : YamlNode(At)
{
    public override string Describe => "a group of keys";
}

/// <summary>Turns YAML text into nodes with places, within <see cref="PolicyLimits"/>.</summary>
internal static class YamlTree
{
    /// <summary>The root node, or null when the text is not YAML or holds nothing; the reason is then among the problems.</summary>
    public static YamlNode? Read(string text, ProblemList problems)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            if (parser.Accept<StreamEnd>(out _))
            {
                problems.Add(new PolicyPosition(1, 1), "the file is empty; a policy begins with \"version: 1\"");
                return null;
            }

            parser.Consume<DocumentStart>();
            var root = ReadNode(parser, problems, depth: 0);
            parser.Consume<DocumentEnd>();
            if (parser.Accept<DocumentStart>(out var second))
            {
                problems.Add(Place(second.Start), "a policy file holds one document; remove this one");
            }

            return root;
        }
        catch (YamlException e)
        {
            // Nothing after a syntax error can be read reliably; what was found before it is reported with it.
            problems.Add(Place(e.Start), $"this is not valid YAML: {e.Message}");
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet 18 throws these, without a place, for some plain texts and for tags that are no addresses; the last thing it read is the nearest.
            problems.Add(parser.Current is { } last ? Place(last.End) : new PolicyPosition(1, 1), "this is not valid YAML; what follows here cannot be read");
            return null;
        }
    }

    private static YamlNode ReadNode(Parser parser, ProblemList problems, int depth)
    {
        if (depth > PolicyLimits.DepthMax)
        {
            throw new YamlException(parser.Current!.Start, parser.Current.End, $"nested more than {PolicyLimits.DepthMax} levels deep");
        }

        var start = parser.Current!.Start;
        if (parser.TryConsume<Scalar>(out var scalar))
        {
            RefuseExtras(scalar, problems);
            return new YamlText(Place(start), scalar.Value, scalar.Style is not ScalarStyle.Plain);
        }

        if (parser.TryConsume<SequenceStart>(out var sequence))
        {
            RefuseExtras(sequence, problems);
            var items = new List<YamlNode>();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                items.Add(ReadNode(parser, problems, depth + 1));
            }

            return new YamlList(Place(start), items);
        }

        if (parser.TryConsume<MappingStart>(out var mapping))
        {
            RefuseExtras(mapping, problems);
            return ReadMap(parser, problems, depth, Place(start));
        }

        // An alias can only name an anchor, which is refused where it stands; expanding it could blow up the file.
        var alias = parser.Consume<AnchorAlias>();
        problems.Add(Place(alias.Start), "aliases (*name) are not used in policies; write the value out");
        return new YamlText(Place(alias.Start), "", IsQuoted: false);
    }

    private static YamlMap ReadMap(Parser parser, ProblemList problems, int depth, PolicyPosition at)
    {
        var entries = new List<(YamlText, YamlNode)>();
        var seen = new Dictionary<string, PolicyPosition>(StringComparer.Ordinal);
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var key = ReadNode(parser, problems, depth + 1);
            var value = ReadNode(parser, problems, depth + 1);
            if (key is not YamlText name)
            {
                problems.Add(key.At, $"a key has to be a word; this is {key.Describe}");
            }
            else if (!seen.TryAdd(name.Value, name.At))
            {
                problems.Add(name.At, $"key \"{name.Value}\" stands twice; first on line {seen[name.Value].Line}");
            }
            else
            {
                entries.Add((name, value));
            }
        }

        return new YamlMap(at, entries);
    }

    // What would be ignored without a word is refused: somebody who writes "!include" believes that something is included.
    private static void RefuseExtras(NodeEvent node, ProblemList problems)
    {
        if (!node.Tag.IsEmpty)
        {
            problems.Add(Place(node.Start), "tags (!name) are not used in policies; remove it");
        }

        if (!node.Anchor.IsEmpty)
        {
            problems.Add(Place(node.Start), "anchors (&name) are not used in policies; remove it");
        }
    }

    private static PolicyPosition Place(Mark mark) => new((int)mark.Line, (int)mark.Column);
}
