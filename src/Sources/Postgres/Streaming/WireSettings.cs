using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Npgsql;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>What of an Npgsql connection string a session of ours needs. Holds the password: never shown.</summary>
internal sealed record WireSettings
{
    private const int DefaultPort = 5432;

    internal required string Host { get; init; }

    internal required int Port { get; init; }

    internal required string User { get; init; }

    internal string? Password { get; init; }

    internal SslMode Ssl { get; init; }

    /// <summary>PEM file of the authorities that may have signed the server's certificate; null for the machine's own.</summary>
    internal string? RootCertificate { get; init; }

    internal string? ClientCertificate { get; init; }

    internal string? ClientKey { get; init; }

    internal TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    internal bool IsSocket => Host.StartsWith('/');

    /// <exception cref="SourcesException">ServerUnsuitable: the string cannot be read, or names no host.</exception>
    internal static WireSettings Parse(string connectionString)
    {
        var settings = ServerConnection.Settings(connectionString, "backup");
        if (FirstHost(settings) is not { } host)
            throw new SourcesException(SourcesFault.ServerUnsuitable, "The connection string names no host.", "Add Host=….");
        var (name, port) = SplitPort(host, settings.Port == 0 ? DefaultPort : settings.Port);
        return new WireSettings
        {
            Host = name,
            Port = port,
            User = settings.Username ?? Environment.UserName,
            Password = settings.Password ?? Environment.GetEnvironmentVariable("PGPASSWORD"),
            Ssl = settings.SslMode,
            RootCertificate = settings.RootCertificate,
            ClientCertificate = settings.SslCertificate,
            ClientKey = settings.SslKey,
            ConnectTimeout = TimeSpan.FromSeconds(settings.Timeout == 0 ? 3600 : settings.Timeout),
        };
    }

    /// <summary>Whether the server is on another machine, as far as the host's name or address tells.</summary>
    internal static bool IsElsewhere(string connectionString)
    {
        if (FirstHost(ServerConnection.Settings(connectionString, "backup")) is not { } host)
            return false;
        var (name, _) = SplitPort(host, DefaultPort);
        if (name.StartsWith('/') || name.StartsWith('@') || name.Equals("localhost", StringComparison.OrdinalIgnoreCase) || name.Equals(Dns.GetHostName(), StringComparison.OrdinalIgnoreCase))
            return false;
        try
        {
            return !Dns.GetHostAddresses(name).Any(IsOwn);
        }
        catch (SocketException)
        {
            // A name that does not resolve is no name of this machine; it is told as what it is when the session is opened.
            return true;
        }
    }

    private static bool IsOwn(IPAddress address) => IPAddress.IsLoopback(address)
        || NetworkInterface.GetAllNetworkInterfaces().Any(one => one.GetIPProperties().UnicastAddresses.Any(own => own.Address.Equals(address)));

    private static string? FirstHost(NpgsqlConnectionStringBuilder settings) => settings.Host?.Split(',')[0].Trim() is { Length: > 0 } host ? host : null;

    /// <summary>Npgsql allows HOST:PORT, and IPv6 addresses in brackets or bare.</summary>
    private static (string Host, int Port) SplitPort(string host, int port)
    {
        if (host.StartsWith('/') || host.StartsWith('@'))
            return (host, port);
        var colon = host.LastIndexOf(':');
        var isBracketed = host.StartsWith('[');
        var isPort = colon > 0 && (isBracketed ? host[colon - 1] == ']' : host.IndexOf(':', StringComparison.Ordinal) == colon);
        if (isPort && int.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var own))
            (host, port) = (host[..colon], own);
        return (isBracketed ? host.Trim('[', ']') : host, port);
    }
}
