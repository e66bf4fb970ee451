using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Backup.Relay.Emulator;

/// <summary>An error of the service itself. Its detail travels in the reason phrase, where the official clients look for it.</summary>
internal sealed record Refusal(int StatusCode, string Sentence)
{
    public static Refusal BadRequest(string sentence) => new(400, sentence);

    public static Refusal UnknownEntity { get; } = new(404, "Endpoint does not exist");

    public static Refusal NoListener(int status) => new(status, "There are no listeners connected for the endpoint");

    public static Refusal TooManyListeners(int max) => new(403, $"QuotaExceeded: The maximum of {max} listeners is connected");

    public static Refusal Filtered { get; } = new(404, "None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria");

    public static Refusal NotAnswered { get; } = new(504, "The request was routed to the listener but the listener did not respond in the required time");

    public async Task WriteAsync(HttpContext context, string host, string path, TimeProvider clock)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }
        var reason = ReasonPhrase.Clean(Text(host, path, clock));
        context.Response.StatusCode = StatusCode;
        context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = reason;
        if (HttpMethods.IsHead(context.Request.Method)) return;
        context.Response.ContentType = "application/json; charset=utf-8";
        var body = JsonSerializer.SerializeToUtf8Bytes(new ErrorBody(new ErrorDetail(StatusCode.ToString(CultureInfo.InvariantCulture), reason)), ErrorJson.Default.ErrorBody);
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    public string Text(string host, string path, TimeProvider clock) =>
        $"{Sentence}. TrackingId:{Guid.NewGuid()}_G0, SystemTracker:sb://{host}/{path}, Timestamp:{clock.GetUtcNow().UtcDateTime:s}";
}

/// <summary>Reason phrases go to the wire unchecked: a line break in one would split the response.</summary>
internal static class ReasonPhrase
{
    private const int LengthMax = 1024;
    private const int CloseTextMax = 123;

    /// <summary>For a close frame, which takes at most 123 bytes of text: a tracking id is appended and survives, the rest may be cut.</summary>
    public static string ForClose(string sentence)
    {
        var tracking = $" TrackingId:{Guid.NewGuid()}_G0";
        var text = Clean(sentence);
        return string.Concat(text.AsSpan(0, Math.Min(text.Length, CloseTextMax - tracking.Length)), tracking);
    }

    /// <summary>Printable ASCII only; everything else becomes a question mark.</summary>
    public static string Clean(string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        var clean = new StringBuilder(Math.Min(text.Length, LengthMax));
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, LengthMax))) clean.Append(c is >= ' ' and <= '~' ? c : '?');
        return clean.ToString();
    }
}

internal sealed record ErrorDetail(
    [property: System.Text.Json.Serialization.JsonPropertyName("code")] string Code,
    [property: System.Text.Json.Serialization.JsonPropertyName("message")] string Message);

internal sealed record ErrorBody([property: System.Text.Json.Serialization.JsonPropertyName("error")] ErrorDetail Error);

[System.Text.Json.Serialization.JsonSerializable(typeof(ErrorBody))]
internal sealed partial class ErrorJson : System.Text.Json.Serialization.JsonSerializerContext;
