using System.Net;
using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>Describes a sender's request to a listener, without what is the relay's or the connection's own.</summary>
internal static class RequestDescription
{
    private static readonly HashSet<string> OfTheConnection = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Content-Length", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Close", "Keep-Alive", "Proxy-Connection",
    };

    public static RequestMessage Of(HttpContext context, RequestTarget target, string id, string address, string host, bool consumesAuthorization, bool hasBody)
    {
        // Whatever "Connection" names belongs to this connection too (RFC 9110, 7.6.1).
        var named = context.Request.Headers.Connection.SelectMany(list => (list ?? "").Split(',', StringSplitOptions.TrimEntries)).ToArray();
        var headers = Headers(context.Request, name =>
            !OfTheConnection.Contains(name) && !named.Contains(name, StringComparer.OrdinalIgnoreCase) && !(consumesAuthorization && IsNamed(name, "Authorization")));
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
        ConnectHeaders = Headers(context.Request, _ => true),
        RemoteEndpoint = Remote(context),
    };

    private static Dictionary<string, string> Headers(HttpRequest request, Func<string, bool> wanted)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in request.Headers)
            if (!IsNamed(name, TokenCarrier.Header) && wanted(name)) headers[name] = string.Join(", ", values.AsEnumerable());
        return headers;
    }

    private static RemoteEndpoint Remote(HttpContext context) =>
        new() { Address = (context.Connection.RemoteIpAddress ?? IPAddress.None).ToString(), Port = context.Connection.RemotePort };

    private static bool IsNamed(string name, string other) => string.Equals(name, other, StringComparison.OrdinalIgnoreCase);
}
