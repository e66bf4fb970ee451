using System.Collections.Immutable;
using System.Reflection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Backup.Standalone.Hosting;

/// <summary>A method of the app that is a function.</summary>
internal sealed class FunctionEntry : FunctionDefinition
{
    public FunctionEntry(string name, MethodInfo method, ParameterInfo triggerParameter, TriggerBindingAttribute trigger)
    {
        Name = name;
        Method = method;
        TriggerParameter = triggerParameter;
        Trigger = trigger;
        MethodParameters = method.GetParameters();
        Parameters = [.. MethodParameters.Select(p => new FunctionParameter(p.Name!, p.ParameterType, p.HasDefaultValue, p.HasDefaultValue ? p.DefaultValue : null))];
        InputBindings = MethodParameters
            .Select(p => (Parameter: p, Binding: p.GetCustomAttribute<BindingAttribute>()))
            .Where(p => p.Binding is not null)
            .ToImmutableDictionary(p => p.Parameter.Name!, p => (BindingMetadata)new Binding(p.Parameter.Name!, BindingType(p.Binding!), BindingDirection.In));
        OutputBindings = trigger is HttpTriggerAttribute
            ? ImmutableDictionary<string, BindingMetadata>.Empty.Add("$return", new Binding("$return", "http", BindingDirection.Out))
            : ImmutableDictionary<string, BindingMetadata>.Empty;
    }

    public override string Name { get; }

    public override string Id => Name;

    public MethodInfo Method { get; }

    public ParameterInfo[] MethodParameters { get; }

    public ParameterInfo TriggerParameter { get; }

    public TriggerBindingAttribute Trigger { get; }

    public override ImmutableArray<FunctionParameter> Parameters { get; }

    public override string PathToAssembly => Method.DeclaringType!.Assembly.Location;

    public override string EntryPoint => $"{Method.DeclaringType!.FullName}.{Method.Name}";

    public override IImmutableDictionary<string, BindingMetadata> InputBindings { get; }

    public override IImmutableDictionary<string, BindingMetadata> OutputBindings { get; }

    private static string BindingType(BindingAttribute binding) => binding switch
    {
        HttpTriggerAttribute => "httpTrigger",
        TimerTriggerAttribute => "timerTrigger",
        OrchestrationTriggerAttribute => "orchestrationTrigger",
        ActivityTriggerAttribute => "activityTrigger",
        EntityTriggerAttribute => "entityTrigger",
        DurableClientAttribute => "durableClient",
        _ => binding.GetType().Name,
    };

    private sealed class Binding(string name, string type, BindingDirection direction) : BindingMetadata
    {
        public override string Name => name;

        public override string Type => type;

        public override BindingDirection Direction => direction;
    }
}

/// <summary>The assemblies whose functions this host runs.</summary>
/// <param name="Assemblies">The assemblies; null: the entry assembly and whatever it references that uses this one.</param>
internal sealed record FunctionSources(IReadOnlyList<Assembly>? Assemblies = null);
