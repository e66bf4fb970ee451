using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.DurableTask.Entities;

/// <summary>The id of a durable entity. In JSON it is the text <c>@name@key</c>.</summary>
[JsonConverter(typeof(TextConverter))]
public readonly record struct EntityInstanceId
{
    private const int LengthMax = 100;

    /// <summary>An id.</summary>
    /// <param name="name">The entity's name, kept in lower case; without '@'.</param>
    /// <param name="key">The entity's key.</param>
    /// <exception cref="ArgumentException">The name is empty or holds an '@', or the id is longer than 100 characters.</exception>
    public EntityInstanceId(string name, string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(key);
        if (name.Contains('@', StringComparison.Ordinal))
        {
            throw new ArgumentException("Entity names may not contain '@'.", nameof(name));
        }

        Name = name.ToLowerInvariant();
        Key = key;
        var length = ToString().Length;
        if (length > LengthMax)
        {
            throw new ArgumentException($"Entity ids may not exceed {LengthMax} characters; this one has {length}.");
        }
    }

    /// <summary>The entity's name, in lower case.</summary>
    public string Name { get; }

    /// <summary>The entity's key.</summary>
    public string Key { get; }

    /// <summary>Reads the form <c>@name@key</c>.</summary>
    /// <exception cref="ArgumentException">The text has not that form.</exception>
    public static EntityInstanceId FromString(string instanceId)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        var separator = instanceId.Length > 1 ? instanceId.IndexOf('@', 1) : -1;
        return instanceId[0] == '@' && separator > 1
            ? new EntityInstanceId(instanceId[1..separator], instanceId[(separator + 1)..])
            : throw new ArgumentException($"Instance ID '{instanceId}' is not a valid entity ID.", nameof(instanceId));
    }

    /// <summary>The form <c>@name@key</c>.</summary>
    public override string ToString() => $"@{Name}@{Key}";

    private sealed class TextConverter : JsonConverter<EntityInstanceId>
    {
        public override EntityInstanceId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            FromString(reader.GetString()!);

        public override void Write(Utf8JsonWriter writer, EntityInstanceId value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
