namespace Backup.Relay;

/// <summary>Where the relay is: a host and a port. Only TLS is ever spoken to it.</summary>
public sealed record RelayEndpoint
{
    private const int TlsPort = 443;

    private RelayEndpoint(string host, int port)
    {
        Host = host;
        Port = port;
    }

    /// <summary>The namespace's host name.</summary>
    public string Host { get; }

    /// <summary>443 for the real service.</summary>
    public int Port { get; }

    /// <summary>Host, and port where it is not 443.</summary>
    public string Authority => Port == TlsPort ? Host : $"{Host}:{Port}";

    /// <summary>Reads <c>sb://host[:port]</c> (also <c>https://</c> and <c>wss://</c>), as connection strings spell it.</summary>
    /// <exception cref="RelayException">The text is no such address.</exception>
    public static RelayEndpoint Parse(string text)
    {
        var valid = Uri.TryCreate(text, UriKind.Absolute, out var uri)
            && uri.Scheme is "sb" or "https" or "wss"
            && uri.Host.Length > 0 && uri.UserInfo.Length == 0 && uri.Query.Length == 0 && uri.AbsolutePath is "/" or "";
        return valid
            ? new RelayEndpoint(uri!.Host.ToLowerInvariant(), uri.IsDefaultPort || uri.Port <= 0 ? TlsPort : uri.Port)
            : throw new RelayException(RelayFault.Configuration, $"'{text}' is not a relay endpoint.", "Write sb://HOST or sb://HOST:PORT.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"sb://{Authority}";

    /// <summary>The address of the HTTP side of an entity.</summary>
    internal Uri HttpAddress(EntityPath entity, string suffixAndQuery) => Exact($"https://{Authority}/{entity.Escaped}{suffixAndQuery}");

    /// <summary>The address of the WebSocket side of an entity.</summary>
    internal Uri SocketAddress(EntityPath entity, string suffix, string query) => Exact($"wss://{Authority}/$hc/{entity.Escaped}{suffix}?{query}");

    /// <summary>Keeps path and query byte for byte: addresses are capabilities, and suffixes belong to the application.</summary>
    internal static Uri Exact(string address) => new(address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
}
