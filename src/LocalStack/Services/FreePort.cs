using System.Net;
using System.Net.Sockets;

namespace Backup.LocalStack.Services;

/// <summary>Finds a TCP port on 127.0.0.1 that nobody listens on.</summary>
public static class FreePort
{
    /// <summary>A port the system just handed out. Someone else may take it before the caller binds: start-up reports that as a fault.</summary>
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
