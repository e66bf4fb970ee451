using Backup.Standalone.Durable.Store;
using DurableTask.Core.Exceptions;
using DurableTask.Core.History;

namespace Backup.Standalone.Durable.Execution;

/// <summary>Plays a history through an orchestrator: first what is stored, then what is new.</summary>
/// <remarks>
/// Everything the code asked for in a stored turn must stand in the history of that turn, in the same order, and nothing
/// else may; otherwise the code has changed under a running instance, and going on would mix two programs' decisions.
/// </remarks>
internal sealed class OrchestrationPlayer(
    InstanceRecord instance, OrchestrationContext context, OrchestratorSynchronizationContext turn, Func<Task<object?>> code)
{
    private readonly Queue<HistoryRecord> _whileSuspended = new();
    private bool _turnIsStored;

    /// <summary>The running code; null before it has begun.</summary>
    public Task<object?>? Code { get; private set; }

    public bool IsSuspended { get; private set; }

    /// <summary>The termination, once there is one.</summary>
    public HistoryRecord? Termination { get; private set; }

    public void PlayStored(IReadOnlyList<HistoryRecord> history)
    {
        context.Replaying = true;
        _turnIsStored = true;
        foreach (var record in history)
        {
            Play(record);
        }

        if (history.Count > 0)
        {
            EnsureTurnMatches();
        }

        _turnIsStored = false;
        context.Replaying = false;
    }

    /// <summary>Plays a new event.</summary>
    /// <returns>False when nothing answers to it: it is a duplicate or comes too late, and is not to be stored.</returns>
    public bool Play(HistoryRecord record)
    {
        switch (record.Kind)
        {
            case EventType.OrchestratorStarted:
                if (_turnIsStored)
                {
                    EnsureTurnMatches();
                }

                context.Time = record.At;
                return true;
            case EventType.ExecutionStarted:
                Start();
                return true;
            case EventType.TaskScheduled or EventType.TimerCreated or EventType.SubOrchestrationInstanceCreated or EventType.EventSent:
                Match(record);
                return true;
            case EventType.ExecutionTerminated:
                Termination ??= record;
                return true;
            case EventType.GenericEvent:
                // A continuation of an earlier turn came back outside of any turn.
                turn.MarkViolated();
                return true;
            case EventType.ExecutionSuspended:
                IsSuspended = true;
                return true;
            case EventType.ExecutionResumed:
                return Resume();
            default:
                return Receive(record);
        }
    }

    private bool Resume()
    {
        if (!IsSuspended)
        {
            return false;
        }

        IsSuspended = false;
        while (!IsSuspended && _whileSuspended.TryDequeue(out var waiting))
        {
            Receive(waiting);
        }

        return true;
    }

    private bool Receive(HistoryRecord record)
    {
        if (IsSuspended)
        {
            _whileSuspended.Enqueue(record);
            return true;
        }

        if (record.Kind == EventType.EventRaised)
        {
            context.Events.Receive(new CarriedEvent(record.Name!, record.Data));
        }
        else if (!context.Answer(record))
        {
            return false;
        }

        turn.Drain();
        return true;
    }

    private void Start()
    {
        try
        {
            Code = code();
        }
#pragma warning disable CA1031 // An orchestrator that throws before its first await has failed like any other.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Code = Task.FromException<object?>(exception);
        }

        turn.Drain();
    }

    private void Match(HistoryRecord stored)
    {
        if (!context.Pending.TryDequeue(out var called))
        {
            throw new NonDeterministicOrchestrationException(
                $"the history of '{instance.Name}' holds {Describe(stored)}, but the present code has not made that call. {Advice}");
        }

        var same = called.Kind == stored.Kind && called.EventId == stored.EventId
            && string.Equals(called.Name, stored.Name, StringComparison.OrdinalIgnoreCase)
            && (stored.Kind != EventType.EventSent || called.Target == stored.Target);
        if (!same)
        {
            throw new NonDeterministicOrchestrationException(
                $"the history of '{instance.Name}' holds {Describe(stored)}, but the present code made another call at that place: "
                + $"{Describe(called)}. {Advice}");
        }
    }

    private void EnsureTurnMatches()
    {
        if (context.Pending.TryPeek(out var called))
        {
            throw new NonDeterministicOrchestrationException(
                $"the present code of '{instance.Name}' made a call that its history does not hold: {Describe(called)}. {Advice}");
        }

        if (Code is { IsCompleted: true })
        {
            throw new NonDeterministicOrchestrationException(
                $"the present code of '{instance.Name}' ended where, by its history, it was still waiting. {Advice}");
        }
    }

    private const string Advice = "Was the orchestrator changed while this instance was running?";

    private static string Describe(HistoryRecord record) => record.Kind switch
    {
        EventType.TaskScheduled => $"{record.Kind} (activity '{record.Name}', sequence {record.EventId})",
        EventType.SubOrchestrationInstanceCreated => $"{record.Kind} (sub-orchestration '{record.Name}', sequence {record.EventId})",
        EventType.TimerCreated => $"{record.Kind} (timer, sequence {record.EventId})",
        _ => $"{record.Kind} (event '{record.Name}' to '{record.Target}', sequence {record.EventId})",
    };
}
