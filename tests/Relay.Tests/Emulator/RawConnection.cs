using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Backup.Relay.Tests.Emulator;

/// <summary>Bytes over TLS: what no HTTP library would send, and what one would hide.</summary>
internal sealed class RawConnection : IAsyncDisposable
{
    private readonly TcpClient _tcp;
    private readonly SslStream _tls;

    private RawConnection(TcpClient tcp, SslStream tls)
    {
        _tcp = tcp;
        _tls = tls;
    }

    public Stream Stream => _tls;

    public static async Task<RawConnection> OpenAsync(RelayTestBed bed)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", bed.Emulator.Port, TestContext.Current.CancellationToken);
        // The test's own certificate by its exact bytes: the same trust as by path.
        var tls = new SslStream(tcp.GetStream(), false, (_, certificate, _, _) => certificate!.GetRawCertData().AsSpan().SequenceEqual(RelayTestBed.Certificate.RawData));
        await tls.AuthenticateAsClientAsync("localhost");
        return new RawConnection(tcp, tls);
    }

    public Task SendAsync(string text) => Stream.WriteAsync(Encoding.Latin1.GetBytes(text.ReplaceLineEndings("\r\n")), TestContext.Current.CancellationToken).AsTask();

    /// <summary>Reads to the end of the connection.</summary>
    public async Task<string> ReadToEndAsync()
    {
        using var all = new MemoryStream();
        try
        {
            await Stream.CopyToAsync(all, TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            // A reset connection ends here too; what came before it is the result.
        }
        return Encoding.Latin1.GetString(all.ToArray());
    }

    public async ValueTask DisposeAsync()
    {
        await _tls.DisposeAsync();
        _tcp.Dispose();
    }
}
