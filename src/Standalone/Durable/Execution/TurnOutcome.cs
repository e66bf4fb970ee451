using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Durable.Execution;

/// <summary>Gathers what a turn has produced and makes the commit of it.</summary>
internal sealed class TurnOutcome
{
    private readonly TurnWork _work;
    private readonly DateTime _time;
    private readonly List<ActivityCall> _activities = [];
    private readonly List<InboxMessage> _messages = [];
    private readonly List<InstanceRecord> _started = [];
    private IReadOnlyList<int> _cancelledTimers = [];

    public TurnOutcome(TurnWork work, DateTime now)
    {
        _work = work;
        _time = TimeOf(work, now);
        CustomStatus = work.Instance.CustomStatus;
    }

    /// <summary>The events this turn adds to the history.</summary>
    public List<HistoryRecord> Appended { get; } = [];

    public string? CustomStatus { get; set; }

    /// <summary>Whether nothing is added to the history.</summary>
    public bool KeepsHistory { get; init; }

    private InstanceRecord Instance => _work.Instance;

    /// <summary>What is new for the orchestrator, in order: the start, then events left by the previous execution, then the inbox.</summary>
    public IEnumerable<HistoryRecord> NewEvents()
    {
        yield return New(EventType.OrchestratorStarted);
        if (_work.History.Count == 0)
        {
            yield return New(EventType.ExecutionStarted) with { Name = Instance.Name, Version = Instance.Version, Data = Instance.Input };
            foreach (var carried in Instance.Carried)
            {
                yield return New(EventType.EventRaised) with { Name = carried.Name, Data = carried.Data };
            }
        }

        foreach (var message in _work.Messages)
        {
            // Answers to an execution that continue-as-new has ended concern nobody.
            if (message.ExecutionId is null || message.ExecutionId == Instance.ExecutionId)
            {
                yield return new HistoryRecord(message.Kind, -1, message.TaskId, _time)
                {
                    Name = message.Name,
                    Data = message.Data,
                    Failure = message.Failure,
                    FireAt = message.Kind == EventType.TimerFired ? message.VisibleAt : null,
                    IsRecursive = message.Recursive,
                };
            }
        }
    }

    /// <summary>Takes over what the orchestrator asked for in this turn.</summary>
    public void Collect(OrchestrationContext context)
    {
        _cancelledTimers = [.. context.CancelledTimers];
        foreach (var call in context.Pending)
        {
            Appended.Add(call);
            switch (call.Kind)
            {
                case EventType.TaskScheduled:
                    _activities.Add(new ActivityCall(
                        Instance.InstanceId, Instance.ExecutionId, call.EventId, call.Name!, call.Version ?? string.Empty, call.Data)
                    {
                        Tags = call.Tags,
                    });
                    break;
                case EventType.TimerCreated when !context.CancelledTimers.Contains(call.EventId):
                    _messages.Add(new InboxMessage(Instance.InstanceId, EventType.TimerFired)
                    {
                        ExecutionId = Instance.ExecutionId,
                        TaskId = call.EventId,
                        VisibleAt = call.FireAt,
                    });
                    break;
                case EventType.SubOrchestrationInstanceCreated:
                    _started.Add(new InstanceRecord(call.Target!, Guid.NewGuid(), call.Name!, call.Version ?? string.Empty)
                    {
                        Input = call.Data,
                        Tags = call.Tags,
                        Parent = new ParentLink(Instance.InstanceId, Instance.Name, Instance.ExecutionId, call.EventId),
                    });
                    break;
                case EventType.EventSent:
                    _messages.Add(new InboxMessage(call.Target!, EventType.EventRaised) { Name = call.Name, Data = call.Data, VisibleAt = call.FireAt });
                    break;
            }
        }
    }

    /// <summary>The orchestrator waits for more.</summary>
    public TurnCommit Wait(bool suspended)
    {
        var status = suspended ? OrchestrationRuntimeStatus.Suspended : OrchestrationRuntimeStatus.Running;

        // A turn in which nothing answered to the messages leaves no trace but their removal.
        var nothing = Appended.Count == 1 && _work.History.Count > 0 && _cancelledTimers.Count == 0;
        return nothing
            ? new TurnCommit(_work.Claim) { Consumed = Consumed(), HistoryLength = _work.History.Count, Time = _time }
            : Commit(new InstanceChange(status, CustomStatus));
    }

    public TurnCommit Complete(string? output)
    {
        Appended.Add(New(EventType.ExecutionCompleted) with { Data = output });
        Answer(EventType.SubOrchestrationInstanceCompleted, output, null);
        return Commit(new InstanceChange(OrchestrationRuntimeStatus.Completed, CustomStatus) { Output = output });
    }

    public TurnCommit Fail(StoredFailure failure)
    {
        Appended.Add(New(EventType.ExecutionCompleted) with { Failure = failure });
        Answer(EventType.SubOrchestrationInstanceFailed, null, failure);
        return Commit(new InstanceChange(OrchestrationRuntimeStatus.Failed, CustomStatus) { Failure = failure });
    }

    public TurnCommit Terminate(HistoryRecord termination)
    {
        Answer(EventType.SubOrchestrationInstanceFailed, null, new StoredFailure(
            "OrchestrationTerminated", $"The orchestration '{Instance.Name}' was terminated.", null, null));
        return Commit(
            new InstanceChange(OrchestrationRuntimeStatus.Terminated, CustomStatus) { Output = termination.Data },
            terminatesChildren: termination.IsRecursive);
    }

    public TurnCommit Continue(string? input, string? version, IReadOnlyList<CarriedEvent> carried)
    {
        // Calls of the ended execution still run, but nobody waits for them; its timers have nobody left to wake.
        _messages.RemoveAll(m => m.Kind == EventType.TimerFired);
        return Commit(
            new InstanceChange(OrchestrationRuntimeStatus.Running, CustomStatus),
            new NextExecution(Guid.NewGuid(), input, version ?? Instance.Version, carried));
    }

    private static DateTime TimeOf(TurnWork work, DateTime now)
    {
        // Time never goes back within an instance, and never stands before a timer that has fired, whatever the clock does.
        var time = now;
        foreach (var at in work.Messages.Where(m => m.Kind == EventType.TimerFired).Select(m => m.VisibleAt!.Value)
            .Concat(work.History.Count > 0 ? [work.History[^1].At] : []))
        {
            time = at > time ? at : time;
        }

        return time;
    }

    private HistoryRecord New(EventType kind) => new(kind, -1, -1, _time);

    private IReadOnlyList<long> Consumed() => [.. _work.Messages.Select(m => m.MessageId)];

    private void Answer(EventType kind, string? output, StoredFailure? failure)
    {
        if (Instance.Parent is { } parent)
        {
            _messages.Add(new InboxMessage(parent.InstanceId, kind)
            {
                ExecutionId = parent.ExecutionId,
                TaskId = parent.TaskId,
                Data = output,
                Failure = failure,
            });
        }
    }

    private TurnCommit Commit(InstanceChange change, NextExecution? next = null, bool terminatesChildren = false) => new(_work.Claim)
    {
        HistoryLength = _work.History.Count,
        Appended = KeepsHistory ? [] : Appended,
        Consumed = Consumed(),
        Activities = _activities,
        Messages = _messages,
        Started = _started,
        CancelledTimers = _cancelledTimers,
        TerminatesChildren = terminatesChildren,
        Change = change,
        Next = next,
        ReadyAt = next is null ? null : _time,
        Time = _time,
    };
}
