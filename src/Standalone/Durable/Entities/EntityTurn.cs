using Backup.Standalone.Durable.Store;
using DurableTask.Core.History;
using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Durable.Entities;

/// <summary>One turn of an entity: everything that waits for it, one after another, in order.</summary>
/// <remarks>
/// While a critical section holds the entity, what others ask is put back in order and looked at again once the lock is
/// released. Locks are taken one entity after another in one order for all, so that no two sections wait for each other.
/// </remarks>
internal sealed class EntityTurn
{
    private readonly TurnWork _work;
    private readonly DateTime _now;
    private readonly LinkedList<EntityRequest> _waiting;
    private readonly List<InboxMessage> _messages = [];
    private readonly List<InstanceRecord> _started = [];
    private EntityLock? _lock;

    public EntityTurn(TurnWork work, DateTime now)
    {
        _work = work;
        _now = now > work.Instance.UpdatedAt ? now : work.Instance.UpdatedAt;
        _lock = EntityLock.Parse(work.Instance.CustomStatus);
        State = work.Instance.Input;
        _waiting = new LinkedList<EntityRequest>(work.Instance.Carried.Select(c => c.Data)
            .Concat(work.Messages.Where(m => m.Kind == EventType.EventRaised).Select(m => m.Data))
            .Select(EntityRequest.Parse).OfType<EntityRequest>());
    }

    /// <summary>The entity's state as stored; null: none.</summary>
    public string? State { get; private set; }

    /// <summary>Works off what may be worked off now.</summary>
    public async Task RunAsync(Func<EntityRequest, Task<EntityAnswer>> operate)
    {
        for (var node = _waiting.First; node is not null;)
        {
            var request = node.Value;
            if (!MayRun(request))
            {
                node = node.Next;
                continue;
            }

            var next = node.Next;
            _waiting.Remove(node);
            switch (request.Kind)
            {
                case EntityRequestKind.Lock:
                    Lock(request);
                    break;
                case EntityRequestKind.Release when _lock?.Section == request.Id:
                    // Those that have waited longest come first.
                    _lock = null;
                    next = _waiting.First;
                    break;
                case EntityRequestKind.Call or EntityRequestKind.Signal:
                    Answer(request, await operate(request).ConfigureAwait(false));
                    break;
            }

            node = next;
        }
    }

    /// <summary>Takes over what an operation that ended well has left.</summary>
    public void Keep(EntityOperation operation)
    {
        State = operation.StoredState;
        _messages.AddRange(operation.Signals);
        _started.AddRange(operation.Started);
    }

    public TurnCommit ToCommit() => new(_work.Claim)
    {
        Consumed = [.. _work.Messages.Select(m => m.MessageId)],
        Messages = _messages,
        Started = _started,
        Change = new InstanceChange(OrchestrationRuntimeStatus.Running, _lock?.ToString()),
        Next = new NextExecution(
            _work.Instance.ExecutionId, State, _work.Instance.Version, [.. _waiting.Select(r => new CarriedEvent(r.Operation, r.ToString()))]),
        Time = _now,
    };

    // A release of a lock that is not held (cleaning may have released it) is worked off, too, and does nothing.
    private bool MayRun(EntityRequest request) => _lock is null || request.Kind == EntityRequestKind.Release
        || (request.Caller == _lock.Owner && request.Kind == EntityRequestKind.Call);

    private void Lock(EntityRequest request)
    {
        _lock = new EntityLock(request.Caller!, request.Id!);
        if (request.Further.Count == 0)
        {
            Answer(request, new EntityAnswer(null, null));
            return;
        }

        _messages.Add((request with { Further = [.. request.Further.Skip(1)] }).To(request.Further[0]));
    }

    private void Answer(EntityRequest request, EntityAnswer answer)
    {
        if (request.Answer(answer) is { } message)
        {
            _messages.Add(message);
        }
    }
}
