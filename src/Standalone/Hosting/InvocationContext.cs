using System.Collections;
using System.Diagnostics;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Standalone.Hosting;

#pragma warning disable CA2007 // The same path runs orchestrators, whose continuations belong on the turn's own context.

/// <summary>One invocation of a function.</summary>
internal sealed class InvocationContext : FunctionContext
{
    public InvocationContext(
        FunctionEntry function, IServiceProvider services, IReadOnlyDictionary<string, object?> bindingData, CancellationToken cancellationToken)
    {
        Function = function;
        InstanceServices = services;
        BindingContext = new Binding(bindingData);
        CancellationToken = cancellationToken;
        Features.Set<InvocationResult>(new Result());
    }

    public FunctionEntry Function { get; }

    /// <summary>What the trigger hands over: the request, the timer, the orchestration's or the activity's context.</summary>
    public object? TriggerValue { get; init; }

    /// <summary>Binds a parameter; set by the invoker.</summary>
    public Func<System.Reflection.ParameterInfo, ValueTask<object?>>? Binder { get; set; }

    /// <summary>Inputs that middleware has bound, by parameter.</summary>
    public Dictionary<string, object?> BoundInputs { get; } = new(StringComparer.OrdinalIgnoreCase);

    public override string InvocationId { get; } = Guid.NewGuid().ToString();

    public override string FunctionId => Function.Id;

    public override TraceContext TraceContext { get; } = new Trace(Activity.Current?.Id ?? string.Empty, Activity.Current?.TraceStateString ?? string.Empty);

    public override BindingContext BindingContext { get; }

    public override RetryContext RetryContext { get; } = new NoRetry();

    public override IServiceProvider InstanceServices { get; set; }

    public override FunctionDefinition FunctionDefinition => Function;

    public override IDictionary<object, object> Items { get; set; } = new Dictionary<object, object>();

    public override IInvocationFeatures Features { get; } = new FeatureSet();

    public override CancellationToken CancellationToken { get; }

    public async ValueTask<InputBindingData<T>> BindInputAsync<T>(BindingMetadata binding)
    {
        var parameter = Function.MethodParameters.FirstOrDefault(p => string.Equals(p.Name, binding.Name, StringComparison.OrdinalIgnoreCase))
            ?? throw new ArgumentException($"The function '{Function.Name}' has no input '{binding.Name}'.", nameof(binding));
        if (!BoundInputs.ContainsKey(binding.Name) && Binder is { } bind)
        {
            var value = bind(parameter);
            BoundInputs[binding.Name] = value.IsCompletedSuccessfully ? value.Result : await value;
        }

        return new Input<T>(this, binding);
    }

    private sealed class Input<T>(InvocationContext context, BindingMetadata binding) : InputBindingData<T>
    {
        public override BindingMetadata BindingMetadata => binding;

        public override T? Value
        {
            get => (T?)context.BoundInputs[binding.Name];
            set => context.BoundInputs[binding.Name] = value;
        }
    }

    private sealed class Binding(IReadOnlyDictionary<string, object?> data) : BindingContext
    {
        public override IReadOnlyDictionary<string, object?> BindingData => data;
    }

    private sealed class Trace(string parent, string state) : TraceContext
    {
        public override string TraceParent => parent;

        public override string TraceState => state;
    }

    private sealed class NoRetry : RetryContext
    {
        public override int RetryCount => 0;

        public override int MaxRetryCount => 0;
    }

    private sealed class Result : InvocationResult
    {
        public override object? Value { get; set; }
    }

    private sealed class FeatureSet : IInvocationFeatures
    {
        private readonly Dictionary<Type, object> _features = [];

        public void Set<T>(T? instance)
        {
            if (instance is null)
            {
                _features.Remove(typeof(T));
            }
            else
            {
                _features[typeof(T)] = instance;
            }
        }

        public T? Get<T>() => _features.TryGetValue(typeof(T), out var feature) ? (T)feature : default;

        public IEnumerator<KeyValuePair<Type, object>> GetEnumerator() => _features.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
