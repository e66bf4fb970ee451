using System.Reflection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using Microsoft.Extensions.DependencyInjection;

namespace Backup.Functions.Tests.Scripted;

/// <summary>Finds the app's functions by their attributes, as both hosts do.</summary>
internal static class ReflectedFunctions
{
    public static IReadOnlyList<(string Name, MethodInfo Method, ParameterInfo Trigger)> With<TTrigger>()
        where TTrigger : Attribute =>
        [.. All().SelectMany(f => f.Method.GetParameters().Where(p => p.GetCustomAttribute<TTrigger>() is not null).Select(p => (f.Name, f.Method, p)))];

    public static IReadOnlyList<(string Name, MethodInfo Method)> All() =>
        [.. typeof(InstanceIds).Assembly.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(m => (m.GetCustomAttribute<FunctionAttribute>()?.Name, Method: m)).Where(f => f.Name is not null).Select(f => (f.Name!, f.Method))];

    /// <summary>Registers every orchestrator and activity. Each activity runs twice, as if the host had died before it noted the first result.</summary>
    public static void AddTo(DurableTaskRegistry registry, Func<IServiceProvider> services)
    {
        foreach (var (name, method, _) in With<OrchestrationTriggerAttribute>())
        {
            registry.AddOrchestrator(name, new Orchestrator(method));
        }

        foreach (var (name, method, trigger) in With<ActivityTriggerAttribute>())
        {
            registry.AddActivity(name, new Activity(method, trigger, services));
        }
    }

    private sealed class Orchestrator(MethodInfo method) : ITaskOrchestrator
    {
        public Type InputType => method.GetParameters()[1].ParameterType;

        public Type OutputType => method.ReturnType.GetGenericArguments()[0];

        public async Task<object?> RunAsync(TaskOrchestrationContext context, object? input)
        {
            var task = (Task)method.Invoke(null, [context, input])!;
            await task;
            return task.GetType().GetProperty("Result")!.GetValue(task);
        }
    }

    private sealed class Activity(MethodInfo method, ParameterInfo trigger, Func<IServiceProvider> services) : ITaskActivity
    {
        public Type InputType => trigger.ParameterType;

        public Type OutputType => method.ReturnType.GetGenericArguments()[0];

        public async Task<object?> RunAsync(TaskActivityContext context, object? input)
        {
            await OnceAsync(input);
            return await OnceAsync(input);
        }

        private async Task<object?> OnceAsync(object? input)
        {
            var target = ActivatorUtilities.CreateInstance(services(), method.DeclaringType!);
            var task = (Task)method.Invoke(target, [input, CancellationToken.None])!;
            await task;
            return task.GetType().GetProperty("Result")!.GetValue(task);
        }
    }
}
