using DurableTask.Core.History;
using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Durable.Store;

/// <summary>One stored event of a history.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="EventId">The number of the call this event records; -1 for events that are no calls.</param>
/// <param name="TaskId">The number of the call this event answers; -1 when it answers none.</param>
/// <param name="At">The time of its turn, UTC.</param>
internal sealed record HistoryRecord(EventType Kind, int EventId, int TaskId, DateTime At)
{
    public string? Name { get; init; }

    public string? Version { get; init; }

    public string? Data { get; init; }

    public StoredFailure? Failure { get; init; }

    public string? Target { get; init; }

    public DateTime? FireAt { get; init; }

    /// <summary>For terminations: whether sub-orchestrations are terminated, too; not kept in the history.</summary>
    public bool IsRecursive { get; init; }

    /// <summary>Tags of a call; they go with the call and are not kept in the history.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    public long Characters => (Data?.Length ?? 0) + (Failure?.Stack?.Length ?? 0) + (Failure?.Message.Length ?? 0);
}

/// <summary>A message in an instance's inbox.</summary>
internal sealed record InboxMessage(string InstanceId, EventType Kind)
{
    public long MessageId { get; init; }

    /// <summary>The execution it is for; null: whichever is running.</summary>
    public Guid? ExecutionId { get; init; }

    public int TaskId { get; init; } = -1;

    /// <summary>When it may be seen, UTC; null: at once.</summary>
    public DateTime? VisibleAt { get; init; }

    public string? Name { get; init; }

    public string? Data { get; init; }

    public StoredFailure? Failure { get; init; }

    /// <summary>For terminations: whether sub-orchestrations are to be terminated, too.</summary>
    public bool Recursive { get; init; }
}

/// <summary>The calling orchestration of a sub-orchestration.</summary>
internal sealed record ParentLink(string InstanceId, string Name, Guid ExecutionId, int TaskId);

/// <summary>An instance as stored.</summary>
internal sealed record InstanceRecord(string InstanceId, Guid ExecutionId, string Name, string Version)
{
    public OrchestrationRuntimeStatus Status { get; init; } = OrchestrationRuntimeStatus.Pending;

    public string? Input { get; init; }

    public string? Output { get; init; }

    public string? CustomStatus { get; init; }

    public StoredFailure? Failure { get; init; }

    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>Events that the previous execution left for this one, in order.</summary>
    public IReadOnlyList<CarriedEvent> Carried { get; init; } = [];

    public ParentLink? Parent { get; init; }

    public DateTime? StartAt { get; init; }

    public DateTime CreatedAt { get; init; }

    public DateTime UpdatedAt { get; init; }

    public bool IsFinished => Statuses.IsFinished(Status);
}

/// <summary>An external event that one execution leaves for the next.</summary>
internal sealed record CarriedEvent(string Name, string? Data);

internal static class Statuses
{
    public static bool IsFinished(OrchestrationRuntimeStatus status) => status
        is OrchestrationRuntimeStatus.Completed or OrchestrationRuntimeStatus.Failed
        or OrchestrationRuntimeStatus.Terminated or OrchestrationRuntimeStatus.Canceled;
}

/// <summary>A claimed instance: the right to commit its next turn.</summary>
internal sealed record TurnClaim(string InstanceId, Guid ExecutionId, int Owner, long Fence, int Attempts);

/// <summary>An activity call as stored.</summary>
internal sealed record ActivityCall(string InstanceId, Guid ExecutionId, int TaskId, string Name, string Version, string? Input)
{
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
}

/// <summary>A claimed activity: the right to commit its result.</summary>
internal sealed record ActivityClaim(long ActivityId, int Owner, int Attempts, ActivityCall Call);
