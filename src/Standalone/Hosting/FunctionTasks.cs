using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Durable.Workers;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Backup.Standalone.Hosting;

#pragma warning disable CA2007 // The same path runs orchestrators, whose continuations belong on the turn's own context.

/// <summary>What an activity function is triggered with.</summary>
internal sealed record ActivityInput(TaskActivityContext Context, string? Input);

/// <summary>An orchestrator function as the durable engine calls it.</summary>
internal sealed class FunctionOrchestrator(FunctionEntry function, FunctionInvoker invoker, IServiceProvider services) : ITaskOrchestrator
{
    public Type InputType => typeof(UnreadInput);

    public Type OutputType => typeof(object);

    public Task<object?> RunAsync(TaskOrchestrationContext context, object? input)
    {
        var data = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase) { ["instanceId"] = context.InstanceId };
        return invoker.InvokeAsync(new InvocationContext(function, services, data, CancellationToken.None) { TriggerValue = context });
    }
}

/// <summary>An activity function as the durable engine calls it.</summary>
internal sealed class FunctionActivity(FunctionEntry function, FunctionInvoker invoker, IServiceProvider services) : ITaskActivity
{
    public Type InputType => typeof(UnreadInput);

    public Type OutputType => typeof(object);

    public Task<object?> RunAsync(TaskActivityContext context, object? input)
    {
        var call = ((ActivityDispatcher.CallContext)context).Call;
        var data = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase) { ["instanceId"] = call.InstanceId };
        var stopping = services.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None;
        return invoker.InvokeAsync(new InvocationContext(function, services, data, stopping) { TriggerValue = new ActivityInput(context, call.Input) });
    }
}

/// <summary>An entity function as the durable engine calls it, once an operation.</summary>
internal sealed class FunctionEntity(FunctionEntry function, FunctionInvoker invoker, IServiceProvider services) : ITaskEntity
{
    public async ValueTask<object?> RunAsync(TaskEntityOperation operation)
    {
        var dispatcher = new TaskEntityDispatcher(operation, services);
        var data = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase) { ["instanceId"] = operation.Context.Id.ToString() };
        var stopping = services.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None;
        await invoker.InvokeAsync(new InvocationContext(function, services, data, stopping) { TriggerValue = dispatcher });
        return dispatcher.Result;
    }
}
