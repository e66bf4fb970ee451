using System.Diagnostics.CodeAnalysis;

namespace Microsoft.DurableTask.Entities;

/// <summary>Options of a call to an entity.</summary>
public record CallEntityOptions;

/// <summary>Options of a signal to an entity.</summary>
public record SignalEntityOptions
{
    /// <summary>When to deliver the signal; null: at once.</summary>
    public DateTimeOffset? SignalTime { get; init; }

    /// <summary>Options with a delivery time.</summary>
    public static implicit operator SignalEntityOptions(DateTimeOffset value) => new() { SignalTime = value };

    /// <summary>No options, whatever the value: a flag says nothing of when to deliver.</summary>
    public static implicit operator SignalEntityOptions?(bool? value) => null;
}

/// <summary>An entity's operation failed while an orchestration waited for it.</summary>
public sealed class EntityOperationFailedException : Exception
{
    /// <summary>A failed operation.</summary>
    /// <param name="entityId">The entity.</param>
    /// <param name="operationName">The operation.</param>
    /// <param name="failureDetails">Why it failed.</param>
    public EntityOperationFailedException(EntityInstanceId entityId, string operationName, TaskFailureDetails failureDetails)
        : base($"Operation '{operationName}' of entity '{entityId}' failed: {failureDetails?.ErrorMessage}")
    {
        ArgumentNullException.ThrowIfNull(failureDetails);
        EntityId = entityId;
        OperationName = operationName;
        FailureDetails = failureDetails;
    }

    /// <summary>The entity.</summary>
    public EntityInstanceId EntityId { get; }

    /// <summary>The operation.</summary>
    public string OperationName { get; }

    /// <summary>Why it failed.</summary>
    public TaskFailureDetails FailureDetails { get; }
}

/// <summary>What orchestrations can do with entities.</summary>
public abstract class TaskOrchestrationEntityFeature
{
    /// <summary>Calls an operation and waits for its result.</summary>
    /// <exception cref="EntityOperationFailedException">The operation failed.</exception>
    /// <exception cref="InvalidOperationException">The rules of the critical section forbid the call.</exception>
    public abstract Task<TResult> CallEntityAsync<TResult>(
        EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null);

    /// <summary>Calls an operation without input and waits for its result.</summary>
    /// <exception cref="EntityOperationFailedException">The operation failed.</exception>
    public virtual Task<TResult> CallEntityAsync<TResult>(EntityInstanceId id, string operationName, CallEntityOptions? options) =>
        CallEntityAsync<TResult>(id, operationName, null, options);

    /// <summary>Calls an operation and waits for it.</summary>
    /// <exception cref="EntityOperationFailedException">The operation failed.</exception>
    /// <exception cref="InvalidOperationException">The rules of the critical section forbid the call.</exception>
    public abstract Task CallEntityAsync(EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null);

    /// <summary>Calls an operation without input and waits for it.</summary>
    /// <exception cref="EntityOperationFailedException">The operation failed.</exception>
    public virtual Task CallEntityAsync(EntityInstanceId id, string operationName, CallEntityOptions? options) =>
        CallEntityAsync(id, operationName, null, options);

    /// <summary>Signals an operation without waiting.</summary>
    /// <exception cref="InvalidOperationException">The rules of the critical section forbid the signal.</exception>
    public abstract Task SignalEntityAsync(EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null);

    /// <summary>Signals an operation without input and without waiting.</summary>
    public virtual Task SignalEntityAsync(EntityInstanceId id, string operationName, SignalEntityOptions? options) =>
        SignalEntityAsync(id, operationName, null, options);

    /// <summary>
    /// Locks entities until the result is disposed of or the orchestrator ends: a critical section. Within it only this
    /// orchestration acts on them, it may call no other entity and no sub-orchestration.
    /// </summary>
    /// <exception cref="InvalidOperationException">The orchestration is in a critical section already.</exception>
    public abstract Task<IAsyncDisposable> LockEntitiesAsync(IEnumerable<EntityInstanceId> entityIds);

    /// <summary>Locks entities until the result is disposed of or the orchestrator ends.</summary>
    public virtual Task<IAsyncDisposable> LockEntitiesAsync(params EntityInstanceId[] entityIds) =>
        LockEntitiesAsync((IEnumerable<EntityInstanceId>)entityIds);

    /// <summary>Whether entities are locked, and which of them are free to be called now.</summary>
    public abstract bool InCriticalSection([NotNullWhen(true)] out IReadOnlyList<EntityInstanceId>? entityIds);

    /// <summary>Whether entities are locked.</summary>
    public virtual bool InCriticalSection() => InCriticalSection(out _);
}
