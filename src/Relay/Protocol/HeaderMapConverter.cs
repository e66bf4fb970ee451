using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.Relay;

/// <summary>
/// Header maps as peers really send them: a value is text as a rule, but the Node listener passes on what its application set, such as a number for
/// <c>Content-Length</c>. Lists are joined by commas, and what is no value is left out: one odd header must not cost the whole answer.
/// In every map that was read names compare without case.
/// </summary>
internal sealed class HeaderMapConverter : JsonConverter<Dictionary<string, string>>
{
    public override Dictionary<string, string>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw new JsonException("Headers are an object.");
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (Value(ref reader) is { } value) headers[name] = value;
        }
        return headers;
    }

    public override void Write(Utf8JsonWriter writer, Dictionary<string, string> value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        foreach (var (name, text) in value) writer.WriteString(name, text);
        writer.WriteEndObject();
    }

    private static string? Value(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return reader.GetString();
            case JsonTokenType.Number:
                return System.Text.Encoding.UTF8.GetString(reader.ValueSpan);
            case JsonTokenType.True:
                return "true";
            case JsonTokenType.False:
                return "false";
            case JsonTokenType.StartArray:
                var parts = new List<string>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    if (Value(ref reader) is { } part) parts.Add(part);
                return parts.Count > 0 ? string.Join(", ", parts) : null;
            default:
                reader.Skip();
                return null;
        }
    }
}
