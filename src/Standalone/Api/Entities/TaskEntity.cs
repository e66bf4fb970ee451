namespace Microsoft.DurableTask.Entities;

/// <summary>An entity whose operations are its public methods, found by name without regard to case.</summary>
/// <remarks>
/// A method may take the input, the <see cref="TaskEntityContext"/> and the <see cref="TaskEntityOperation"/>, each once.
/// Where neither the entity nor (when allowed) its state has a method of the name, <c>delete</c> deletes the state.
/// </remarks>
public abstract class TaskEntity<TState> : ITaskEntity
{
    private const string ImplicitDelete = "delete";

    /// <summary>Whether operations that the entity has no method for go to methods of the state. Default false.</summary>
    protected virtual bool AllowStateDispatch => false;

    /// <summary>The state: read before an operation and stored after it; null deletes it.</summary>
    protected TState State { get; set; } = default!;

    /// <summary>What an operation may do besides changing the state.</summary>
    protected TaskEntityContext Context { get; private set; } = null!;

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">There is no method of the operation's name.</exception>
    public ValueTask<object?> RunAsync(TaskEntityOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        Context = operation.Context;
        object? stored;
        try
        {
            stored = operation.State.GetState(typeof(TState));
        }
        catch when (IsImplicitDelete(operation) && GetType().GetMethods().All(m => !IsNamed(m.Name, operation)))
        {
            // A state that cannot be read any more can still be deleted.
            return Delete(operation);
        }

        State = stored is null ? InitializeState(operation) : (TState)stored;
        var dispatched = operation.Dispatch(this) ?? DispatchToState(operation);
        if (dispatched is { } done)
        {
            return FinishAsync(operation, done.Returned, done.Method.ReturnType);
        }

        return IsImplicitDelete(operation)
            ? Delete(operation)
            : throw new NotSupportedException($"No suitable method found for entity operation '{operation}'.");
    }

    /// <summary>The state an operation begins with when there is none. The default makes one with its parameterless constructor.</summary>
    protected virtual TState InitializeState(TaskEntityOperation entityOperation) =>
        Nullable.GetUnderlyingType(typeof(TState)) is { } value
            ? (TState)Activator.CreateInstance(value)!
            : typeof(TState) == typeof(string) ? default! : Activator.CreateInstance<TState>();

    private static bool IsImplicitDelete(TaskEntityOperation operation) => IsNamed(ImplicitDelete, operation);

    private static bool IsNamed(string name, TaskEntityOperation operation) =>
        string.Equals(operation.Name, name, StringComparison.OrdinalIgnoreCase);

    private static ValueTask<object?> Delete(TaskEntityOperation operation)
    {
        operation.State.SetState(null);
        return default;
    }

    private (System.Reflection.MethodInfo Method, object? Returned)? DispatchToState(TaskEntityOperation operation)
    {
        if (!AllowStateDispatch)
        {
            return null;
        }

        return State is null
            ? throw new InvalidOperationException("Attempting to dispatch to state, but entity state is null.")
            : operation.Dispatch(State);
    }

    // The declared type says whether there is a result: an async method without one may still return some Task<T>.
    private async ValueTask<object?> FinishAsync(TaskEntityOperation operation, object? returned, Type declared)
    {
        var result = returned;
        if (declared == typeof(ValueTask))
        {
            await ((ValueTask)returned!).ConfigureAwait(false);
            result = null;
        }
        else if (declared.IsGenericType && declared.GetGenericTypeDefinition() == typeof(ValueTask<>))
        {
            var task = (Task)declared.GetMethod(nameof(ValueTask<int>.AsTask))!.Invoke(returned, null)!;
            await task.ConfigureAwait(false);
            result = ResultOf(task);
        }
        else if (returned is Task task)
        {
            await task.ConfigureAwait(false);
            result = declared.IsGenericType ? ResultOf(task) : null;
        }

        operation.State.SetState(State);
        return result;
    }

    private static object? ResultOf(Task task) => task.GetType().GetProperty(nameof(Task<int>.Result))!.GetValue(task);
}
