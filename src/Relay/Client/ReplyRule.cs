namespace Backup.Relay;

/// <summary>Which of the three outcomes a response or a failure means. When in doubt the outcome is unknown: asking again is safe, giving up may not be.</summary>
internal static class ReplyRule
{
    /// <summary>The relay adds <c>Via</c> to a listener's answer and to nothing else.</summary>
    public static bool IsFromListener(HttpResponseMessage response) => response.Headers.Contains("Via");

    /// <summary>A response of the relay's own.</summary>
    public static RelayReply FromRelay(int status, string? reason)
    {
        var (fault, hint) = HandshakeRefusal.Meaning(status);
        // 502 and 503 are the guide's words for what the service answers as 404: nobody listens.
        if (status is 502 or 503) (fault, hint) = (RelayFault.NotFound, "Start the listener.");
        var failure = new RelayException(fault, $"The relay answered {status}: {reason}", hint) { StatusCode = status };
        return status is 400 or 401 or 403 or 404 or 502 or 503 ? new RelayReply.NotDelivered(failure) : new RelayReply.OutcomeUnknown(failure);
    }

    /// <summary>A failure before any response.</summary>
    public static RelayReply FromNetwork(RelayEndpoint endpoint, HttpRequestException e)
    {
        var neverConnected = e.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError;
        return neverConnected
            ? new RelayReply.NotDelivered(new RelayException(RelayFault.Unreachable, $"The relay at {endpoint.Authority} cannot be reached: {e.GetBaseException().Message}", "Check name resolution, the firewall (outbound TLS), which certificate is trusted, and this machine's clock.", e))
            : new RelayReply.OutcomeUnknown(new RelayException(RelayFault.ConnectionLost, $"The connection to the relay at {endpoint.Authority} was lost: {e.Message}", "Ask again with the same order id.", e));
    }
}
