using System.Reflection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;

namespace Backup.Standalone.Hosting;

#pragma warning disable CA2007 // The same path runs orchestrators, whose continuations belong on the turn's own context.

/// <summary>Runs a function through the middleware: binds its parameters, calls it, keeps its result.</summary>
/// <remarks>
/// No step is asynchronous unless the function or a middleware is, since an orchestrator has to run on the thread of its turn.
/// </remarks>
internal sealed class FunctionInvoker(FunctionMiddleware middleware, ParameterBinder binder)
{
    /// <returns>The function's result, as the middleware left it; null for none.</returns>
    public async Task<object?> InvokeAsync(InvocationContext context)
    {
        context.Binder = parameter => binder.BindAsync(parameter, context);
        binder.AddFeatures(context);
        await middleware.Around(CallAsync)(context);
        return context.GetInvocationResult().Value;
    }

    private async Task CallAsync(FunctionContext functionContext)
    {
        var context = (InvocationContext)functionContext;
        var function = context.Function;
        var arguments = new object?[function.MethodParameters.Length];
        for (var i = 0; i < arguments.Length; i++)
        {
            if (!context.BoundInputs.TryGetValue(function.MethodParameters[i].Name!, out arguments[i]))
            {
                var value = binder.BindAsync(function.MethodParameters[i], context);
                arguments[i] = value.IsCompletedSuccessfully ? value.Result : await value;
            }
        }

        var target = function.Method.IsStatic ? null : CreateTarget(function.Method.DeclaringType!, context);
        try
        {
            var returned = function.Method.Invoke(target, BindingFlags.DoNotWrapExceptions, null, arguments, null);
            context.GetInvocationResult().Value = await ResultOf(returned, function.Method.ReturnType);
        }
        finally
        {
            switch (target)
            {
                case IAsyncDisposable disposable:
                    await disposable.DisposeAsync();
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }
        }
    }

    private static object? CreateTarget(Type type, InvocationContext context) =>
        context.InstanceServices.GetService<IFunctionActivator>() is { } activator
            ? activator.CreateInstance(type, context)
            : ActivatorUtilities.CreateInstance(context.InstanceServices, type);

    // The declared type says whether there is a result: an async method without one may still return some Task<T>.
    private static async Task<object?> ResultOf(object? returned, Type declared)
    {
        switch (returned)
        {
            case Task task:
                await task;
                return declared == typeof(Task) ? null : ValueOf(task);
            case ValueTask task:
                await task;
                return null;
            case not null when returned.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == typeof(ValueTask<>):
                var asTask = (Task)type.GetMethod(nameof(ValueTask<int>.AsTask))!.Invoke(returned, null)!;
                await asTask;
                return ValueOf(asTask);
            default:
                return returned;
        }
    }

    private static object? ValueOf(Task task) => task.GetType().GetProperty(nameof(Task<int>.Result))?.GetValue(task);
}
