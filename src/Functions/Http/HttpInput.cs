using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Backup.AgentApi;
using Backup.Catalog.Paging;
using Backup.Functions.Access;
using Backup.Policy;
using Microsoft.AspNetCore.Http;

namespace Backup.Functions.Http;

/// <summary>Reads requests strictly: what is not understood is refused, with the reason.</summary>
internal static partial class HttpInput
{
    /// <summary>Bytes of a request's body; the largest valid one lists patterns of files.</summary>
    public const int BodyBytesMax = 256 * 1024;

    private const int ReasonCharsMax = 500;

    public static async Task<T> BodyAsync<T>(HttpRequest request, CancellationToken cancel)
        where T : class => Parse<T>(await BytesAsync(request, BodyBytesMax, cancel).ConfigureAwait(false));

    /// <summary>Null when there is no body.</summary>
    public static async Task<T?> OptionalBodyAsync<T>(HttpRequest request, CancellationToken cancel)
        where T : class => await BytesAsync(request, BodyBytesMax, cancel).ConfigureAwait(false) is { Length: > 0 } bytes ? Parse<T>(bytes) : null;

    public static async Task<byte[]> BytesAsync(HttpRequest request, int bytesMax, CancellationToken cancel)
    {
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await request.Body.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0)
        {
            if (body.Length + read > bytesMax)
            {
                throw new HttpProblemException(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {bytesMax} bytes.", "Ask for less at once.");
            }

            body.Write(buffer, 0, read);
        }

        return body.ToArray();
    }

    private static T Parse<T>(byte[] body)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(body, HttpAnswer.Json) ?? throw Bad("The body is null.", "Send a JSON object.");
        }
        catch (JsonException e)
        {
            throw Bad($"The body is not what this address takes{(e.Path is { Length: > 1 } path ? $" (at {path})" : "")}: {Shown(e)}", "Send a JSON object with the fields that the README lists.");
        }
    }

    /// <summary>The <c>limit</c> and <c>continuation</c> of a list.</summary>
    public static (int Limit, string? Continuation) Page(HttpRequest request)
    {
        return (Number(request, "limit", 1, PageCursor.LimitMax) ?? PageCursor.LimitDefault, (string?)request.Query["continuation"]);
    }

    /// <summary>An optional value out of an enumeration, as answers write it; capitals and missing dashes are borne.</summary>
    public static T? Choice<T>(HttpRequest request, string name)
        where T : struct, Enum
    {
        var text = (string?)request.Query[name];
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        foreach (var value in Enum.GetValues<T>())
        {
            if (string.Equals(value.ToString(), text.Replace("-", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        throw Bad($"\"{name}\" is one of {string.Join(", ", Enum.GetValues<T>().Select(HttpAnswer.Word))}.", "Correct it or leave it out.");
    }

    /// <summary>An optional whole number.</summary>
    public static int? Number(HttpRequest request, string name, int min, int max)
    {
        var text = (string?)request.Query[name];
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Bad($"\"{name}\" is a whole number from {min} to {max}.", "Correct it or leave it out.");
    }

    /// <summary>The asset that a list is asked for; null for all.</summary>
    public static AssetName? Asset(HttpRequest request)
    {
        var text = (string?)request.Query["asset"];
        return string.IsNullOrEmpty(text) ? null : new AssetName(text);
    }

    /// <summary>An optional order id.</summary>
    public static OrderId? Order(HttpRequest request, string name)
    {
        var text = (string?)request.Query[name];
        return string.IsNullOrEmpty(text) ? null : OrderId.TryParse(text, out var id) ? id : throw Bad($"\"{name}\" is no order id.", "Correct it or leave it out.");
    }

    /// <summary>The slot that names what is started: the caller's, or the present minute.</summary>
    public static string Slot(string? given, DateTimeOffset now)
    {
        if (given is null)
        {
            return InstanceIds.SlotOf(now);
        }

        return SlotPattern().IsMatch(given) ? given : throw Bad("\"slot\" is 1 to 24 letters, digits and dashes.", "It names the request: the same slot means the same request.");
    }

    /// <summary>The reason in a <see cref="ReasonBody"/>.</summary>
    public static async Task<string> ReasonAsync(HttpRequest request, CancellationToken cancel) =>
        Reason((await BodyAsync<ReasonBody>(request, cancel).ConfigureAwait(false)).Reason);

    /// <summary>A reason that is kept.</summary>
    public static string Reason(string text) => text.Length <= ReasonCharsMax && !string.IsNullOrWhiteSpace(text)
        ? text.Trim()
        : throw Bad($"The reason is 1 to {ReasonCharsMax} characters.", "Say why: it is kept.");

    /// <summary>Whose personal key the request carries.</summary>
    public static string Require(this Administrators administrators, HttpRequest request) => administrators.Identify(request) ?? throw new HttpProblemException(
        StatusCodes.Status403Forbidden, "This decision needs an administrator.", $"Send your own key in the header {Administrators.Header}; Administrators:NAME in the settings holds its hash.");

    public static HttpProblemException Bad(string title, string detail) => new(StatusCodes.Status400BadRequest, title, detail);

    public static HttpProblemException NotFound(string title, string detail) => new(StatusCodes.Status404NotFound, title, detail);

    public static HttpProblemException Conflict(string title, string detail) => new(StatusCodes.Status409Conflict, title, detail);

    /// <summary>The parser's sentence, without the position that its message repeats and without type names of ours.</summary>
    private static string Shown(JsonException e)
    {
        var text = e.Message.Split(" Path:")[0];
        return TypeName().Replace(text, "what is expected here");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9-]{1,24}\z")]
    private static partial Regex SlotPattern();

    [GeneratedRegex(@"(?:type )?'?\b(?:Backup|System)\.[\w.+`\[\]]*\w'?")]
    private static partial Regex TypeName();
}
