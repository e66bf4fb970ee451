using System.Text.RegularExpressions;
using Microsoft.DurableTask;
using Shouldly;

namespace Backup.Standalone.Tests.Api;

public sealed partial class PublicSurfaceTests
{
    // Its members are types of Durable Task's core engine, which this host does not have.
    private const string LeftOut = "Microsoft.DurableTask.Worker.ExtendedSessionState";

    [Fact]
    public void EveryDocumentedMember_IsOffered_UnderItsNameAndSignature()
    {
        var offered = typeof(TaskOrchestrationContext).Assembly.GetExportedTypes().ToDictionary(MemberNotation.KeyOf, StringComparer.Ordinal);
        var problems = new List<string>();
        foreach (var (name, (header, members)) in DocumentedMembers.Read().Where(d => d.Key != LeftOut))
        {
            if (!offered.TryGetValue(name, out var type))
            {
                problems.Add($"{name}: no such type");
                continue;
            }

            problems.AddRange(HeaderProblems(name, header, type));
            var ours = MemberNotation.MembersOf(type).Select(DocumentedMembers.Normalize).ToHashSet(StringComparer.Ordinal);
            problems.AddRange(members.Where(m => !ours.Contains(m) && !ours.Contains(InAbstractClass(m, type))).Select(m => $"{name}: {m}"));
        }

        problems.ShouldBeEmpty(string.Join('\n', problems));
    }

    // Whether the constructor of an abstract class is public or protected makes no difference.
    private static string InAbstractClass(string member, Type type) =>
        type.IsAbstract ? member.Replace("public " + type.Name.Split('`')[0] + "(", "protected " + type.Name.Split('`')[0] + "(", StringComparison.Ordinal) : member;

    private static IEnumerable<string> HeaderProblems(string name, string header, Type type)
    {
        var parts = header.Split(" : ", 2);
        var ours = DocumentedMembers.Normalize(MemberNotation.HeaderOf(type));
        if (parts[0] != ours)
        {
            yield return $"{name}: {ours} instead of {parts[0]}";
        }

        var bases = MemberNotation.BasesOf(type).ToHashSet(StringComparer.Ordinal);
        foreach (var missing in parts.Length == 1 ? [] : BasePattern().Split(parts[1]).Where(b => !bases.Contains(b)))
        {
            yield return $"{name}: not a {missing}";
        }
    }

    // Commas within angle brackets separate type arguments.
    [GeneratedRegex(@", (?![^<]*>)")]
    private static partial Regex BasePattern();
}
