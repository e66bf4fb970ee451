using System.Globalization;
using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Sources.Postgres.Proving;
using Backup.Vault;

namespace Backup.Agent.Work;

/// <summary>Proves a cluster that an order has restored, in the words of reports.</summary>
internal sealed class RestoreProof(AgentSettings settings, TimeProvider time)
{
    private const int FindingsTold = 3;

    /// <exception cref="Sources.SourcesException">The proof could not be begun.</exception>
    public async Task<ProofResult> RunAsync(
        OpenVault vault, SnapshotId snapshot, ProofSettings wanted, RestoreResult restored, DateTimeOffset acceptedAt, IProgress<JobProgress> progress, CancellationToken cancel)
    {
        // What was a standby is brought back as a server of its own; else it would wait for its primary for ever.
        File.Delete(Path.Combine(restored.Target, "standby.signal"));
        var request = new ProofRequest
        {
            DataDirectory = restored.Target,
            Timeline = (uint?)restored.Recovery?.Timeline,
            Programs = settings.PostgresPrograms.GetValueOrDefault(PostgresProof.VersionOf(restored.Target)),
            TimeLimit = TimeSpan.FromSeconds(wanted.TimeLimitSeconds),
            Checks = [.. wanted.Checks.Select(check => new ProofCheck
            {
                Name = check.Name,
                Database = check.Database,
                Sql = check.Sql,
                Expect = check.Expect,
                TimeLimit = TimeSpan.FromSeconds(check.TimeLimitSeconds),
            })],
        };
        var report = await new PostgresProof(time).RunAsync(vault, snapshot, request, new StepNote(progress, restored), cancel).ConfigureAwait(false);
        return Translate(report, restored, acceptedAt);
    }

    /// <summary>Why a proof is no success.</summary>
    public static Failure FailureOf(ProofResult proof) => new()
    {
        Code = FailureCode.ProofFailed,
        Message = string.Create(CultureInfo.InvariantCulture, $"The proof found {proof.FindingsTotal} faults: ") + string.Join("; ", proof.Findings.Take(FindingsTold).Select(f => $"{f.Step}: {f.Text}")),
        Hint = "Restore another recovery point, or the same one from a replica, and look at the vault with 'backupctl vault verify'.",
    };

    private static ProofResult Translate(ProofReport report, RestoreResult restored, DateTimeOffset acceptedAt) => new()
    {
        AcceptedAt = acceptedAt,
        RestoredAt = restored.EndedAt,
        ConsistentAt = report.ConsistentAt,
        CheckedAt = report.CheckedAt,
        IsProven = report.IsProven,
        MajorVersion = report.MajorVersion,
        TablesEqual = report.Content.TablesEqual,
        TablesSampled = report.Content.TablesSampled,
        TablesChanged = report.Content.TablesChanged,
        TablesLeftOut = report.Content.TablesLeftOut,
        RowsCompared = report.Content.RowsCompared,
        ContentNote = report.Content.Note,
        IndexesChecked = report.IndexesChecked,
        PagesChecked = report.PagesChecked,
        Checks = [.. report.Checks.Select(check => new ProofAnswer { Name = check.Name, Passed = check.Passed, Answer = check.Answer, Seconds = check.Duration.TotalSeconds })],
        Steps = [.. report.Durations.OrderBy(step => step.Key).Select(step => new ProofStepTime { Step = Word(step.Key), Seconds = step.Value.TotalSeconds })],
        Findings = [.. report.Findings.Select(finding => new ProofProblem { Step = Word(finding.Step), Text = finding.Text })],
        FindingsTotal = report.FindingsTotal,
    };

    private static string Word(ProofStep step) => step.ToString().ToLowerInvariant();

    private sealed class StepNote(IProgress<JobProgress> progress, RestoreResult restored) : IProgress<ProofStep>
    {
        public void Report(ProofStep value) => progress.Report(new JobProgress
        {
            Phase = $"proving: {Word(value)}",
            BytesDone = restored.BytesRestored,
            BytesTotal = restored.BytesRestored,
            ItemsDone = restored.FilesRestored,
        });
    }
}
