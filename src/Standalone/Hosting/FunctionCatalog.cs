using System.Reflection;
using Backup.Standalone.Durable.Execution;
using Backup.Standalone.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;
using Microsoft.Extensions.DependencyInjection;

namespace Backup.Standalone.Hosting;

/// <summary>The functions of the app, found by their attributes.</summary>
internal sealed class FunctionCatalog : ITaskCatalog
{
    private readonly FunctionInvoker _invoker;
    private readonly Dictionary<TaskName, FunctionEntry> _orchestrators = [];
    private readonly Dictionary<TaskName, FunctionEntry> _activities = [];
    private readonly Dictionary<TaskName, FunctionEntry> _entities = [];

    /// <exception cref="StandaloneException">The functions contradict each other or cannot be served; every problem is listed.</exception>
    public FunctionCatalog(FunctionSources sources, FunctionInvoker invoker)
    {
        _invoker = invoker;
        var problems = new List<string>();
        var functions = new Dictionary<string, FunctionEntry>(StringComparer.OrdinalIgnoreCase);
        foreach (var method in (sources.Assemblies ?? DefaultAssemblies()).Distinct().SelectMany(a => a.GetExportedTypes())
            .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)))
        {
            if (method.GetCustomAttribute<FunctionAttribute>() is not { } attribute)
            {
                continue;
            }

            var entry = Read(attribute.Name, method, problems);
            if (entry is not null && !functions.TryAdd(entry.Name, entry))
            {
                problems.Add($"two functions are named '{entry.Name}': {functions[entry.Name].EntryPoint} and {entry.EntryPoint}");
            }
        }

        Functions = [.. functions.Values.OrderBy(f => f.Name, StringComparer.Ordinal)];
        foreach (var function in Functions)
        {
            switch (function.Trigger)
            {
                case OrchestrationTriggerAttribute orchestration:
                    Add(_orchestrators, orchestration.Orchestration ?? function.Name, function, problems);
                    break;
                case ActivityTriggerAttribute activity:
                    Add(_activities, activity.Activity ?? function.Name, function, problems);
                    break;
                case EntityTriggerAttribute entity:
                    Add(_entities, entity.EntityName ?? function.Name, function, problems);
                    break;
            }
        }

        if (problems.Count > 0)
        {
            throw new StandaloneException(
                StandaloneFault.FunctionDefinition,
                "The functions of this app cannot be served: " + string.Join("; ", problems) + ".",
                "Each function needs one name, one trigger and a public method on a public, non-generic class.");
        }
    }

    public IReadOnlyList<FunctionEntry> Functions { get; }

    public ITaskOrchestrator? CreateOrchestrator(TaskName name, TaskVersion version, IServiceProvider services) =>
        _orchestrators.TryGetValue(name, out var function) ? new FunctionOrchestrator(function, _invoker, services) : null;

    public ITaskActivity? CreateActivity(TaskName name, TaskVersion version, IServiceProvider services) =>
        _activities.TryGetValue(name, out var function) ? new FunctionActivity(function, _invoker, services)
            : name == DurableHttpCaller.ActivityName ? ActivatorUtilities.CreateInstance<DurableHttpActivity>(services)
            : null;

    public ITaskEntity? CreateEntity(TaskName name, IServiceProvider services) =>
        _entities.TryGetValue(name, out var function) ? new FunctionEntity(function, _invoker, services) : null;

    private static void Add(Dictionary<TaskName, FunctionEntry> tasks, TaskName name, FunctionEntry function, List<string> problems)
    {
        if (!tasks.TryAdd(name, function))
        {
            problems.Add($"two functions serve the task '{name}': {tasks[name].EntryPoint} and {function.EntryPoint}");
        }
    }

    private static FunctionEntry? Read(string name, MethodInfo method, List<string> problems)
    {
        var place = $"{method.DeclaringType!.FullName}.{method.Name}";
        if (method.DeclaringType.ContainsGenericParameters || method.ContainsGenericParameters)
        {
            problems.Add($"{place} is generic");
            return null;
        }

        var triggers = method.GetParameters()
            .Select(p => (Parameter: p, Trigger: p.GetCustomAttribute<TriggerBindingAttribute>()))
            .Where(p => p.Trigger is not null).ToList();
        if (triggers.Count != 1)
        {
            problems.Add($"{place} has {triggers.Count} triggers");
            return null;
        }

        if (triggers[0].Trigger is not (HttpTriggerAttribute or TimerTriggerAttribute or OrchestrationTriggerAttribute or ActivityTriggerAttribute
            or EntityTriggerAttribute))
        {
            problems.Add($"{place} has a {triggers[0].Trigger!.GetType().Name}, which this host does not serve");
            return null;
        }

        return new FunctionEntry(name, method, triggers[0].Parameter, triggers[0].Trigger!);
    }

    // Functions may live in class libraries of the app, which then reference this assembly.
    private static List<Assembly> DefaultAssemblies()
    {
        var entry = Assembly.GetEntryAssembly();
        if (entry is null)
        {
            return [];
        }

        var own = typeof(FunctionCatalog).Assembly.GetName().Name;
        var found = new List<Assembly> { entry };
        foreach (var reference in entry.GetReferencedAssemblies().Where(r => r.Name != own))
        {
            var file = Path.Combine(AppContext.BaseDirectory, reference.Name + ".dll");
            if (File.Exists(file))
            {
                var assembly = Assembly.Load(reference);
                if (assembly.GetReferencedAssemblies().Any(r => r.Name == own))
                {
                    found.Add(assembly);
                }
            }
        }

        return found;
    }
}
