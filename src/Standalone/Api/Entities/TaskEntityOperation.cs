using System.Reflection;

namespace Microsoft.DurableTask.Entities;

/// <summary>An entity as the worker runs it.</summary>
public interface ITaskEntity
{
    /// <summary>Runs one operation. If it throws, its changes of the state and what it sent are undone.</summary>
    /// <returns>The operation's result.</returns>
    ValueTask<object?> RunAsync(TaskEntityOperation operation);
}

/// <summary>One operation on an entity.</summary>
public abstract class TaskEntityOperation
{
    /// <summary>The operation's name.</summary>
    public abstract string Name { get; }

    /// <summary>What the operation may do besides changing the state.</summary>
    public abstract TaskEntityContext Context { get; }

    /// <summary>The entity's state.</summary>
    public abstract TaskEntityState State { get; }

    /// <summary>Whether the caller gave an input.</summary>
    public abstract bool HasInput { get; }

    /// <summary>The input; the default when there is none.</summary>
    public virtual T? GetInput<T>() => GetInput(typeof(T)) is T input ? input : default;

    /// <summary>The input; null when there is none.</summary>
    public abstract object? GetInput(Type inputType);

    /// <summary>The entity's id and the operation's name, for logs and messages.</summary>
    public override string ToString() => $"{Context.Id}/{Name}";
}

/// <summary>What an operation may do besides changing the state.</summary>
public abstract class TaskEntityContext
{
    /// <summary>The entity's id.</summary>
    public abstract EntityInstanceId Id { get; }

    /// <summary>Signals an operation without input.</summary>
    public virtual void SignalEntity(EntityInstanceId id, string operationName, SignalEntityOptions options) =>
        SignalEntity(id, operationName, null, options);

    /// <summary>Signals an operation; the signal goes out once this operation has ended well.</summary>
    public abstract void SignalEntity(EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null);

    /// <summary>Starts an orchestration without input.</summary>
    /// <returns>The id of the new instance.</returns>
    public virtual string ScheduleNewOrchestration(TaskName name, StartOrchestrationOptions options) => ScheduleNewOrchestration(name, null, options);

    /// <summary>Starts an orchestration once this operation has ended well.</summary>
    /// <returns>The id of the new instance.</returns>
    public abstract string ScheduleNewOrchestration(TaskName name, object? input = null, StartOrchestrationOptions? options = null);
}

/// <summary>The state of an entity.</summary>
public abstract class TaskEntityState
{
    /// <summary>Whether the entity has a state.</summary>
    public abstract bool HasState { get; }

    /// <summary>The state; the default value when there is none, which is not stored.</summary>
    public virtual T? GetState<T>(T? defaultValue = default) => GetState(typeof(T)) is T state ? state : defaultValue;

    /// <summary>The state; null when there is none, for value types, too.</summary>
    public abstract object? GetState(Type type);

    /// <summary>Sets the state; null deletes it.</summary>
    public abstract void SetState(object? state);
}

/// <summary>Finding the method an operation means.</summary>
public static class TaskEntityOperationExtensions
{
    /// <summary>Calls the public method of the operation's name.</summary>
    /// <returns>The method with what it returned; null when there is none of the name.</returns>
    /// <exception cref="AmbiguousMatchException">Several methods have the name.</exception>
    /// <exception cref="InvalidOperationException">The method's parameters cannot be bound.</exception>
    internal static (MethodInfo Method, object? Returned)? Dispatch(this TaskEntityOperation operation, object target)
    {
        var method = target.GetType().GetMethod(operation.Name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);
        return method is null
            ? null
            : (method, method.Invoke(target, BindingFlags.DoNotWrapExceptions, null, Bind(operation, method), null));
    }

    private static object?[] Bind(TaskEntityOperation operation, MethodInfo method)
    {
        var bound = new Dictionary<string, ParameterInfo>(StringComparer.Ordinal);
        return [.. method.GetParameters().Select(parameter =>
        {
            var (what, value) = parameter.ParameterType == typeof(TaskEntityContext) ? ("context", operation.Context)
                : parameter.ParameterType == typeof(TaskEntityOperation) ? ("operation", operation)
                : ("input", Input(operation, parameter, method));
            return bound.TryAdd(what, parameter)
                ? value
                : throw new InvalidOperationException(
                    $"Error dispatching {operation} to '{method}'.\nUnable to bind {what} to '{parameter}' because it has already been "
                    + $"bound to parameter '{bound[what]}'. Please remove the duplicate parameter in method '{method}'.");
        })];
    }

    private static object? Input(TaskEntityOperation operation, ParameterInfo parameter, MethodInfo method) =>
        operation.HasInput ? operation.GetInput(parameter.ParameterType)
        : parameter.HasDefaultValue ? parameter.DefaultValue
        : throw new InvalidOperationException(
            $"Error dispatching {operation} to '{method}'.\nThere was an error binding parameter '{parameter}'. The operation expected an "
            + "input value, but no input was provided by the caller.");
}
