using System.CommandLine;
using Backup.Cli.Output;
using Backup.Sources.Postgres.Proving;
using Backup.Vault;

namespace Backup.Cli.Restoring;

/// <summary>A check's answer as machines read it.</summary>
internal sealed record ProofAnswerLine(string Name, bool Passed, string Answer, double Seconds);

/// <summary>Something wrong as machines read it.</summary>
internal sealed record ProofFindingLine(string Step, string Text);

/// <summary>A proof as machines read it.</summary>
internal sealed record ProofLine(
    bool IsProven, string Target, string BaseBackup, int MajorVersion, DateTimeOffset StartedAt, DateTimeOffset? ConsistentAt, DateTimeOffset CheckedAt, int TablesEqual, int TablesSampled,
    int TablesChanged, int TablesLeftOut, long RowsCompared, string? ContentNote, int? IndexesChecked, long? PagesChecked, IReadOnlyList<ProofAnswerLine> Checks,
    IReadOnlyDictionary<string, double> Seconds, IReadOnlyList<ProofFindingLine> Findings, int FindingsTotal);

/// <summary>How a restored cluster is proven: the same for every command that does.</summary>
internal sealed class ProofArguments
{
    private const int MinutesMax = 7 * 24 * 60;

    private readonly Option<string> _programs = new("--postgres-bin") { Description = "The folder with the fitting server's programs, where packages do not put them.", HelpName = "DIR" };
    private readonly Option<string> _superuser = new("--superuser") { Description = "The role to check as, for base backups that do not name one.", HelpName = "ROLE" };

    private readonly Option<string[]> _checks = new("--check")
    {
        Description = "A question to a restored database; its first value must be there, and be neither false nor empty.",
        HelpName = "DATABASE=SQL",
    };

    private readonly Option<int> _minutes = new("--minutes") { Description = "How long the proof may take.", HelpName = "N", DefaultValueFactory = _ => (int)ProofRequest.TimeLimitDefault.TotalMinutes };

    public IEnumerable<Symbol> All => [_programs, _superuser, _checks, _minutes];

    /// <summary>Proves, and tells what came of it.</summary>
    /// <param name="invocation">The command.</param>
    /// <param name="vault">Where the cluster came from.</param>
    /// <param name="snapshot">The base backup that it came from.</param>
    /// <param name="target">The restored data directory.</param>
    /// <param name="timeline">The timeline along which log is replayed; null for none but the base backup's own.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Success or findings.</returns>
    public async Task<ExitCode> RunAsync(Invocation invocation, OpenVault vault, SnapshotId snapshot, string target, uint? timeline, CancellationToken cancel)
    {
        var request = new ProofRequest
        {
            DataDirectory = target,
            Timeline = timeline,
            Programs = invocation.Get(_programs),
            Superuser = invocation.Get(_superuser),
            Checks = ReadChecks(invocation),
            TimeLimit = TimeSpan.FromMinutes(invocation.Within(_minutes, 1, MinutesMax)),
        };
        var report = await new PostgresProof(invocation.Terminal.Time).RunAsync(vault, snapshot, request, new StepNote(invocation), cancel).ConfigureAwait(false);
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(Line(report, target, snapshot), CliJson.Default.ProofLine);
        }
        else
        {
            Tell(invocation.Out, report, target);
        }

        return report.IsProven ? ExitCode.Success : ExitCode.Findings;
    }

    private ProofCheck[] ReadChecks(Invocation invocation) =>
        [.. (invocation.Get(_checks) ?? []).Select(text => text.Split('=', 2) is [{ Length: > 0 } database, { Length: > 0 } sql]
            ? new ProofCheck { Name = sql, Database = database, Sql = sql }
            : throw Wrong($"--check takes DATABASE=SQL, not '{text}'."))];

    private static CliException Wrong(string message) => new(CliFault.OptionInvalid, message, "See the command's --help.");

    private static ProofLine Line(ProofReport report, string target, SnapshotId snapshot) => new(
        report.IsProven, target, snapshot.ToString(), report.MajorVersion, report.StartedAt, report.ConsistentAt, report.CheckedAt, report.Content.TablesEqual, report.Content.TablesSampled,
        report.Content.TablesChanged, report.Content.TablesLeftOut, report.Content.RowsCompared, report.Content.Note, report.IndexesChecked, report.PagesChecked,
        [.. report.Checks.Select(check => new ProofAnswerLine(check.Name, check.Passed, check.Answer, check.Duration.TotalSeconds))],
        report.Durations.OrderBy(step => step.Key).ToDictionary(step => ErrorText.Kebab(step.Key.ToString()), step => step.Value.TotalSeconds),
        [.. report.Findings.Select(finding => new ProofFindingLine(ErrorText.Kebab(finding.Step.ToString()), finding.Text))], report.FindingsTotal);

    private static void Tell(TextWriter output, ProofReport report, string target)
    {
        output.WriteLine($"{(report.IsProven ? "Proven" : "NOT proven")}: {target}, PostgreSQL {report.MajorVersion}, in {Figures.Duration(report.CheckedAt - report.StartedAt)}");
        output.WriteLine(report.ConsistentAt is { } consistent ? $"  consistent after {Figures.Duration(consistent - report.StartedAt)}" : "  never consistent");
        var content = report.Content;
        var sampled = content.TablesSampled > 0 ? $" ({Figures.Count(content.TablesSampled)} of them in parts)" : "";
        output.WriteLine($"  tables as recorded: {Figures.Count(content.TablesEqual)}{sampled} with {Figures.Count(content.RowsCompared, "row")} read; changed since: {Figures.Count(content.TablesChanged)}; not recorded: {Figures.Count(content.TablesLeftOut)}");
        if (content.Note is { } note)
        {
            output.WriteLine($"  note: {note}");
        }

        output.WriteLine(report.IndexesChecked is { } indexes ? $"  B-trees checked by amcheck: {Figures.Count(indexes)}" : "  B-trees not checked: the server comes without amcheck, or did not get that far");
        output.WriteLine(report.PagesChecked is { } pages ? $"  pages checked: {Figures.Count(pages)}" : "  pages not checked: the cluster has no checksums, or did not get that far");
        foreach (var check in report.Checks)
        {
            output.WriteLine($"  check {(check.Passed ? "passed" : "FAILED")} in {Figures.Duration(check.Duration)}: {check.Name}: {check.Answer}");
        }

        foreach (var finding in report.Findings)
        {
            output.WriteLine($"  {ErrorText.Kebab(finding.Step.ToString())}: {finding.Text}");
        }

        if (report.FindingsTotal > report.Findings.Count)
        {
            output.WriteLine($"  and {Figures.Count(report.FindingsTotal - report.Findings.Count)} more");
        }
    }

    private sealed class StepNote(Invocation invocation) : IProgress<ProofStep>
    {
        public void Report(ProofStep value)
        {
            if (!invocation.IsQuiet)
            {
                invocation.Note($"Proving: {ErrorText.Kebab(value.ToString())}");
            }
        }
    }
}
