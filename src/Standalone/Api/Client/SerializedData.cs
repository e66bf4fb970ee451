using Microsoft.DurableTask.Converters;

namespace Microsoft.DurableTask.Client;

/// <summary>A value as it is stored, with the converter that reads it.</summary>
public sealed class SerializedData
{
    /// <summary>A stored value.</summary>
    /// <param name="data">The stored text.</param>
    /// <param name="converter">Reads it; null: the default JSON converter.</param>
    public SerializedData(string data, DataConverter? converter = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        Value = data;
        Converter = converter ?? JsonDataConverter.Default;
    }

    /// <summary>The stored text.</summary>
    public string Value { get; }

    /// <summary>Reads the text.</summary>
    public DataConverter Converter { get; }

    /// <summary>The value.</summary>
    public T ReadAs<T>() => Converter.Deserialize<T>(Value)!;
}
