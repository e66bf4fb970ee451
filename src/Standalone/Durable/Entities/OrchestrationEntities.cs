using Backup.Standalone.Durable.Execution;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Durable.Entities;

#pragma warning disable CA2007 // Continuations of orchestrators belong on the turn's own context.

/// <summary>What an orchestration does with entities: messages to them and answers by id, recorded as events sent and raised.</summary>
internal sealed class OrchestrationEntities(OrchestrationContext context) : TaskOrchestrationEntityFeature
{
    private const string LockOperation = "lock";
    private const string ReleaseOperation = "release";

    private readonly List<EntityInstanceId> _locked = [];
    private readonly List<EntityInstanceId> _free = [];
    private Guid? _section;
    private bool _acquiring;

    public override async Task<TResult> CallEntityAsync<TResult>(
        EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null) =>
        context.Converter.Deserialize<TResult>(await CallAsync(id, operationName, input))!;

    public override Task CallEntityAsync(EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null) =>
        CallAsync(id, operationName, input);

    public override Task SignalEntityAsync(EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null)
    {
        Check(id, operationName);
        if (_locked.Contains(id))
        {
            throw new InvalidOperationException("Must not signal a locked entity from a critical section.");
        }

        context.SendToEntity(
            id.ToString(), new EntityRequest(EntityRequestKind.Signal, operationName, context.SerializeUnlessReplaying(input)), options?.SignalTime);
        return Task.CompletedTask;
    }

    public override async Task<IAsyncDisposable> LockEntitiesAsync(IEnumerable<EntityInstanceId> entityIds)
    {
        ArgumentNullException.ThrowIfNull(entityIds);

        // One order for all, so that no two critical sections wait for each other.
        var ids = entityIds.Distinct().OrderBy(id => id.ToString(), StringComparer.Ordinal).ToList();
        if (ids.Count == 0)
        {
            throw new ArgumentException("The list of entities to lock must not be empty.", nameof(entityIds));
        }

        if (_section is not null)
        {
            throw new InvalidOperationException("Must not enter another critical section from within a critical section.");
        }

        var section = context.NewGuid();
        _section = section;
        _acquiring = true;
        _locked.AddRange(ids);
        var answer = context.Events.WaitForTextAsync(section.ToString());
        context.SendToEntity(ids[0].ToString(), ToCaller(EntityRequestKind.Lock, LockOperation, null, section) with
        {
            Further = [.. ids.Skip(1).Select(id => id.ToString())],
        });
        await answer;
        _acquiring = false;
        _free.AddRange(ids);
        return new Releaser(this, section);
    }

    public override bool InCriticalSection([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IReadOnlyList<EntityInstanceId>? entityIds)
    {
        entityIds = [.. _free];
        return _section is not null;
    }

    /// <summary>Ends the critical section, if there is one.</summary>
    public void Release()
    {
        if (_section is { } section)
        {
            foreach (var id in _locked)
            {
                context.SendToEntity(id.ToString(), ToCaller(EntityRequestKind.Release, ReleaseOperation, null, section));
            }

            _section = null;
            _acquiring = false;
            _locked.Clear();
            _free.Clear();
        }
    }

    /// <exception cref="InvalidOperationException">A critical section forbids sub-orchestrations.</exception>
    public void EnsureMayCallSubOrchestrators()
    {
        if (_section is not null)
        {
            throw new InvalidOperationException("While holding locks, cannot call suborchestrators.");
        }
    }

    private static void Check(EntityInstanceId id, string operationName)
    {
        if (id == default)
        {
            throw new ArgumentException("The entity needs an id.", nameof(id));
        }

        ArgumentException.ThrowIfNullOrEmpty(operationName);
    }

    private async Task<string?> CallAsync(EntityInstanceId id, string operationName, object? input)
    {
        Check(id, operationName);
        if (_section is not null && !_free.Remove(id))
        {
            throw new InvalidOperationException(
                _acquiring ? "Must await the completion of the lock request prior to calling any entity."
                : _locked.Contains(id) ? "Must not call an entity from a critical section while a prior call to the same entity is still pending."
                : "Must not call an entity from a critical section if it is not one of the locked entities.");
        }

        var request = context.NewGuid();
        var answered = context.Events.WaitForTextAsync(request.ToString());
        context.SendToEntity(
            id.ToString(), ToCaller(EntityRequestKind.Call, operationName, context.SerializeUnlessReplaying(input), request));
        var answer = EntityAnswer.Parse(await answered);
        if (_section is not null)
        {
            _free.Add(id);
        }

        return answer.Failure is null
            ? answer.Result
            : throw new EntityOperationFailedException(id, operationName, answer.Failure.ToDetails());
    }

    private EntityRequest ToCaller(EntityRequestKind kind, string operation, string? input, Guid id) => new(kind, operation, input)
    {
        Id = id.ToString(),
        Caller = context.InstanceId,
        CallerExecution = context.ExecutionId,
    };

    private sealed class Releaser(OrchestrationEntities entities, Guid section) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            if (entities._section == section)
            {
                entities.Release();
            }

            return default;
        }
    }
}
