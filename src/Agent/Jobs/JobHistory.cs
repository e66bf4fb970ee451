using Backup.Agent.Journal;
using Backup.AgentApi;

namespace Backup.Agent.Jobs;

/// <summary>From journal records to jobs and back.</summary>
internal static class JobHistory
{
    /// <summary>Applies one record of the journal, in order, to the jobs known so far.</summary>
    /// <exception cref="AgentException">The record contradicts those before it.</exception>
    public static void Apply(JobRecord record, Dictionary<OrderId, Job> jobs)
    {
        try
        {
            if (record.Kind == JobRecordKind.Accepted)
            {
                jobs.Add(record.OrderId, ReadAccepted(record));
            }
            else
            {
                Apply(record, jobs[record.OrderId]);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or KeyNotFoundException or ArgumentException)
        {
            throw new AgentException(
                AgentFault.JournalDamaged, $"The job journal contradicts itself about the job {record.OrderId} ('{record.Kind}').",
                "To go on without the unfinished jobs, move the journal away and start the agent: every job can be ordered again.", e);
        }
    }

    public static JobRecord Accepted(OrderClaim claim, DateTimeOffset at, OrderPayload? payload) => new()
    {
        Kind = JobRecordKind.Accepted,
        OrderId = claim.OrderId,
        At = at,
        Operation = claim.Operation,
        Fingerprint = claim.Fingerprint,
        AcceptableUntil = claim.AcceptableUntil,
        Payload = payload is null ? null : JobRecord.Write(payload),
    };

    /// <summary>The shortest history that leads to where the job is: what compaction keeps.</summary>
    public static IEnumerable<JobRecord> RecordsOf(Job job)
    {
        yield return Accepted(job.Claim, job.AcceptedAt, job.Payload);
        var next = new JobRecord { Kind = JobRecordKind.Started, OrderId = job.OrderId, At = job.StartedAt ?? job.AcceptedAt };
        if (job.Final is { } final)
        {
            yield return next with { Kind = JobRecordKind.Ended, Report = final, At = final.EndedAt ?? job.AcceptedAt };
            yield break;
        }

        for (var attempt = 0; attempt < job.Attempts; attempt++)
        {
            yield return next;
        }

        if (job.IsCancelRequested)
        {
            yield return next with { Kind = JobRecordKind.CancelRequested };
        }
    }

    private static Job ReadAccepted(JobRecord record)
    {
        var claim = new OrderClaim(record.OrderId, record.Operation!.Value, record.Fingerprint!, record.AcceptableUntil!.Value);
        return new Job(claim, record.At) { Payload = record.Payload is { } payload ? JobRecord.ReadPayload(claim.Operation, payload) : null };
    }

    private static void Apply(JobRecord record, Job job)
    {
        switch (record.Kind)
        {
            case JobRecordKind.Renewed:
                job.Payload = JobRecord.ReadPayload(job.Claim.Operation, record.Payload!.Value);
                break;
            case JobRecordKind.Started:
                if (job.State == JobState.Running)
                {
                    job.PutBack(countsAsAttempt: true); // The start before this one died with its process.
                }

                job.Start(record.At);
                break;
            case JobRecordKind.Interrupted:
                job.PutBack(countsAsAttempt: false);
                break;
            case JobRecordKind.CancelRequested:
                _ = job.RequestCancel();
                break;
            default:
                if (job.State == JobState.Queued)
                {
                    job.Start(record.Report!.StartedAt ?? record.At); // Compaction leaves the steps out.
                }

                job.End(record.Report!);
                break;
        }
    }
}
