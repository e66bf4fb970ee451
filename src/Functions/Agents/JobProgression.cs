using System.Text.Json;
using Backup.AgentApi;

namespace Backup.Functions.Agents;

/// <summary>What an orchestration does next with a job: ends it, or waits and asks again.</summary>
/// <param name="Outcome">Set when the job is over.</param>
/// <param name="Wait">Before the next question, otherwise.</param>
/// <param name="Next">The job as it then stands.</param>
/// <param name="Cancel">The agent must be told to stop: nobody waits for the job any more.</param>
public sealed record JobStep(JobOutcome? Outcome, TimeSpan Wait, AgentJobRequest Next, bool Cancel = false);

/// <summary>Decides, without a clock of its own, what follows from an agent's words. Pure, so that every path can be tested.</summary>
public static class JobProgression
{
    /// <summary>The next step.</summary>
    /// <param name="job">The job before the question.</param>
    /// <param name="says">What came back.</param>
    /// <param name="now">The orchestration's clock.</param>
    public static JobStep Next(AgentJobRequest job, AgentSays says, DateTime now)
    {
        job = job with { Deadline = job.Deadline ?? now.AddSeconds(job.Patience.JobSeconds) };
        return says.Kind switch
        {
            AgentSaysKind.Ended => AfterEnd(job, says.Report!, now),
            AgentSaysKind.Working when now >= job.Deadline => Over(
                job,
                new JobFailure(ReasonCodes.TookTooLong, $"The job was stopped after {job.Patience.JobSeconds} seconds.", "See what the agent was doing, or raise Jobs:JobSeconds."),
                cancel: true),
            AgentSaysKind.Working => new JobStep(null, TimeSpan.FromMilliseconds(job.Patience.PollMilliseconds), Heard(job) with { IsAccepted = true }),
            // The agent may have the order without our knowing; if it does the job all the same, nobody waits for it.
            _ when job.IsCancelRequested && !job.IsAccepted => Over(job, CancelledBefore),
            _ when !says.IsTransient => Over(job, says.Failure!),
            _ => AfterSilence(job, says.Failure!, now),
        };
    }

    private static JobStep AfterEnd(AgentJobRequest job, JobReport report, DateTime now)
    {
        if (report.State.HasResult())
        {
            return new JobStep(new JobOutcome { Report = report }, TimeSpan.Zero, job);
        }

        var failure = report.Failure ?? new Failure { Code = FailureCode.Internal, Message = $"The agent ended the job as {report.State} and gave no reason." };

        // A denied access is worth another attempt with a fresh SAS: copies may outlive the first one.
        var mayRetry = report.State is JobState.Failed && (failure.IsTransient || failure.Code is FailureCode.AccessDenied or FailureCode.Interrupted);
        if (job.IsCancelRequested && mayRetry)
        {
            return Over(job, CancelledBefore);
        }

        return mayRetry && job.Attempt < JobPatience.AttemptsMax && now < job.Deadline
            ? new JobStep(null, TimeSpan.FromSeconds(job.Patience.RetrySeconds * (1L << (job.Attempt - 1))), Heard(job) with { Attempt = job.Attempt + 1, IsAccepted = false })
            : Over(job, Translate(failure));
    }

    private static JobStep AfterSilence(AgentJobRequest job, JobFailure failure, DateTime now)
    {
        var since = job.SilentSince ?? now;
        var seconds = job.IsAccepted ? job.Patience.LostContactSeconds : job.Patience.OfflineSeconds;
        var end = since.AddSeconds(seconds);
        end = end < job.Deadline ? end : job.Deadline!.Value;
        if (now >= end)
        {
            // Not cancelled: the agent cannot be reached. If it finishes all the same, rebuilding the catalog takes its snapshot in.
            return Over(job, failure with { Text = $"{failure.Text} This went on for {(long)(now - since).TotalSeconds} seconds." });
        }

        var wait = Math.Min((long)JobPatience.SilenceWaitSecondsMin << Math.Min(job.Silences, 10), JobPatience.SilenceWaitSecondsMax);
        var remaining = end - now;
        return new JobStep(
            null, TimeSpan.FromSeconds(wait) < remaining ? TimeSpan.FromSeconds(wait) : remaining, job with { SilentSince = since, Silences = job.Silences + 1 });
    }

    private static JobFailure CancelledBefore { get; } = Translate(new Failure
    {
        Code = FailureCode.Cancelled,
        Message = "The job was cancelled while the agent was not working on it.",
        Hint = "Start it again if it is wanted after all.",
    });

    private static AgentJobRequest Heard(AgentJobRequest job) => job with { SilentSince = null, Silences = 0 };

    private static JobStep Over(AgentJobRequest job, JobFailure failure, bool cancel = false) => new(new JobOutcome { Failure = failure }, TimeSpan.Zero, job, cancel);

    /// <summary>An agent's failure as a reason, with the code it has on the wire.</summary>
    public static JobFailure Translate(Failure failure) =>
        new(JsonSerializer.SerializeToElement(failure.Code).GetString()!, failure.Message, failure.Hint);
}
