using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>Where a request carries its token.</summary>
internal static class TokenCarrier
{
    public const string Header = WebSocketDialer.TokenHeader;
    public const string Parameter = "sb-hc-token";

    /// <summary>For WebSockets: the header or the query parameter.</summary>
    public static string? OfSocket(HttpRequest request, RequestTarget target) =>
        request.Headers.TryGetValue(Header, out var value) ? value.ToString() : target.Parameter(Parameter);

    /// <summary>
    /// For HTTP: the same two, else <c>Authorization</c>, which is consumed only when the entity asks for a token and nothing
    /// else carries one; otherwise it belongs to the listener.
    /// </summary>
    public static (string? Token, bool ConsumesAuthorization) OfHttp(HttpRequest request, RequestTarget target, bool isRequired)
    {
        var token = OfSocket(request, target);
        if (token is not null || !isRequired) return (token, false);
        return request.Headers.TryGetValue("Authorization", out var value) ? (value.ToString(), true) : (null, false);
    }
}
