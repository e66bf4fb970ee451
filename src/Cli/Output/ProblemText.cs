using Backup.Cli.Snapshots;
using Backup.Sources;

namespace Backup.Cli.Output;

/// <summary>An item that did not go the ordinary way, as machines read it.</summary>
internal sealed record ProblemLine(string Path, string Kind, string Reason);

/// <summary>Tells about single items on the error output, so that results stay clean.</summary>
internal static class ProblemText
{
    public static IReadOnlyList<ProblemLine> Lines(IEnumerable<ItemProblem> problems) =>
        [.. problems.Select(p => new ProblemLine(p.Path, System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(p.Kind.ToString()), p.Reason))];

    public static void Write(Invocation invocation, IEnumerable<ItemProblem> problems)
    {
        foreach (var problem in problems.Where(p => p.Kind != ItemProblemKind.Vanished))
        {
            var word = problem.Kind switch
            {
                ItemProblemKind.Unreadable => "failed",
                ItemProblemKind.ChangedWhileRead => "changed while read",
                _ => "note",
            };
            invocation.Note($"{word}: {EntryText.Printable(problem.Path)}: {problem.Reason}");
        }
    }
}
