using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>The ports of one stack: those of its last start where they are still free, others where not.</summary>
/// <param name="File">Keeps them between starts, <c>name=port</c> per line.</param>
internal sealed record StackPorts(string File)
{
    /// <summary>A port for a service, the same as last time if possible, and remembers it.</summary>
    public int For(string service)
    {
        var known = System.IO.File.Exists(File)
            ? System.IO.File.ReadLines(File).Select(l => l.Split('=')).Where(p => p.Length == 2).ToDictionary(p => p[0], p => int.Parse(p[1], CultureInfo.InvariantCulture))
            : [];
        if (known.TryGetValue(service, out var port) && IsFree(port))
        {
            return port;
        }

        do
        {
            port = FreePort.Next();
        }
        while (known.ContainsValue(port));
        known[service] = port;
        System.IO.File.WriteAllLines(File, known.Select(k => string.Create(CultureInfo.InvariantCulture, $"{k.Key}={k.Value}")));
        return port;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
