using Backup.Agent.Journal;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Jobs;

/// <summary>
/// All jobs and their durable journal; also the agent's memory of order ids. An answered order is in the journal, and an order id
/// means one job for as long as anybody may ask for it.
/// </summary>
/// <remarks>
/// Each change is journaled before it is visible: a crash at any instant leaves a job either where it was or where it was
/// reported to be. A job whose journaled end is lost runs again; all work is idempotent per order.
/// Finished jobs are forgotten after <see cref="KeptFor"/>, never while their order's envelope would still be accepted.
/// </remarks>
internal sealed class JobBook : IDisposable
{
    /// <summary>How long the outcome of a finished job can be asked for.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(30);

    /// <summary>Jobs that have not ended; further orders are refused as busy.</summary>
    public const int UnfinishedJobsMax = 1000;

    /// <summary>Starts without an orderly end after which a job counts as what kills the agent.</summary>
    public const int AttemptsMax = 5;

    private readonly Lock _gate = new();
    private readonly Dictionary<OrderId, Job> _jobs = [];
    private readonly JobQueue _queue;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly JobJournal _journal;

    private JobBook(string journalFile, TimeProvider time, ILogger log)
    {
        _time = time;
        _log = log;
        _queue = new JobQueue(time);
        _journal = new JobJournal(journalFile, _jobs, time, log);
        var unfinished = _jobs.Values.Where(j => !j.State.IsFinal()).OrderBy(j => j.AcceptedAt).ToList();
        foreach (var job in unfinished)
        {
            if (job.State == JobState.Running)
            {
                job.PutBack(countsAsAttempt: true);
            }

            _queue.Add(job);
        }

        JobLog.JournalOpened(log, _jobs.Count, unfinished.Count, _journal.TornBytes);
    }

    /// <summary>Reads the journal back; jobs that had not ended are queued again in order of their arrival.</summary>
    /// <exception cref="AgentException">The journal is damaged, too new or cannot be opened.</exception>
    public static JobBook Open(string journalFile, TimeProvider time, ILogger log)
    {
        try
        {
            return new JobBook(journalFile, time, log);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException(
                AgentFault.StateFolderUnavailable, $"The job journal {journalFile} cannot be opened: {e.Message}", "Check the folder's owner and the free space.", e);
        }
    }

    /// <summary>Takes on a job order, durably, or answers from what is stored about its id. Null when too many jobs wait already.</summary>
    /// <param name="claim">The order's id and what it asks for.</param>
    /// <param name="payload">The order.</param>
    /// <param name="judged">Told the verdict, null for too many, before anybody can begin with the job: logs then tell things in their order.</param>
    /// <exception cref="IOException">The journal cannot be written: nothing was taken on.</exception>
    public Acceptance? Accept(OrderClaim claim, OrderPayload payload, Action<ReplayVerdict?>? judged = null)
    {
        lock (_gate)
        {
            var earlier = _jobs.GetValueOrDefault(claim.OrderId);
            var verdict = ReplayRule.Judge(earlier?.Claim, claim);
            if (verdict == ReplayVerdict.First)
            {
                if (_jobs.Values.Count(j => !j.State.IsFinal()) >= UnfinishedJobsMax)
                {
                    judged?.Invoke(null);
                    return null;
                }

                var now = _time.GetUtcNow();
                _journal.Append(JobHistory.Accepted(claim, now, payload));
                earlier = new Job(claim, now) { Payload = payload };
                _jobs.Add(claim.OrderId, earlier);
            }
            else if (verdict == ReplayVerdict.Repeat && earlier!.State == JobState.Queued && !payload.Equals(earlier.Payload))
            {
                // The same job with a fresh credential: the old one may expire before the job's turn comes.
                _journal.Append(_journal.Record(JobRecordKind.Renewed, earlier) with { Payload = JobRecord.Write(payload) });
                earlier.Payload = payload;
            }

            judged?.Invoke(verdict);
            if (verdict == ReplayVerdict.First)
            {
                _queue.Add(earlier!);
            }

            return new Acceptance(verdict, new JobTicket { OrderId = claim.OrderId, State = earlier!.State });
        }
    }

    /// <summary>Waits for a queued job and starts it, durably; one that is given up is handed out, too, to be ended.</summary>
    /// <exception cref="IOException">The journal cannot be written: the job stays queued.</exception>
    public async Task<StartedJob> StartNextAsync(CancellationToken stopping)
    {
        while (true)
        {
            await _queue.WaitForTurnAsync(stopping).ConfigureAwait(false);
            lock (_gate)
            {
                if (_queue.Next() is not { } job)
                {
                    continue; // It was cancelled while it waited.
                }

                if (job.Attempts >= AttemptsMax)
                {
                    _queue.Remove(job);
                    return new StartedJob(job, job.Payload!, CancellationToken.None, IsGivenUp: true);
                }

                // One that has begun before is begun once more, to find itself cancelled and clear away what it left.
                if (job is { IsCancelRequested: true, StartedAt: null })
                {
                    _queue.Remove(job);
                    EndLocked(job, JobEndings.Cancelled(job, _time.GetUtcNow()));
                    continue;
                }

                try
                {
                    _journal.Append(_journal.Record(JobRecordKind.Started, job));
                }
                catch (IOException)
                {
                    _queue.GiveTurnBack();
                    throw;
                }

                _queue.Remove(job);
                job.Start(_time.GetUtcNow());
                return new StartedJob(job, job.Payload!, job.BeginAttempt(stopping));
            }
        }
    }

    /// <summary>Notes how far a running job is; not journaled.</summary>
    public void Progress(Job job, JobProgress progress)
    {
        lock (_gate)
        {
            if (job.State == JobState.Running)
            {
                job.Progress = progress;
            }
        }
    }

    /// <summary>Ends a running job. When the journal cannot be written the end holds until the agent restarts; then the job runs again.</summary>
    public void End(Job job, JobReport report)
    {
        lock (_gate)
        {
            job.EndAttempt();
            EndLocked(job, report);
        }
    }

    /// <summary>Puts a running job back because the agent stops; this start does not count as an attempt.</summary>
    public void Interrupt(Job job)
    {
        lock (_gate)
        {
            job.EndAttempt();
            job.PutBack(countsAsAttempt: false);
            _journal.AppendOrWarn(_journal.Record(JobRecordKind.Interrupted, job));
        }
    }

    /// <summary>Asks a job to stop. A queued one ends at once, one that runs or has run when its work has noticed; an ended one is left alone.</summary>
    /// <returns>The job's report, of state unknown when there is no such job.</returns>
    /// <exception cref="IOException">The journal cannot be written: nothing was changed.</exception>
    public JobReport Cancel(OrderId id)
    {
        lock (_gate)
        {
            if (!_jobs.TryGetValue(id, out var job))
            {
                return JobEndings.Unknown(id);
            }

            if (!job.State.IsFinal() && !job.IsCancelRequested)
            {
                _journal.Append(_journal.Record(JobRecordKind.CancelRequested, job));
                _ = job.RequestCancel();
                if (job is { State: JobState.Queued, StartedAt: null })
                {
                    _queue.Remove(job);
                    EndLocked(job, JobEndings.Cancelled(job, _time.GetUtcNow()));
                }
            }

            return job.Report();
        }
    }

    /// <summary>A job's report as soon as it is final, or after the wait; of state unknown when there is no such job.</summary>
    public async Task<JobReport> WaitAsync(OrderId id, TimeSpan wait, CancellationToken cancel)
    {
        Job? job;
        lock (_gate)
        {
            job = _jobs.GetValueOrDefault(id);
        }

        if (job is null)
        {
            return JobEndings.Unknown(id);
        }

        try
        {
            await job.Ended.Task.WaitAsync(wait, _time, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // The wait is over, or the agent stops: the answer is then where the job stands now.
        }

        lock (_gate)
        {
            return job.Report();
        }
    }

    /// <summary>How many jobs run and wait.</summary>
    public (int Running, int Queued) Counts()
    {
        lock (_gate)
        {
            return (_jobs.Values.Count(j => j.State == JobState.Running), _jobs.Values.Count(j => j.State == JobState.Queued));
        }
    }

    /// <summary>Forgets what nobody may ask for any more, and the steps and credentials of what has ended.</summary>
    internal void Compact()
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            var kept = _jobs.Values.Where(j => !IsForgettable(j, now)).OrderBy(j => j.AcceptedAt).ToList();
            _journal.Replace(kept);
            foreach (var id in _jobs.Keys.Except(kept.Select(j => j.OrderId)).ToList())
            {
                _jobs.Remove(id);
            }
        }
    }

    public void Dispose()
    {
        _journal.Dispose();
        _queue.Dispose();
    }

    private static bool IsForgettable(Job job, DateTimeOffset now) =>
        job.Final is { } final && final.EndedAt + KeptFor < now && job.Claim.AcceptableUntil < now;

    private void EndLocked(Job job, JobReport report)
    {
        _journal.AppendOrWarn(_journal.Record(JobRecordKind.Ended, job) with { Report = report });
        if (job.State == JobState.Queued && report.State.HasResult())
        {
            throw new InvalidOperationException("A job that never ran has no result.");
        }

        job.End(report);
        if (_journal.IsWorthCompacting)
        {
            CompactOrWarn();
        }
    }

    private void CompactOrWarn()
    {
        try
        {
            Compact();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            JobLog.CompactionFailed(_log, e); // The journal in use is whole; the next end tries again.
        }
    }
}
