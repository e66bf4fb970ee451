using Backup.AgentApi;

namespace Backup.Agent.Jobs;

/// <summary>One job order and where it stands. Only <see cref="JobBook"/> changes it, under its lock.</summary>
internal sealed class Job(OrderClaim claim, DateTimeOffset acceptedAt)
{
    private CancellationTokenSource? _stop;

    public OrderClaim Claim { get; } = claim;

    public DateTimeOffset AcceptedAt { get; } = acceptedAt;

    public OrderId OrderId => Claim.OrderId;

    /// <summary>What was ordered; null once the job has ended, and with it any credential.</summary>
    public OrderPayload? Payload { get; set; }

    public JobState State { get; private set; } = JobState.Queued;

    /// <summary>0 for the lowest priority.</summary>
    public int PriorityRank => Payload is JobOrder order ? (int)order.PriorityOrDefault : 0;

    public JobProgress? Progress { get; set; }

    public DateTimeOffset? StartedAt { get; private set; }

    /// <summary>How often work began without an orderly end of the job or the agent.</summary>
    public int Attempts { get; private set; }

    public bool IsCancelRequested { get; private set; }

    /// <summary>The final report; null before.</summary>
    public JobReport? Final { get; private set; }

    /// <summary>Completes when the state has become final.</summary>
    public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public JobReport Report() => Final ?? new JobReport
    {
        OrderId = OrderId,
        Operation = Claim.Operation,
        State = State,
        Progress = Progress,
        StartedAt = StartedAt,
    };

    public void Start(DateTimeOffset now)
    {
        MoveTo(JobState.Running);
        Attempts++;
        StartedAt ??= now;
    }

    /// <summary>Back to waiting: the process died (which counts as an attempt) or stopped in an orderly way (which does not).</summary>
    public void PutBack(bool countsAsAttempt)
    {
        MoveTo(JobState.Queued);
        Attempts -= countsAsAttempt ? 0 : 1;
        Progress = null;
    }

    public void End(JobReport report)
    {
        MoveTo(report.State);
        Final = report;
        Payload = null;
        Progress = null;
        Ended.TrySetResult();
    }

    /// <summary>What the work of this attempt must obey.</summary>
    public CancellationToken BeginAttempt(CancellationToken stopping)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        if (IsCancelRequested)
        {
            _stop.Cancel();
        }

        return _stop.Token;
    }

    public void EndAttempt()
    {
        _stop?.Dispose();
        _stop = null;
    }

    /// <summary>Marks the job, and tells running work.</summary>
    /// <returns>Completes when the work's callbacks have run; nobody needs to wait for it.</returns>
    public Task RequestCancel()
    {
        IsCancelRequested = true;
        // Not in this call: callbacks of the work would run under the caller's lock.
        return _stop is { } stop ? stop.CancelAsync() : Task.CompletedTask;
    }

    private void MoveTo(JobState state)
    {
        if (!JobTransitions.Allows(State, state))
        {
            throw new InvalidOperationException($"A {State} job cannot become {state}.");
        }

        State = state;
    }
}
