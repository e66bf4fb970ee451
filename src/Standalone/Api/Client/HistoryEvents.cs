using Microsoft.DurableTask;

namespace DurableTask.Core.History;

/// <summary>Kinds of history events; the numbers are those of Durable Task.</summary>
public enum EventType
{
    /// <summary>An execution began.</summary>
    ExecutionStarted = 0,

    /// <summary>An execution ended.</summary>
    ExecutionCompleted = 1,

    /// <summary>An execution failed to complete.</summary>
    ExecutionFailed = 2,

    /// <summary>An execution was terminated.</summary>
    ExecutionTerminated = 3,

    /// <summary>An activity was called.</summary>
    TaskScheduled = 4,

    /// <summary>An activity completed.</summary>
    TaskCompleted = 5,

    /// <summary>An activity failed.</summary>
    TaskFailed = 6,

    /// <summary>A sub-orchestration was called.</summary>
    SubOrchestrationInstanceCreated = 7,

    /// <summary>A sub-orchestration completed.</summary>
    SubOrchestrationInstanceCompleted = 8,

    /// <summary>A sub-orchestration failed.</summary>
    SubOrchestrationInstanceFailed = 9,

    /// <summary>A timer was created.</summary>
    TimerCreated = 10,

    /// <summary>A timer fired.</summary>
    TimerFired = 11,

    /// <summary>A turn began.</summary>
    OrchestratorStarted = 12,

    /// <summary>A turn ended.</summary>
    OrchestratorCompleted = 13,

    /// <summary>An event was sent.</summary>
    EventSent = 14,

    /// <summary>An event was received.</summary>
    EventRaised = 15,

    /// <summary>The execution ended to begin afresh.</summary>
    ContinueAsNew = 16,

    /// <summary>Unspecific.</summary>
    GenericEvent = 17,

    /// <summary>State was recorded.</summary>
    HistoryState = 18,

    /// <summary>The execution was suspended.</summary>
    ExecutionSuspended = 19,

    /// <summary>The execution was resumed.</summary>
    ExecutionResumed = 20,
}

/// <summary>One event of an instance's history.</summary>
public class HistoryEvent
{
    internal HistoryEvent(int eventId, EventType eventType, DateTime timestamp)
    {
        EventId = eventId;
        EventType = eventType;
        Timestamp = timestamp;
    }

    /// <summary>The number of the call within the orchestration; -1 for events that are no calls.</summary>
    public int EventId { get; }

    /// <summary>Whether the event was played; always true for stored events.</summary>
    public bool IsPlayed { get; init; } = true;

    /// <summary>When it happened, in UTC.</summary>
    public DateTime Timestamp { get; }

    /// <summary>The kind.</summary>
    public EventType EventType { get; }

    /// <summary>The number of the call that this event answers; -1 when it answers none.</summary>
    public int TaskScheduledId { get; init; } = -1;

    /// <summary>The name of the orchestrator, activity or event, where there is one.</summary>
    public string? Name { get; init; }

    /// <summary>The version, where there is one.</summary>
    public string? Version { get; init; }

    /// <summary>The input, where there is one, as stored.</summary>
    public string? Input { get; init; }

    /// <summary>The result, where there is one, as stored.</summary>
    public string? Result { get; init; }

    /// <summary>When the timer fires, in UTC, for timers.</summary>
    public DateTime? FireAt { get; init; }

    /// <summary>The other instance, for sub-orchestrations and sent events.</summary>
    public string? InstanceId { get; init; }

    /// <summary>Why it failed, for failures.</summary>
    public TaskFailureDetails? FailureDetails { get; init; }
}
