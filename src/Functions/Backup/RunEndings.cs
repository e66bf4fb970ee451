using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Replication;

namespace Backup.Functions.Backups;

/// <summary>What a run with a recovery point ends as. Pure.</summary>
public static class RunEndings
{
    /// <summary>Succeeded when everything was read, every hook ran well and every replica was found sound; partial otherwise, with every reason.</summary>
    public static RunEnding WithPoint(BackupPlan plan, BackupResult result, IReadOnlyList<TierOutcome> copies)
    {
        var reasons = new List<JobFailure>();
        if (result.FilesUnreadableTotal > 0)
        {
            var first = result.FilesUnreadable is [var file, ..] ? $", the first is {file.Path}: {file.Reason}" : "";
            reasons.Add(new JobFailure(ReasonCodes.UnreadableFiles, $"{result.FilesUnreadableTotal} files could not be read{first}.", "Let the agent read them, or exclude them."));
        }

        foreach (var failure in new[] { result.HookFailure, result.DumpFailure }.OfType<Failure>())
        {
            reasons.Add(JobProgression.Translate(failure));
        }

        reasons.AddRange(copies.Where(c => c.Failure is not null).Select(c => c.Failure! with { Text = $"Tier {c.Tier}: {c.Failure.Text}" }));
        return reasons switch
        {
            [] => new RunEnding { Run = plan.Run, State = "succeeded" },
            [var only] => new RunEnding { Run = plan.Run, State = "partial", Reason = only },
            _ => new RunEnding
            {
                Run = plan.Run,
                State = "partial",
                Reason = new JobFailure(reasons[0].Code, string.Join(' ', reasons.Select(r => r.Text)), string.Join(' ', reasons.Select(r => r.Hint).Distinct())),
            },
        };
    }
}
