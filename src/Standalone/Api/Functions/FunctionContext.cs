using System.Collections;
using System.Collections.Immutable;

namespace Microsoft.Azure.Functions.Worker
{
    /// <summary>One invocation of a function.</summary>
    public abstract class FunctionContext
    {
        /// <summary>The invocation's id.</summary>
        public abstract string InvocationId { get; }

        /// <summary>The function's id.</summary>
        public abstract string FunctionId { get; }

        /// <summary>The trace the invocation belongs to.</summary>
        public abstract TraceContext TraceContext { get; }

        /// <summary>The data its bindings hold.</summary>
        public abstract BindingContext BindingContext { get; }

        /// <summary>The function-level retry it is part of.</summary>
        public abstract RetryContext RetryContext { get; }

        /// <summary>The services of this invocation.</summary>
        public abstract IServiceProvider InstanceServices { get; set; }

        /// <summary>The function.</summary>
        public abstract FunctionDefinition FunctionDefinition { get; }

        /// <summary>What middleware wants to keep for the invocation.</summary>
        public abstract IDictionary<object, object> Items { get; set; }

        /// <summary>The invocation's features.</summary>
        public abstract IInvocationFeatures Features { get; }

        /// <summary>Cancelled when the invocation should end: the client went away or the host stops.</summary>
        public virtual CancellationToken CancellationToken { get; }
    }

    /// <summary>The data an invocation's bindings hold.</summary>
    public abstract class BindingContext
    {
        /// <summary>By name, without regard to case: route values, query values, the trigger's data.</summary>
        public abstract IReadOnlyDictionary<string, object?> BindingData { get; }
    }

    /// <summary>Whether a binding goes in or out.</summary>
    public enum BindingDirection
    {
        /// <summary>In.</summary>
        In = 0,

        /// <summary>Out.</summary>
        Out = 1,
    }

    /// <summary>A binding of a function.</summary>
    public abstract class BindingMetadata
    {
        /// <summary>The binding's name.</summary>
        public abstract string Name { get; }

        /// <summary>The binding's type, such as <c>httpTrigger</c>.</summary>
        public abstract string Type { get; }

        /// <summary>In or out.</summary>
        public abstract BindingDirection Direction { get; }
    }

    /// <summary>A function.</summary>
    public abstract class FunctionDefinition
    {
        /// <summary>Its parameters.</summary>
        public abstract ImmutableArray<FunctionParameter> Parameters { get; }

        /// <summary>Its assembly's file.</summary>
        public abstract string PathToAssembly { get; }

        /// <summary>The full name of its method.</summary>
        public abstract string EntryPoint { get; }

        /// <summary>Its id.</summary>
        public abstract string Id { get; }

        /// <summary>Its name.</summary>
        public abstract string Name { get; }

        /// <summary>Its input bindings, the trigger included, by name.</summary>
        public abstract IImmutableDictionary<string, BindingMetadata> InputBindings { get; }

        /// <summary>Its output bindings by name.</summary>
        public abstract IImmutableDictionary<string, BindingMetadata> OutputBindings { get; }
    }

    /// <summary>A parameter of a function.</summary>
    public class FunctionParameter
    {
        /// <summary>A parameter.</summary>
        public FunctionParameter(string name, Type type)
            : this(name, type, false, null, ImmutableDictionary<string, object>.Empty)
        {
        }

        /// <summary>A parameter with a default.</summary>
        public FunctionParameter(string name, Type type, bool hasDefaultValue, object? defaultValue)
            : this(name, type, hasDefaultValue, defaultValue, ImmutableDictionary<string, object>.Empty)
        {
        }

        /// <summary>A parameter with properties.</summary>
        public FunctionParameter(string name, Type type, IReadOnlyDictionary<string, object> properties)
            : this(name, type, false, null, properties)
        {
        }

        /// <summary>A parameter with a default and properties.</summary>
        public FunctionParameter(
            string name, Type type, bool hasDefaultValue, object? defaultValue, IReadOnlyDictionary<string, object> properties)
        {
            ArgumentNullException.ThrowIfNull(name);
            ArgumentNullException.ThrowIfNull(type);
            Name = name;
            Type = type;
            HasDefaultValue = hasDefaultValue;
            DefaultValue = defaultValue;
            Properties = properties;
        }

        /// <summary>The name.</summary>
        public string Name { get; }

        /// <summary>The type.</summary>
        public Type Type { get; }

        /// <summary>Whether there is a default value.</summary>
        public bool HasDefaultValue { get; }

        /// <summary>Whether null fits the type.</summary>
        public bool IsReferenceOrNullableType => !Type.IsValueType || Nullable.GetUnderlyingType(Type) is not null;

        /// <summary>The default value.</summary>
        public object? DefaultValue { get; }

        /// <summary>What the attributes said of it.</summary>
        public IReadOnlyDictionary<string, object> Properties { get; }
    }

    /// <summary>The features of an invocation by type.</summary>
    public interface IInvocationFeatures : IEnumerable<KeyValuePair<Type, object>>, IEnumerable
    {
        /// <summary>Sets or, with null, removes a feature.</summary>
        void Set<T>(T? instance);

        /// <summary>The feature, or the default when it is not set.</summary>
        T? Get<T>();
    }

    /// <summary>The function-level retry an invocation is part of.</summary>
    public abstract class RetryContext
    {
        /// <summary>How many retries went before.</summary>
        public abstract int RetryCount { get; }

        /// <summary>How many retries there may be.</summary>
        public abstract int MaxRetryCount { get; }
    }

    /// <summary>The trace an invocation belongs to.</summary>
    public abstract class TraceContext
    {
        /// <summary>The W3C trace parent.</summary>
        public abstract string TraceParent { get; }

        /// <summary>The W3C trace state.</summary>
        public abstract string TraceState { get; }

        /// <summary>Further attributes.</summary>
        public virtual IReadOnlyDictionary<string, string> Attributes => ImmutableDictionary<string, string>.Empty;

        /// <summary>Baggage.</summary>
        public virtual IReadOnlyDictionary<string, string> Baggage => ImmutableDictionary<string, string>.Empty;
    }

    /// <summary>The result of an invocation, as middleware sees it.</summary>
    public abstract class InvocationResult<T>
    {
        /// <summary>The value; middleware may replace it.</summary>
        public abstract T? Value { get; set; }
    }

    /// <summary>The result of an invocation, as middleware sees it.</summary>
    public abstract class InvocationResult : InvocationResult<object>;

    /// <summary>A bound input, as middleware sees it.</summary>
    public abstract class InputBindingData<T>
    {
        /// <summary>The binding.</summary>
        public abstract BindingMetadata BindingMetadata { get; }

        /// <summary>The value; middleware may replace it.</summary>
        public abstract T? Value { get; set; }
    }

    /// <summary>The worker misbehaved or was misused.</summary>
    public class FunctionWorkerException : Exception
    {
        /// <summary>With a message.</summary>
        public FunctionWorkerException(string? message)
            : base(message)
        {
        }

        /// <summary>With a message and a cause.</summary>
        public FunctionWorkerException(string? message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>A function's parameter could not be bound.</summary>
    public class FunctionInputConverterException : FunctionWorkerException
    {
        /// <summary>With a message.</summary>
        public FunctionInputConverterException(string? message)
            : base(message)
        {
        }

        /// <summary>With a message and a cause.</summary>
        public FunctionInputConverterException(string? message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>Makes the objects whose methods are functions.</summary>
    public interface IFunctionActivator
    {
        /// <summary>Makes an object for one invocation.</summary>
        object? CreateInstance(Type instanceType, FunctionContext context);
    }
}

namespace Microsoft.Azure.Functions.Worker.Middleware
{
    /// <summary>The rest of the pipeline.</summary>
    public delegate Task FunctionExecutionDelegate(FunctionContext context);

    /// <summary>Runs around every invocation.</summary>
    public interface IFunctionsWorkerMiddleware
    {
        /// <summary>Handles an invocation and calls <paramref name="next"/> to go on.</summary>
        Task Invoke(FunctionContext context, FunctionExecutionDelegate next);
    }
}
