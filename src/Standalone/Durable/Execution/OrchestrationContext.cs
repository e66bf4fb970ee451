using Backup.Standalone.Durable.Entities;
using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Durable.Execution;

#pragma warning disable CA2007 // Continuations of orchestrators belong on the turn's own context.

/// <summary>The context of one turn: it records what the orchestrator asks for and answers from the history.</summary>
internal sealed class OrchestrationContext : TaskOrchestrationContext
{
    internal const string IllegalAwaitMessage =
        "An invalid asynchronous invocation was detected. This can be caused by awaiting non-durable tasks in an orchestrator "
        + "function's implementation or by middleware that invokes asynchronous code.";

    private readonly InstanceRecord _instance;
    private readonly DurableTaskWorkerOptions _options;
    private readonly OrchestratorSynchronizationContext _turn;
    private readonly ILogger _logger;
    private readonly Queue<HistoryRecord> _pending = new();
    private readonly Dictionary<int, OpenTask> _open = [];
    private readonly HashSet<int> _cancelledTimers = [];
    private int _nextId;
    private int _guids;
    private object? _customStatus;
    private OrchestrationEntities? _entities;

    public OrchestrationContext(
        InstanceRecord instance, DurableTaskWorkerOptions options, ILoggerFactory loggers, OrchestratorSynchronizationContext turn)
    {
        _instance = instance;
        _options = options;
        _turn = turn;
        LoggerFactory = loggers;
        Events = new EventWaiters(options.DataConverter);
        _logger = CreateReplaySafeLogger("Microsoft.DurableTask");
    }

    public override TaskName Name => _instance.Name;

    public override string InstanceId => _instance.InstanceId;

    public override string Version => _instance.Version;

    public override ParentOrchestrationInstance? Parent =>
        _instance.Parent is { } parent ? new ParentOrchestrationInstance(parent.Name, parent.InstanceId) : null;

    public override TaskOrchestrationEntityFeature Entities => _options.EnableEntitySupport
        ? _entities ??= new OrchestrationEntities(this)
        : throw new NotSupportedException(
            $"Durable entities are disabled because {nameof(DurableTaskWorkerOptions)}.{nameof(DurableTaskWorkerOptions.EnableEntitySupport)}=false");

    public override DateTime CurrentUtcDateTime => Time;

    public override bool IsReplaying => Replaying;

    /// <summary>The execution that answers are meant for.</summary>
    public Guid ExecutionId => _instance.ExecutionId;

    public DataConverter Converter => _options.DataConverter;

    /// <summary>The time of the turn that is being played.</summary>
    public DateTime Time { get; set; }

    public bool Replaying { get; set; }

    public EventWaiters Events { get; }

    /// <summary>Calls that no event of the history records yet, in order.</summary>
    public Queue<HistoryRecord> Pending => _pending;

    /// <summary>Timers cancelled in this turn.</summary>
    public IReadOnlyCollection<int> CancelledTimers => _cancelledTimers;

    /// <summary>Set by continue-as-new.</summary>
    public (object? Input, string? Version, bool KeepsEvents)? Continuation { get; private set; }

    public bool CustomStatusSet { get; private set; }

    public string? CustomStatus => _options.DataConverter.Serialize(_customStatus);

    /// <summary>Whether the orchestrator waits for anything that a message can answer.</summary>
    public bool HasOpenTasks => _open.Count > 0 || Events.AnyOpen;

    /// <summary>The input as the caller that is about to run wants it.</summary>
    public Func<Type, object?> Input { get; set; } = _ => null;

    protected override ILoggerFactory LoggerFactory { get; }

    public override T? GetInput<T>()
        where T : default => Input(typeof(T)) is T input ? input : default;

    public override async Task<TResult> CallActivityAsync<TResult>(TaskName name, object? input = null, TaskOptions? options = null)
    {
        EnsureLegalAccess();
        RefuseOptionsAsInput(input, options);
        var version = options?.Version is { } asked ? asked.Version : Version;
        return await CallAsync(name, options?.Retry, () => Schedule<TResult>(
            EventType.TaskScheduled, name, () => new HistoryRecord(EventType.TaskScheduled, 0, -1, Time)
            {
                Version = version,
                Data = SerializeUnlessReplaying(input),
                Tags = options?.Tags is { Count: > 0 } tags ? new Dictionary<string, string>(tags) : null,
            }));
    }

    public override async Task<TResult> CallSubOrchestratorAsync<TResult>(
        TaskName orchestratorName, object? input = null, TaskOptions? options = null)
    {
        EnsureLegalAccess();
        RefuseOptionsAsInput(input, options);
        var instanceId = (options as SubOrchestrationOptions)?.InstanceId ?? NewGuid().ToString("N");
        EntityIds.Refuse(instanceId);
        _entities?.EnsureMayCallSubOrchestrators();
        var version = options?.Version is { } asked ? asked.Version : _options.Versioning?.DefaultVersion ?? string.Empty;
        return await CallAsync(orchestratorName, options?.Retry, () => Schedule<TResult>(
            EventType.SubOrchestrationInstanceCreated,
            orchestratorName,
            () => new HistoryRecord(EventType.SubOrchestrationInstanceCreated, 0, -1, Time)
            {
                Version = version,
                Data = SerializeUnlessReplaying(input),
                Target = instanceId,
                Tags = options?.Tags is { Count: > 0 } tags ? new Dictionary<string, string>(tags) : null,
            }));
    }

    public override Task CreateTimer(DateTime fireAt, CancellationToken cancellationToken)
    {
        EnsureLegalAccess();
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        var asked = fireAt.Kind == DateTimeKind.Unspecified ? DateTime.SpecifyKind(fireAt, DateTimeKind.Utc) : fireAt.ToUniversalTime();

        // PostgreSQL keeps microseconds: rounded up, the timer never fires a fraction before its time.
        var at = new DateTime(Math.Min((asked.Ticks + 9) / 10 * 10, DateTime.MaxValue.Ticks / 10 * 10), DateTimeKind.Utc);
        var timer = Open<object>(EventType.TimerCreated, "timer", () => new HistoryRecord(EventType.TimerCreated, 0, -1, Time) { FireAt = at });
        cancellationToken.Register(() =>
        {
            if (_open.Remove(timer.Id))
            {
                if (!Replaying)
                {
                    _cancelledTimers.Add(timer.Id);
                }

                timer.Cancel(cancellationToken);
            }
        });
        return timer.Task;
    }

    public override Task<T> WaitForExternalEvent<T>(string eventName, CancellationToken cancellationToken = default)
    {
        EnsureLegalAccess();
        ArgumentException.ThrowIfNullOrEmpty(eventName);
        return Events.WaitAsync<T>(eventName, cancellationToken);
    }

    public override void SendEvent(string instanceId, string eventName, object payload)
    {
        EnsureLegalAccess();
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        ArgumentException.ThrowIfNullOrEmpty(eventName);
        EntityIds.Refuse(instanceId);
        _pending.Enqueue(new HistoryRecord(EventType.EventSent, _nextId++, -1, Time)
        {
            Name = eventName,
            Target = instanceId,
            Data = SerializeUnlessReplaying(payload),
        });
    }

    public override void SetCustomStatus(object? customStatus)
    {
        EnsureLegalAccess();
        _customStatus = customStatus;
        CustomStatusSet = true;
    }

    public override void ContinueAsNew(object? newInput = null, bool preserveUnprocessedEvents = true) =>
        ContinueAsNew(new ContinueAsNewOptions { NewInput = newInput, PreserveUnprocessedEvents = preserveUnprocessedEvents });

    public override void ContinueAsNew(ContinueAsNewOptions options)
    {
        EnsureLegalAccess();
        ArgumentNullException.ThrowIfNull(options);
        var version = string.IsNullOrWhiteSpace(options.NewVersion) ? null : options.NewVersion;
        Continuation = (options.NewInput, version, options.PreserveUnprocessedEvents);
    }

    public override Guid NewGuid()
    {
        EnsureLegalAccess();
        return DeterministicGuid.Create(InstanceId, Time, _guids++);
    }

    public string? SerializeUnlessReplaying(object? value) => Replaying ? null : _options.DataConverter.Serialize(value);

    /// <summary>Sends a message to an entity, at once or at a time.</summary>
    public void SendToEntity(string entity, EntityRequest request, DateTimeOffset? at = null)
    {
        EnsureLegalAccess();
        _pending.Enqueue(new HistoryRecord(EventType.EventSent, _nextId++, -1, Time)
        {
            Name = request.Operation,
            Target = entity,
            Data = Replaying ? null : request.ToString(),
            FireAt = at?.UtcDateTime,
        });
    }

    /// <summary>Releases what a critical section has locked, once the orchestrator has ended.</summary>
    public void LeaveCriticalSection() => _entities?.Release();

    /// <summary>Hands an answer to the call it is for.</summary>
    /// <returns>False when no such call is open: the answer is a duplicate or comes too late.</returns>
    public bool Answer(HistoryRecord answer)
    {
        if (!_open.TryGetValue(answer.TaskId, out var task) || !Answers(answer.Kind, task.Kind))
        {
            return false;
        }

        _open.Remove(answer.TaskId);
        if (answer.Failure is null)
        {
            task.Complete(answer.Data);
        }
        else
        {
            task.Fail(answer.Failure);
        }

        return true;
    }

    private static bool Answers(EventType answer, EventType call) => call switch
    {
        EventType.TaskScheduled => answer is EventType.TaskCompleted or EventType.TaskFailed,
        EventType.SubOrchestrationInstanceCreated =>
            answer is EventType.SubOrchestrationInstanceCompleted or EventType.SubOrchestrationInstanceFailed,
        EventType.TimerCreated => answer is EventType.TimerFired,
        _ => false,
    };

    // People who mean the options parameter sometimes fill the input parameter.
    private static void RefuseOptionsAsInput(object? input, TaskOptions? options)
    {
        if (input is TaskOptions && options is null)
        {
            throw new ArgumentException(
                $"A {nameof(TaskOptions)} value was given as the input and none as the {nameof(options)}. Name the parameter: options: ….",
                nameof(input));
        }
    }

    private async Task<TResult> CallAsync<TResult>(TaskName name, TaskRetryOptions? retry, Func<Task<TResult>> call)
    {
        try
        {
            return retry switch
            {
                { Policy: { } policy } => await CallRetrier.CallAsync(this, policy, call),
                { Handler: { } handler } => await CallRetrier.CallAsync(this, handler, call, attempt =>
                    ExecutionLog.Retrying(_logger, InstanceId, name.Name, attempt)),
                _ => await call(),
            };
        }
        catch (CallFailedException failed)
        {
            throw failed.ToTaskFailed();
        }
    }

    private Task<TResult> Schedule<TResult>(EventType kind, TaskName name, Func<HistoryRecord> record)
    {
        EnsureLegalAccess();
        return Open<TResult>(kind, name.Name, () => record() with { Name = name.Name }).Task;
    }

    private OpenTask<T> Open<T>(EventType kind, string name, Func<HistoryRecord> record)
    {
        // The input is serialized first: if that fails, no call has been made and no number is used.
        var recorded = record() with { EventId = _nextId };
        var task = new OpenTask<T>(kind, _nextId++, name, _options.DataConverter);
        _open.Add(task.Id, task);
        _pending.Enqueue(recorded);
        return task;
    }

    private void EnsureLegalAccess()
    {
        if (!_turn.IsOnTurn)
        {
            _turn.Violated?.Invoke();
            throw new InvalidOperationException(IllegalAwaitMessage);
        }
    }
}
