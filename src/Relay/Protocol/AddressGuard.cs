namespace Backup.Relay;

/// <summary>
/// Decides which rendezvous addresses a listener may dial. Whoever can write to the control channel, or run the relay, could
/// otherwise steer this machine's outbound connections to a place of their choice.
/// </summary>
internal sealed class AddressGuard(RelayEndpoint endpoint)
{
    private const int AddressCharsMax = 32 * 1024;

    /// <summary>The address, unchanged, if it may be dialled.</summary>
    /// <exception cref="RelayException">It is not <c>wss</c>, or lies outside the namespace's domain.</exception>
    public Uri Check(string? address)
    {
        if (address is not { Length: > 0 and <= AddressCharsMax }
            || !Uri.TryCreate(address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }, out var uri)
            || !uri.IsAbsoluteUri)
            throw Refused("The relay named something that is no address.");
        if (uri.Scheme != Uri.UriSchemeWss || uri.UserInfo.Length > 0)
            throw Refused("The relay named an address that is not wss.");
        // With the canonicalisation off, everything after the host is kept as is: a fragment would be sent as part of the path.
        if (address.Contains('#', StringComparison.Ordinal) || address.Any(c => c <= ' ' || c > '~'))
            throw Refused("The relay named an address with characters that no address has.");
        var port = uri.IsDefaultPort ? 443 : uri.Port;
        if (port != endpoint.Port || !IsOurs(uri.Host))
            throw Refused($"The relay named an address outside its namespace's domain: {uri.Host}:{port}.");
        if (!uri.AbsolutePath.StartsWith("/$hc/", StringComparison.OrdinalIgnoreCase))
            throw Refused("The relay named an address that is not a hybrid connection's.");
        return uri;
    }

    /// <summary>
    /// The namespace's own host, or another host of the service's domain: the real service answers for
    /// <c>contoso.servicebus.windows.net</c> with nodes such as <c>g63-prod-….servicebus.windows.net</c>. A host of fewer than
    /// three labels, or an IP address, has no such domain.
    /// </summary>
    private bool IsOurs(string host)
    {
        if (string.Equals(host, endpoint.Host, StringComparison.OrdinalIgnoreCase)) return true;
        var labels = endpoint.Host.Split('.');
        if (labels.Length < 3 || Uri.CheckHostName(endpoint.Host) != UriHostNameType.Dns) return false;
        return host.EndsWith(endpoint.Host[labels[0].Length..], StringComparison.OrdinalIgnoreCase);
    }

    private static RelayException Refused(string message) =>
        new(RelayFault.AddressRefused, message, "The relay may be misconfigured, or somebody interferes with it.");
}
