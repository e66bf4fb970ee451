using System.Collections;

namespace Microsoft.Azure.Functions.Worker.Converters
{
    /// <summary>Names the converter of a parameter or of all parameters of a type.</summary>
    /// <param name="converterType">The converter's type: an <see cref="IInputConverter"/>.</param>
    [AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Class | AttributeTargets.Interface | AttributeTargets.Enum | AttributeTargets.Struct)]
    public class InputConverterAttribute(Type converterType) : Attribute
    {
        /// <summary>The converter's type.</summary>
        public Type ConverterType { get; } = converterType;
    }

    /// <summary>Turns what a binding has into the value of a parameter.</summary>
    public interface IInputConverter
    {
        /// <summary>Converts, or says that it does not.</summary>
        ValueTask<ConversionResult> ConvertAsync(ConverterContext context);
    }

    /// <summary>What a converter works on.</summary>
    public abstract class ConverterContext
    {
        /// <summary>The parameter's type.</summary>
        public abstract Type TargetType { get; }

        /// <summary>What the binding has: the trigger's object or text; null: nothing.</summary>
        public abstract object? Source { get; }

        /// <summary>The invocation.</summary>
        public abstract FunctionContext FunctionContext { get; }

        /// <summary>Further properties.</summary>
        public abstract IReadOnlyDictionary<string, object> Properties { get; }
    }

    /// <summary>How a conversion ended.</summary>
    public enum ConversionStatus
    {
        /// <summary>The converter leaves it to the next one.</summary>
        Unhandled = 0,

        /// <summary>There is a value.</summary>
        Succeeded = 1,

        /// <summary>There can be no value.</summary>
        Failed = 2,
    }

    /// <summary>What a conversion gave.</summary>
    public readonly record struct ConversionResult
    {
        private ConversionResult(ConversionStatus status, object? value, Exception? error)
        {
            Status = status;
            Value = value;
            Error = error;
        }

        /// <summary>How it ended.</summary>
        public ConversionStatus Status { get; }

        /// <summary>The value.</summary>
        public object? Value { get; }

        /// <summary>Why there can be none.</summary>
        public Exception? Error { get; }

        /// <summary>The converter leaves it to the next one.</summary>
        public static ConversionResult Unhandled() => default;

        /// <summary>There is a value.</summary>
        public static ConversionResult Success(object? value) => new(ConversionStatus.Succeeded, value, null);

        /// <summary>There can be no value.</summary>
        public static ConversionResult Failed(Exception exception) => new(ConversionStatus.Failed, null, exception);
    }
}

namespace Microsoft.Azure.Functions.Worker
{
    /// <summary>The app's own converters, asked in order before the host's.</summary>
    public sealed class InputConverterCollection : IEnumerable<Type>, IEnumerable
    {
        private readonly List<Type> _types = [];

        /// <summary>Adds a converter at the end.</summary>
        public void Register<T>()
            where T : Converters.IInputConverter => _types.Add(typeof(T));

        /// <summary>Adds a converter at a place; 0 is the first.</summary>
        public void RegisterAt<T>(int index)
            where T : Converters.IInputConverter => _types.Insert(index, typeof(T));

        /// <summary>Removes all.</summary>
        public void Clear() => _types.Clear();

        /// <inheritdoc/>
        public IEnumerator<Type> GetEnumerator() => _types.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

namespace Microsoft.Azure.Functions.Worker.Extensions.Http.Converters
{
    /// <summary>Reads a request's body; a feature of HTTP invocations.</summary>
    public interface IFromBodyConversionFeature
    {
        /// <summary>The body as an object of a type.</summary>
        ValueTask<object?> ConvertAsync(FunctionContext context, Type targetType);
    }
}
