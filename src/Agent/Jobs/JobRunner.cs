using Backup.Agent.Work;
using Backup.AgentApi;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Jobs;

/// <summary>Runs queued jobs, a bounded number at a time, and sees to it that each ends in a journaled report.</summary>
internal sealed class JobRunner(JobBook book, IOrderWork work, int concurrentJobs, TimeProvider time, ILogger<JobRunner> log) : BackgroundService
{
    /// <summary>The wait after the journal could not be written: a full disk does not empty itself in a moment.</summary>
    internal static readonly TimeSpan JournalRetryDelay = TimeSpan.FromSeconds(30);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, concurrentJobs).Select(_ => Task.Run(() => RunJobsAsync(stoppingToken), CancellationToken.None)));

    private async Task RunJobsAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await RunAsync(await book.StartNextAsync(stopping).ConfigureAwait(false), stopping).ConfigureAwait(false);
            }
            catch (IOException e)
            {
                JobLog.CannotStart(log, JournalRetryDelay.TotalSeconds, e);
                await Task.Delay(JournalRetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task RunAsync(StartedJob started, CancellationToken stopping)
    {
        var job = started.Job;
        var operation = job.Claim.Operation;
        if (started.IsGivenUp)
        {
            book.End(job, JobEndings.GivenUp(job, time.GetUtcNow(), work.Abandon(job.OrderId, started.Payload)));
            JobLog.GivenUp(log, job.OrderId.Value, operation, job.Attempts);
            return;
        }

        JobLog.Started(log, job.OrderId.Value, operation, job.Attempts);
        JobOutcome outcome;
        try
        {
            outcome = await work.RunAsync(job.OrderId, job.AcceptedAt, started.Payload, new ProgressNote(book, job, time), started.Stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (job.IsCancelRequested)
        {
            book.End(job, JobEndings.Cancelled(job, time.GetUtcNow(), work.Abandon(job.OrderId, started.Payload)));
            JobLog.Ended(log, job.OrderId.Value, operation, JobState.Cancelled);
            return;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            book.Interrupt(job);
            JobLog.Interrupted(log, job.OrderId.Value, operation);
            return;
        }
        catch (Exception e)
        {
            // The one place where anything may arrive: a job must end in a report, and the agent must live on for the others.
            JobLog.FailedUnexpectedly(log, job.OrderId.Value, operation, e);
            outcome = JobOutcome.Failed(new Failure
            {
                Code = FailureCode.Internal,
                Message = $"The agent met an unexpected {e.GetType().Name}.",
                Hint = "The agent's log holds the details.",
            });
        }

        if (outcome is { State: JobState.Failed, Failure: { } failed })
        {
            outcome = outcome with { Failure = failed.Leaving(work.Abandon(job.OrderId, started.Payload)) };
        }

        End(job, outcome);
    }

    private void End(Job job, JobOutcome outcome)
    {
        book.End(job, job.Report() with
        {
            State = outcome.State,
            Progress = null,
            EndedAt = time.GetUtcNow(),
            Backup = outcome.Backup,
            Restore = outcome.Restore,
            Replicate = outcome.Replicate,
            Prune = outcome.Prune,
            Verify = outcome.Verify,
            Tidy = outcome.Tidy,
            Survey = outcome.Survey,
            Failure = outcome.Failure,
        });
        if (outcome is { State: JobState.Failed, Failure: { } failure })
        {
            JobLog.Failed(log, job.OrderId.Value, job.Claim.Operation, failure.Code, failure.Message);
        }
        else
        {
            JobLog.Ended(log, job.OrderId.Value, job.Claim.Operation, outcome.State);
        }
    }

    /// <summary>Not <see cref="Progress{T}"/>, which posts: a late report would arrive after the job's end.</summary>
    private sealed class ProgressNote(JobBook book, Job job, TimeProvider time) : IProgress<JobProgress>
    {
        private readonly long _begun = time.GetTimestamp();

        public void Report(JobProgress value)
        {
            var seconds = time.GetElapsedTime(_begun).TotalSeconds;
            book.Progress(job, value with { BytesPerSecond = seconds < 1 ? null : value.BytesDone / seconds });
        }
    }
}
