using System.Text.Json;
using System.Text.Json.Serialization;
using Backup.Catalog;
using Backup.Catalog.Paging;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>An answer with a status and JSON, written the same way by both hosts.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="body">Anything that serialises.</param>
/// <param name="contentType">The body's type.</param>
public sealed class HttpAnswer(int status, object body, string contentType = "application/json; charset=utf-8") : IResult
{
    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(Words, allowIntegerValues: false) },
        MaxDepth = 16,
    };

    private const int RetryAfterSeconds = 5;

    private static JsonNamingPolicy Words => JsonNamingPolicy.KebabCaseLower;

    /// <summary>The status.</summary>
    public int Status { get; } = status;

    /// <summary>Where the thing can be asked for later; null for none.</summary>
    public string? Location { get; init; }

    /// <summary>A value of an enumeration as answers write it: small letters, the parts of its name joined by dashes.</summary>
    internal static string Word<T>(T value)
        where T : struct, Enum => Words.ConvertName(value.ToString());

    /// <summary>200 with a body.</summary>
    public static HttpAnswer Ok(object body) => new(StatusCodes.Status200OK, body);

    /// <summary>200 with a page of a list.</summary>
    internal static HttpAnswer Page<T, TView>(CatalogPage<T> page, Func<T, TView> view) => Ok(new PageView<TView>([.. page.Items.Select(view)], page.Next));

    /// <summary>202: it will be done; ask at the location.</summary>
    public static HttpAnswer Accepted(string location, object body) => new(StatusCodes.Status202Accepted, body) { Location = location };

    /// <summary>A problem, as RFC 9457 has it.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="title">What was wrong.</param>
    /// <param name="detail">What to do about it.</param>
    public static HttpAnswer Problem(int status, string title, string detail) =>
        new(status, new ProblemBody("about:blank", title, status, detail), "application/problem+json; charset=utf-8");

    /// <summary>Does the work of a function and turns every failure into a problem.</summary>
    public static async Task<IResult> GuardAsync(HttpRequest request, ILogger logger, Func<Task<HttpAnswer>> work)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(work);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (HttpProblemException e)
        {
            return e.Answer;
        }
        catch (CatalogException e) when (e.Fault is CatalogFault.BadCursor)
        {
            return Problem(StatusCodes.Status400BadRequest, e.Message.Split('\n')[0], e.Hint);
        }
        catch (CatalogException e) when (e.Fault is CatalogFault.NotFound or CatalogFault.NotAllowed)
        {
            return Problem(e.Fault is CatalogFault.NotFound ? StatusCodes.Status404NotFound : StatusCodes.Status409Conflict, e.Message.Split('\n')[0], e.Hint);
        }
        catch (CatalogException e) when (e.IsTransient)
        {
            Log.RequestFailed(logger, e, request.Method, request.Path);
            request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
            return Problem(StatusCodes.Status503ServiceUnavailable, "The catalog cannot be used now.", "Try again in a few seconds.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The caller learns nothing of the inside; the log has it.
            Log.RequestFailed(logger, e, request.Method, request.Path);
            return Problem(StatusCodes.Status500InternalServerError, "The request failed.", "The log of the Functions app says why.");
        }
    }

    /// <inheritdoc/>
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        ArgumentNullException.ThrowIfNull(httpContext);
        var response = httpContext.Response;
        response.StatusCode = Status;
        response.ContentType = contentType;
        response.Headers.CacheControl = "no-store";
        if (Location is not null)
        {
            response.Headers.Location = Location;
        }

        await response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(body, body.GetType(), Json), httpContext.RequestAborted).ConfigureAwait(false);
    }

    private sealed record ProblemBody(string Type, string Title, int Status, string Detail);
}

/// <summary>Ends a request with a problem. Thrown and caught within this folder only.</summary>
internal sealed class HttpProblemException(int status, string title, string detail) : Exception(title)
{
    public HttpAnswer Answer { get; } = HttpAnswer.Problem(status, title, detail);
}
