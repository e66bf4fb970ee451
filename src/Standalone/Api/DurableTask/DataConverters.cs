using System.Text.Json;

namespace Microsoft.DurableTask
{
    /// <summary>Turns inputs, outputs, events and statuses into stored text and back.</summary>
    public abstract class DataConverter
    {
        /// <summary>The stored text of a value; null for null.</summary>
        public abstract string? Serialize(object? value);

        /// <summary>The value of a stored text; null for null.</summary>
        public abstract object? Deserialize(string? data, Type targetType);

        /// <summary>The value of a stored text; the default for null.</summary>
        public virtual T? Deserialize<T>(string? data) => (T?)(Deserialize(data, typeof(T)) ?? default(T));
    }
}

namespace Microsoft.DurableTask.Converters
{
    /// <summary>A converter that stores JSON by System.Text.Json.</summary>
    public class JsonDataConverter : DataConverter
    {
        private static readonly JsonSerializerOptions FieldsIncluded = new() { IncludeFields = true };

        private readonly JsonSerializerOptions _options;

        /// <summary>Makes a converter.</summary>
        /// <param name="options">The options; null: plain defaults with fields included.</param>
        public JsonDataConverter(JsonSerializerOptions? options = null) => _options = options ?? FieldsIncluded;

        /// <summary>The converter with plain defaults and fields included.</summary>
        public static JsonDataConverter Default { get; } = new();

        /// <inheritdoc/>
        public override string? Serialize(object? value) => value is null ? null : JsonSerializer.Serialize(value, _options);

        /// <inheritdoc/>
        public override object? Deserialize(string? data, Type targetType) =>
            data is null ? null : JsonSerializer.Deserialize(data, targetType, _options);
    }
}
