using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>A credential inside a sealed order. Prints as <c>***</c>, so that logging a record cannot leak it.</summary>
[JsonConverter(typeof(SecretTextConverter))]
public sealed class SecretText(string value) : IEquatable<SecretText>
{
    private readonly string _value = value ?? throw new ArgumentNullException(nameof(value));

    /// <summary>The credential itself, for the call that needs it.</summary>
    public string Reveal() => _value;

    /// <inheritdoc/>
    public bool Equals(SecretText? other) => other is not null && string.Equals(_value, other._value, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SecretText);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(_value);

    /// <inheritdoc/>
    public override string ToString() => "***";
}

internal sealed class SecretTextConverter : JsonConverter<SecretText>
{
    public override SecretText Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String ? new SecretText(reader.GetString()!) : throw new JsonException("a credential is a string");

    public override void Write(Utf8JsonWriter writer, SecretText value, JsonSerializerOptions options) => writer.WriteStringValue(value.Reveal());
}
