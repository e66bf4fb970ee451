using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Backup.Relay;

/// <summary>One text message of a control channel or a request rendezvous: an object with one known property.</summary>
internal sealed record ControlMessage
{
    [JsonPropertyName("accept")] public AcceptMessage? Accept { get; init; }
    [JsonPropertyName("request")] public RequestMessage? Request { get; init; }
    [JsonPropertyName("response")] public ResponseMessage? Response { get; init; }
    [JsonPropertyName("renewToken")] public RenewTokenMessage? RenewToken { get; init; }
}

internal sealed record RemoteEndpoint
{
    [JsonPropertyName("address")] public string? Address { get; init; }
    [JsonPropertyName("port")] public int? Port { get; init; }
}

internal sealed record AcceptMessage
{
    [JsonPropertyName("address")] public string? Address { get; init; }
    [JsonPropertyName("id")] public string? Id { get; init; }
    [JsonPropertyName("connectHeaders")] public Dictionary<string, string>? ConnectHeaders { get; init; }
    [JsonPropertyName("remoteEndpoint")] public RemoteEndpoint? RemoteEndpoint { get; init; }
}

/// <summary>With only an address: the request waits at that rendezvous. With a method: this is the request.</summary>
internal sealed record RequestMessage
{
    [JsonPropertyName("address")] public string? Address { get; init; }
    [JsonPropertyName("id")] public string? Id { get; init; }
    [JsonPropertyName("requestTarget")] public string? RequestTarget { get; init; }
    [JsonPropertyName("method")] public string? Method { get; init; }
    [JsonPropertyName("remoteEndpoint")] public RemoteEndpoint? RemoteEndpoint { get; init; }
    [JsonPropertyName("requestHeaders")] public Dictionary<string, string>? RequestHeaders { get; init; }
    [JsonPropertyName("body")] public bool? Body { get; init; }
}

internal sealed record ResponseMessage
{
    [JsonPropertyName("requestId")] public string? RequestId { get; init; }

    // Some listeners send the number as a string.
    [JsonPropertyName("statusCode")]
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public int? StatusCode { get; init; }

    [JsonPropertyName("statusDescription")] public string? StatusDescription { get; init; }
    [JsonPropertyName("responseHeaders")] public Dictionary<string, string>? ResponseHeaders { get; init; }
    [JsonPropertyName("body")] public bool? Body { get; init; }
}

internal sealed record RenewTokenMessage
{
    [JsonPropertyName("token")] public string? Token { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, MaxDepth = 16, Converters = [typeof(HeaderMapConverter)])]
[JsonSerializable(typeof(ControlMessage))]
internal sealed partial class ControlJson : JsonSerializerContext;

/// <summary>Reads and writes control messages.</summary>
internal static class ControlText
{
    /// <summary>The largest body that travels on a control channel, in bytes.</summary>
    public const int BodyBytesMax = 64 * 1024;

    /// <summary>The largest JSON text that is sent on a control channel, in bytes: above it the .NET listener stops working for good.</summary>
    public const int JsonBytesMax = 64 * 1024;

    /// <summary>The largest JSON text that is read: more than is ever sent, so that a liberal peer is understood.</summary>
    public const int JsonBytesReadMax = 256 * 1024;

    // The default encoder writes each '+' as six bytes, which has pushed small header sets over the limit.
    private static readonly ControlJson Json = new(new JsonSerializerOptions(ControlJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public static byte[] Write(ControlMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, Json.ControlMessage);

    /// <summary>Null when the text is not an object of the expected shapes.</summary>
    public static ControlMessage? Read(ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, Json.ControlMessage);
        }
        catch (JsonException)
        {
            // The caller decides what an unreadable message means; its text could hold a token, so it goes nowhere.
            return null;
        }
    }
}
