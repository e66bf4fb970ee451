using System.Net;
using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>Describes a sender's request to a listener, without what is the relay's or the connection's own.</summary>
internal static class RequestDescription
{
    /// <summary>Headers that end with the connection they came on, in requests and in responses.</summary>
    public static readonly HashSet<string> OfTheConnection = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Content-Length", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Close", "Keep-Alive", "Proxy-Connection",
    };

    public static RequestMessage Of(HttpContext context, RequestTarget target, string id, string address, string host, bool consumesAuthorization, bool hasBody)
    {
        var headers = Headers(context.Request);
        foreach (var name in OfTheConnection) headers.Remove(name);
        // Whatever "Connection" names belongs to this connection too (RFC 9110, 7.6.1).
        foreach (var name in context.Request.Headers.Connection.ToString().Split(',', StringSplitOptions.TrimEntries)) headers.Remove(name);
        if (consumesAuthorization) headers.Remove("Authorization");
        headers["Via"] = headers.TryGetValue("Via", out var via) ? $"{via}, 1.1 {host}" : $"1.1 {host}";
        return new RequestMessage
        {
            Address = address,
            Id = id,
            RequestTarget = target.Stripped,
            Method = context.Request.Method,
            RemoteEndpoint = Remote(context),
            RequestHeaders = headers,
            Body = hasBody,
        };
    }

    public static AcceptMessage OfStream(HttpContext context, string id, string address) => new()
    {
        Address = address,
        Id = id,
        ConnectHeaders = Headers(context.Request),
        RemoteEndpoint = Remote(context),
    };

    /// <summary>All of them but the relay's token, repeated ones joined.</summary>
    private static Dictionary<string, string> Headers(HttpRequest request)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in request.Headers) headers[name] = string.Join(", ", values.AsEnumerable());
        headers.Remove(TokenCarrier.Header);
        return headers;
    }

    private static RemoteEndpoint Remote(HttpContext context) =>
        new() { Address = (context.Connection.RemoteIpAddress ?? IPAddress.None).ToString(), Port = context.Connection.RemotePort };
}
