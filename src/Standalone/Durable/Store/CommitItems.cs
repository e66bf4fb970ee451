using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Durable.Store;

/// <summary>How a commit item ended.</summary>
internal enum CommitOutcome
{
    /// <summary>It is durable.</summary>
    Committed,

    /// <summary>The claim it was made under is gone: somebody else has taken the work over. Nothing was written.</summary>
    Refused,
}

/// <summary>Something to be written in a transaction, alone or with others.</summary>
internal abstract class CommitItem
{
    private readonly TaskCompletionSource<CommitOutcome> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the item is durable or refused; faults when it cannot be written.</summary>
    public Task<CommitOutcome> Done => _done.Task;

    /// <summary>
    /// Whether the item may be written again when nobody knows whether the first attempt took effect. Items under a claim
    /// may: the second attempt is refused if the first one went through.
    /// </summary>
    public abstract bool IsRepeatable { get; }

    /// <summary>What writing found out; completes <see cref="Done"/> once the transaction is committed.</summary>
    public CommitOutcome Outcome { get; set; }

    /// <summary>An error of this item alone, found while writing: the others in the transaction are not concerned.</summary>
    public Exception? Error { get; set; }

    public void Finish()
    {
        if (Error is null)
        {
            _done.TrySetResult(Outcome);
        }
        else
        {
            _done.TrySetException(Error);
        }
    }

    public void Fail(Exception exception) => _done.TrySetException(exception);
}

/// <summary>What a turn leaves of its instance.</summary>
internal sealed record InstanceChange(OrchestrationRuntimeStatus Status, string? CustomStatus)
{
    public string? Output { get; init; }

    public StoredFailure? Failure { get; init; }
}

/// <summary>The execution that follows on a continue-as-new.</summary>
internal sealed record NextExecution(Guid ExecutionId, string? Input, string Version, IReadOnlyList<CarriedEvent> Carried);

/// <summary>One turn: history appended, messages consumed, messages and work produced, all or nothing.</summary>
internal sealed class TurnCommit(TurnClaim claim) : CommitItem
{
    public TurnClaim Claim { get; } = claim;

    public override bool IsRepeatable => true;

    /// <summary>How many events the history held before.</summary>
    public int HistoryLength { get; init; }

    public IReadOnlyList<HistoryRecord> Appended { get; init; } = [];

    public IReadOnlyList<long> Consumed { get; init; } = [];

    public IReadOnlyList<ActivityCall> Activities { get; init; } = [];

    public IReadOnlyList<InboxMessage> Messages { get; init; } = [];

    public IReadOnlyList<InstanceRecord> Started { get; init; } = [];

    public IReadOnlyList<int> CancelledTimers { get; init; } = [];

    /// <summary>Whether unfinished sub-orchestrations are to be terminated.</summary>
    public bool TerminatesChildren { get; init; }

    /// <summary>Null: the turn had nothing to do and only gives the claim back.</summary>
    public InstanceChange? Change { get; init; }

    public NextExecution? Next { get; init; }

    /// <summary>When the instance is to be looked at again, whatever its inbox holds; null: when its inbox says so.</summary>
    public DateTime? ReadyAt { get; init; }

    public DateTime Time { get; init; }

    public bool IsFinishing => Change is not null && Next is null && Statuses.IsFinished(Change.Status);

    /// <summary>The worker under which activities may be claimed in the same transaction, and how many.</summary>
    public int ActivitiesToKeep { get; set; }

    /// <summary>Claims on the first activities of the turn, made in the same transaction.</summary>
    public List<ActivityClaim> Kept { get; } = [];

    /// <summary>Called for each of these claims before anything else is written.</summary>
    public Action<ActivityClaim>? OnKept { get; set; }
}

/// <summary>The result of an activity: its row goes, a message to the caller comes.</summary>
internal sealed class ActivityCommit(ActivityClaim claim, InboxMessage result) : CommitItem
{
    public ActivityClaim Claim { get; } = claim;

    public InboxMessage Result { get; } = result;

    public override bool IsRepeatable => true;
}

/// <summary>A new top-level instance.</summary>
internal sealed class StartCommit(InstanceRecord instance, IReadOnlySet<OrchestrationRuntimeStatus> refusing) : CommitItem
{
    public InstanceRecord Instance { get; } = instance;

    /// <summary>The statuses in which an existing instance refuses this one.</summary>
    public IReadOnlySet<OrchestrationRuntimeStatus> Refusing { get; } = refusing;

    // A second attempt finds its own execution id and knows that the first one went through.
    public override bool IsRepeatable => true;
}

/// <summary>Something to be done while no commit is under way.</summary>
internal sealed class ExclusiveAction(Func<Task> action) : CommitItem
{
    public Func<Task> Action { get; } = action;

    public override bool IsRepeatable => false;
}

/// <summary>A message from a client. To an unknown or finished instance it is lost.</summary>
internal sealed class MessageCommit(InboxMessage message) : CommitItem
{
    public InboxMessage Message { get; } = message;

    public override bool IsRepeatable => false;
}
