using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Worker;

namespace Backup.Standalone.Durable.Store;

/// <summary>A failure as it is stored. Fields may be added, never renamed.</summary>
internal sealed record StoredFailure(
    [property: JsonPropertyName("type")] string Type,
    [property: JsonPropertyName("message")] string Message,
    [property: JsonPropertyName("stack")] string? Stack,
    [property: JsonPropertyName("inner")] StoredFailure? Inner)
{
    private const int DepthMax = 32;

    [JsonPropertyName("final")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsNonRetriable { get; init; }

    [JsonPropertyName("properties")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IDictionary<string, object?>? Properties { get; init; }

    public static StoredFailure From(Exception exception) => From(TaskFailureDetails.FromException(exception), DepthMax);

    public static StoredFailure From(TaskFailureDetails details) => From(details, DepthMax);

    /// <summary>The failure of an exception with the properties the app gives it.</summary>
    public static StoredFailure From(Exception exception, IExceptionPropertiesProvider? provider)
    {
        var details = TaskFailureDetails.FromException(exception);
        return From(provider?.GetExceptionProperties(exception) is { } properties ? details with { Properties = properties } : details);
    }

    public static string? Serialize(StoredFailure? failure) =>
        failure is null ? null : JsonSerializer.Serialize(failure, StoredJson.Default.StoredFailure);

    public static StoredFailure? Deserialize(string? text) =>
        text is null ? null : JsonSerializer.Deserialize(text, StoredJson.Default.StoredFailure);

    public TaskFailureDetails ToDetails() => new(Type, Message, Stack, Inner?.ToDetails(), Properties);

    private static StoredFailure From(TaskFailureDetails details, int depth) => new(
        details.ErrorType,
        details.ErrorMessage,
        details.StackTrace,
        details.InnerFailure is null || depth == 0 ? null : From(details.InnerFailure, depth - 1))
    {
        Properties = details.Properties?.ToDictionary(p => p.Key, p => (object?)p.Value?.ToString()),
    };
}

[JsonSerializable(typeof(StoredFailure))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
[JsonSerializable(typeof(IReadOnlyList<CarriedEvent>))]
[JsonSerializable(typeof(List<CarriedEvent>))]
[JsonSerializable(typeof(string))]
internal sealed partial class StoredJson : JsonSerializerContext;
