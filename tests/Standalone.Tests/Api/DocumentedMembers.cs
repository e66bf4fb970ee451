using System.Text.RegularExpressions;

namespace Backup.Standalone.Tests.Api;

/// <summary>The members that the packages of Durable Functions have, by type, in the notation of <see cref="MemberNotation"/>.</summary>
internal static partial class DocumentedMembers
{
    /// <summary>Reads the list: lines of namespaces, type headers at the margin, members indented.</summary>
    public static Dictionary<string, (string Header, List<string> Members)> Read()
    {
        var types = new Dictionary<string, (string Header, List<string> Members)>(StringComparer.Ordinal);
        var scope = string.Empty;
        List<string>? members = null;
        using var reader = new StreamReader(typeof(DocumentedMembers).Assembly.GetManifestResourceStream("documented-members")!);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith("namespace ", StringComparison.Ordinal))
            {
                scope = line["namespace ".Length..];
            }
            else if (line.StartsWith("    ", StringComparison.Ordinal))
            {
                members!.Add(Normalize(line));
            }
            else if (!line.StartsWith('{') && !line.StartsWith('}'))
            {
                var header = Normalize(line);
                var name = $"{scope}.{NameOf(header)}";

                // Two packages have a type of one name each; here it can only be one type with the members of both.
                members = types.TryGetValue(name, out var other) ? other.Members : [];
                types[name] = (header, members);
            }
        }

        return types;
    }

    /// <summary>A member or header without what the comparison leaves out: obsolescence and the nullability of references.</summary>
    public static string Normalize(string text)
    {
        text = ObsoletePattern().Replace(text, string.Empty);
        text = NullableReferencePattern().Replace(text, string.Empty);
        return SpacePattern().Replace(text, " ").Trim();
    }

    private static string NameOf(string header) => header.Contains(" delegate ", StringComparison.Ordinal)
        ? DelegateNamePattern().Match(header).Groups[1].Value
        : TypeNamePattern().Match(header).Groups[1].Value;

    [GeneratedRegex("""\[Obsolete(\("[^"]*"\))?\] """)]
    private static partial Regex ObsoletePattern();

    [GeneratedRegex(@"(?<!\b(bool|int|DateTime|DateTimeOffset|TimeSpan|TaskVersion|OrchestrationRuntimeStatus))\?")]
    private static partial Regex NullableReferencePattern();

    [GeneratedRegex(@"\s+")]
    private static partial Regex SpacePattern();

    [GeneratedRegex(@" ([A-Za-z0-9_]+)\(")]
    private static partial Regex DelegateNamePattern();

    [GeneratedRegex(@"(?:class|struct|record|interface|enum) ([A-Za-z0-9_.]+(?:<[^>]*>)?)")]
    private static partial Regex TypeNamePattern();
}
