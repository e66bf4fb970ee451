using System.Collections.Specialized;
using System.Net;
using System.Security.Claims;
using System.Text;
using System.Text.Json;

namespace Microsoft.Azure.Functions.Worker.Http;

/// <summary>An HTTP request without ASP.NET Core's types.</summary>
public abstract class HttpRequestData
{
    /// <summary>A request of an invocation.</summary>
    protected HttpRequestData(FunctionContext functionContext)
    {
        ArgumentNullException.ThrowIfNull(functionContext);
        FunctionContext = functionContext;
    }

    /// <summary>The body.</summary>
    public abstract Stream Body { get; }

    /// <summary>The headers.</summary>
    public abstract HttpHeadersCollection Headers { get; }

    /// <summary>The cookies.</summary>
    public abstract IReadOnlyCollection<IHttpCookie> Cookies { get; }

    /// <summary>The full URL.</summary>
    public abstract Uri Url { get; }

    /// <summary>Who is asking.</summary>
    public abstract IEnumerable<ClaimsIdentity> Identities { get; }

    /// <summary>The method.</summary>
    public abstract string Method { get; }

    /// <summary>The invocation.</summary>
    public FunctionContext FunctionContext { get; }

    /// <summary>The query's values.</summary>
    public virtual NameValueCollection Query
    {
        get
        {
            var values = new NameValueCollection();
            foreach (var (name, value) in AspNetCore.WebUtilities.QueryHelpers.ParseQuery(Url.Query))
            {
                foreach (var single in value)
                {
                    values.Add(name, single);
                }
            }

            return values;
        }
    }

    /// <summary>Makes a response.</summary>
    public abstract HttpResponseData CreateResponse();
}

/// <summary>An HTTP response without ASP.NET Core's types.</summary>
public abstract class HttpResponseData
{
    /// <summary>A response of an invocation.</summary>
    protected HttpResponseData(FunctionContext functionContext)
    {
        ArgumentNullException.ThrowIfNull(functionContext);
        FunctionContext = functionContext;
    }

    /// <summary>The status.</summary>
    public abstract HttpStatusCode StatusCode { get; set; }

    /// <summary>The headers.</summary>
    public abstract HttpHeadersCollection Headers { get; set; }

    /// <summary>The body.</summary>
    public abstract Stream Body { get; set; }

    /// <summary>The invocation.</summary>
    public FunctionContext FunctionContext { get; }
}

/// <summary>The headers of a request or response.</summary>
public sealed class HttpHeadersCollection : System.Net.Http.Headers.HttpHeaders
{
    /// <summary>No headers.</summary>
    public HttpHeadersCollection()
    {
    }

    /// <summary>These headers.</summary>
    public HttpHeadersCollection(IEnumerable<KeyValuePair<string, IEnumerable<string>>> headers)
    {
        ArgumentNullException.ThrowIfNull(headers);
        foreach (var (name, values) in headers)
        {
            TryAddWithoutValidation(name, values);
        }
    }
}

/// <summary>A cookie.</summary>
public interface IHttpCookie
{
    /// <summary>The name.</summary>
    string Name { get; }

    /// <summary>The value.</summary>
    string Value { get; }
}

/// <summary>Reading requests.</summary>
public static class HttpRequestDataExtensions
{
    /// <summary>The body as text; null when it cannot be read.</summary>
    public static async Task<string?> ReadAsStringAsync(this HttpRequestData request, Encoding? encoding = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        using var reader = new StreamReader(request.Body, encoding ?? Encoding.UTF8, leaveOpen: true);
        return await reader.ReadToEndAsync().ConfigureAwait(false);
    }

    /// <summary>The body as a value.</summary>
    public static ValueTask<T?> ReadFromJsonAsync<T>(this HttpRequestData request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return JsonSerializer.DeserializeAsync<T>(request.Body, JsonSerializerOptions.Web, cancellationToken);
    }

    /// <summary>Makes a response with a status.</summary>
    public static HttpResponseData CreateResponse(this HttpRequestData request, HttpStatusCode statusCode)
    {
        ArgumentNullException.ThrowIfNull(request);
        var response = request.CreateResponse();
        response.StatusCode = statusCode;
        return response;
    }
}

/// <summary>Writing responses.</summary>
public static class HttpResponseDataExtensions
{
    /// <summary>Writes text to the body.</summary>
    public static void WriteString(this HttpResponseData response, string value, Encoding? encoding = null)
    {
        ArgumentNullException.ThrowIfNull(response);
        response.Body.Write((encoding ?? Encoding.UTF8).GetBytes(value));
    }

    /// <summary>Writes text to the body.</summary>
    public static async Task WriteStringAsync(this HttpResponseData response, string value, Encoding? encoding = null)
    {
        ArgumentNullException.ThrowIfNull(response);
        await response.Body.WriteAsync((encoding ?? Encoding.UTF8).GetBytes(value)).ConfigureAwait(false);
    }

    /// <summary>Writes bytes to the body.</summary>
    public static async Task WriteBytesAsync(this HttpResponseData response, byte[] value)
    {
        ArgumentNullException.ThrowIfNull(response);
        await response.Body.WriteAsync(value).ConfigureAwait(false);
    }

    /// <summary>Writes a value as JSON and sets the content type.</summary>
    public static async ValueTask WriteAsJsonAsync<T>(this HttpResponseData response, T instance, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(response);
        response.Headers.Remove("Content-Type");
        response.Headers.TryAddWithoutValidation("Content-Type", "application/json; charset=utf-8");
        await JsonSerializer.SerializeAsync(response.Body, instance, cancellationToken: cancellationToken).ConfigureAwait(false);
    }
}
