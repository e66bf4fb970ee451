using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;
using Microsoft.DurableTask.Entities;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Makes a function an entity.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class EntityTriggerAttribute : TriggerBindingAttribute
{
    /// <summary>The entity's name; null: the function's name.</summary>
    public string? EntityName { get; set; }
}

/// <summary>Hands the operation an entity function was triggered with to the entity's code.</summary>
public sealed class TaskEntityDispatcher
{
    private readonly TaskEntityOperation _operation;
    private readonly IServiceProvider _services;

    internal TaskEntityDispatcher(TaskEntityOperation operation, IServiceProvider services)
    {
        _operation = operation;
        _services = services;
    }

    /// <summary>The operation's result, once it was dispatched.</summary>
    internal object? Result { get; private set; }

    /// <summary>Runs the operation on an entity.</summary>
    public async Task DispatchAsync(ITaskEntity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        Result = await entity.RunAsync(_operation).ConfigureAwait(false);
    }

    /// <summary>
    /// Runs the operation on a new <typeparamref name="T"/> made by dependency injection, if it is an entity; else
    /// <typeparamref name="T"/> is the state, whose public methods are the operations.
    /// </summary>
    public Task DispatchAsync<T>() => DispatchAsync(typeof(ITaskEntity).IsAssignableFrom(typeof(T))
        ? (ITaskEntity)(object)ActivatorUtilities.GetServiceOrCreateInstance<T>(_services)!
        : new StateEntity<T>());

    /// <summary>Runs the operation by a function.</summary>
    public async Task DispatchAsync(Func<TaskEntityOperation, ValueTask<object?>> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        Result = await handler(_operation).ConfigureAwait(false);
    }

    private sealed class StateEntity<TState> : TaskEntity<TState>
    {
        protected override bool AllowStateDispatch => true;
    }
}
