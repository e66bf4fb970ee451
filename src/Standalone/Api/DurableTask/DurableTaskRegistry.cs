using System.Reflection;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.DurableTask;

/// <summary>The orchestrators and activities a worker knows, by name (without regard to case) and version.</summary>
public sealed partial class DurableTaskRegistry
{
    private readonly Dictionary<(TaskName Name, TaskVersion Version), Func<IServiceProvider, ITaskOrchestrator>> _orchestrators = [];
    private readonly Dictionary<(TaskName Name, TaskVersion Version), Func<IServiceProvider, ITaskActivity>> _activities = [];

    /// <summary>The orchestrators, one entry per name and version.</summary>
    public IEnumerable<KeyValuePair<TaskName, Func<IServiceProvider, ITaskOrchestrator>>> GetOrchestrators() =>
        _orchestrators.Select(entry => KeyValuePair.Create(entry.Key.Name, entry.Value));

    /// <summary>The activities, one entry per name and version.</summary>
    public IEnumerable<KeyValuePair<TaskName, Func<IServiceProvider, ITaskActivity>>> GetActivities() =>
        _activities.Select(entry => KeyValuePair.Create(entry.Key.Name, entry.Value));

    internal Func<IServiceProvider, ITaskOrchestrator>? FindOrchestrator(TaskName name, TaskVersion version) => Find(_orchestrators, name, version);

    internal Func<IServiceProvider, ITaskActivity>? FindActivity(TaskName name, TaskVersion version) => Find(_activities, name, version);

    internal void AddOrchestratorCore(TaskName name, TaskVersion version, Func<IServiceProvider, ITaskOrchestrator> factory) =>
        Add(_orchestrators, "orchestrator", name, version, factory);

    internal void AddActivityCore(TaskName name, TaskVersion version, Func<IServiceProvider, ITaskActivity> factory) =>
        Add(_activities, "activity", name, version, factory);

    private static void Add<T>(Dictionary<(TaskName, TaskVersion), T> tasks, string kind, TaskName name, TaskVersion version, T factory)
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (name == default)
        {
            throw new ArgumentException($"An {kind} needs a name.", nameof(name));
        }

        if (!tasks.TryAdd((name, version), factory))
        {
            var suffix = version == TaskVersion.Unversioned ? string.Empty : $" and version '{version.Version}'";
            throw new ArgumentException($"An {kind} named '{name}'{suffix} is already added.", nameof(name));
        }
    }

    // An exact version wins. The one without a version serves every version only while no version is registered at all:
    // once an app names versions, an unknown one is a mistake that must not run some other version's code.
    private static T? Find<T>(Dictionary<(TaskName Name, TaskVersion Version), T> tasks, TaskName name, TaskVersion version)
        where T : class
    {
        if (tasks.TryGetValue((name, version), out var exact))
        {
            return exact;
        }

        return tasks.Keys.Any(key => key.Name == name && key.Version != TaskVersion.Unversioned)
            ? null
            : tasks.GetValueOrDefault((name, TaskVersion.Unversioned));
    }

    private static (TaskName Name, TaskVersion Version) NameOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        var attribute = type.GetCustomAttribute<DurableTaskAttribute>();
        return (attribute is null || attribute.Name == default ? new TaskName(type.Name) : attribute.Name, new TaskVersion(attribute?.Version));
    }

    private static Func<IServiceProvider, T> FactoryOf<T>(Type type)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(type);
        if (type.IsAbstract || !typeof(T).IsAssignableFrom(type))
        {
            throw new ArgumentException($"{type} is not a concrete {typeof(T).Name}.", nameof(type));
        }

        return services => (T)ActivatorUtilities.GetServiceOrCreateInstance(services, type);
    }
}
