using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>
/// Names one order for ever: an agent treats every message with the same id as the same job. 1 to 128 characters out of
/// letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, so it is also safe as a file name (it never starts with a dot).
/// </summary>
[JsonConverter(typeof(OrderIdConverter))]
public readonly record struct OrderId
{
    /// <summary>The longest id, in characters.</summary>
    public const int LengthMax = 128;

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    private readonly string? _value;

    private OrderId(string value) => _value = value;

    /// <summary>The id's text.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default</c>, which names nothing.</exception>
    public string Value => _value ?? throw new InvalidOperationException("This OrderId was never given a value.");

    /// <summary>Reads an id.</summary>
    /// <exception cref="ArgumentException">The text is empty, too long or holds other characters.</exception>
    public static OrderId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new ArgumentException("An order id is 1 to 128 letters, digits, '-', '_' or '.', not starting with a dot.", nameof(text));

    /// <summary>Reads an id; false when the text is none.</summary>
    public static bool TryParse(string? text, out OrderId id)
    {
        var valid = text is { Length: > 0 and <= LengthMax } && text[0] != '.' && !text.AsSpan().ContainsAnyExcept(Allowed);
        id = valid ? new OrderId(text!) : default;
        return valid;
    }

    /// <summary>
    /// The id of one step of an orchestration: the same parts give the same id, so repeating the step is repeating the order.
    /// </summary>
    /// <param name="parts">For example the instance id and the step's name; order and boundaries count.</param>
    public static OrderId Derive(params ReadOnlySpan<string> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            var bytes = Encoding.UTF8.GetBytes(part);
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
        return new OrderId(Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16)));
    }

    /// <summary>A new random id, for queries, which are never repeated.</summary>
    public static OrderId NewRandom() => new(RandomNumberGenerator.GetHexString(32, lowercase: true));

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}

internal sealed class OrderIdConverter : JsonConverter<OrderId>
{
    public override OrderId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && OrderId.TryParse(reader.GetString(), out var id)
            ? id
            : throw new JsonException("not an order id");

    public override void Write(Utf8JsonWriter writer, OrderId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
}
