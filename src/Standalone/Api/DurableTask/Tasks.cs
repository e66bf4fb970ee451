namespace Microsoft.DurableTask;

/// <summary>An orchestrator, as the worker calls it.</summary>
public interface ITaskOrchestrator
{
    /// <summary>The type of the input.</summary>
    Type InputType { get; }

    /// <summary>The type of the output.</summary>
    Type OutputType { get; }

    /// <summary>Runs the orchestrator from its start; it may await context tasks only.</summary>
    Task<object?> RunAsync(TaskOrchestrationContext context, object? input);
}

/// <summary>An activity, as the worker calls it.</summary>
public interface ITaskActivity
{
    /// <summary>The type of the input.</summary>
    Type InputType { get; }

    /// <summary>The type of the output.</summary>
    Type OutputType { get; }

    /// <summary>Runs the activity. It runs at least once per call, so it must bear being repeated.</summary>
    Task<object?> RunAsync(TaskActivityContext context, object? input);
}

/// <summary>The base class of class-based orchestrators.</summary>
public abstract class TaskOrchestrator<TInput, TOutput> : ITaskOrchestrator
{
    Type ITaskOrchestrator.InputType => typeof(TInput);

    Type ITaskOrchestrator.OutputType => typeof(TOutput);

    /// <summary>Runs the orchestrator from its start; it may await context tasks only.</summary>
    public abstract Task<TOutput> RunAsync(TaskOrchestrationContext context, TInput input);

    async Task<object?> ITaskOrchestrator.RunAsync(TaskOrchestrationContext context, object? input)
    {
        ArgumentNullException.ThrowIfNull(context);
#pragma warning disable CA2007 // An orchestrator's continuations belong on the orchestration's own context.
        return await RunAsync(context, TaskInput.Of<TInput>(input)!);
#pragma warning restore CA2007
    }
}

/// <summary>The base class of class-based activities.</summary>
public abstract class TaskActivity<TInput, TOutput> : ITaskActivity
{
    Type ITaskActivity.InputType => typeof(TInput);

    Type ITaskActivity.OutputType => typeof(TOutput);

    /// <summary>Runs the activity. It runs at least once per call, so it must bear being repeated.</summary>
    public abstract Task<TOutput> RunAsync(TaskActivityContext context, TInput input);

    async Task<object?> ITaskActivity.RunAsync(TaskActivityContext context, object? input)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await RunAsync(context, TaskInput.Of<TInput>(input)!).ConfigureAwait(false);
    }
}

/// <summary>What an activity knows of its call.</summary>
public abstract class TaskActivityContext
{
    /// <summary>The activity's name.</summary>
    public abstract TaskName Name { get; }

    /// <summary>The id of the calling orchestration instance.</summary>
    public abstract string InstanceId { get; }

    /// <summary>The version the call asked for; empty: none.</summary>
    public virtual string Version => string.Empty;
}

/// <summary>The orchestration that called this one.</summary>
/// <param name="Name">Its name.</param>
/// <param name="InstanceId">Its instance id.</param>
public record ParentOrchestrationInstance(TaskName Name, string InstanceId);

internal static class TaskInput
{
    public static T? Of<T>(object? input) => input switch
    {
        null => default,
        T typed => typed,
        _ => throw new ArgumentException($"Input type '{input.GetType()}' does not match the expected type '{typeof(T)}'.", nameof(input)),
    };
}
