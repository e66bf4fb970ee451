using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>Bytes to and from a server: socket, TLS, and messages (a type, a length, a body). One reader and one writer at a time.</summary>
internal sealed class WireConnection : IAsyncDisposable
{
    private const int TlsRequestCode = 80877103;
    private const int HeaderBytes = 5;
    private const int BufferBytesFirst = 64 * 1024;

    /// <summary>Servers send file content in pieces of 32 KiB and rows of a few hundred bytes.</summary>
    private const int MessageBytesMax = 16 * 1024 * 1024;

    private readonly Socket _socket;
    private Stream _stream;
    private byte[] _buffer = new byte[BufferBytesFirst];
    private int _start;
    private int _end;

    private WireConnection(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>What channel binding ties the login to: a hash of the server's certificate. Null without TLS, or when its hash function is not one that is used so.</summary>
    internal byte[]? EndPointHash { get; private set; }

    internal bool IsEncrypted => _stream is SslStream;

    internal static async Task<WireConnection> OpenAsync(WireSettings settings, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(settings.ConnectTimeout);
        var socket = settings.IsSocket ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        WireConnection? connection = null;
        try
        {
            if (settings.IsSocket)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(FormattableString.Invariant($"{settings.Host.TrimEnd('/')}/.s.PGSQL.{settings.Port}")), limit.Token);
            }
            else
            {
                await socket.ConnectAsync(settings.Host, settings.Port, limit.Token);
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            }

            connection = new WireConnection(socket);
            if (!settings.IsSocket && settings.Ssl is not (SslMode.Disable or SslMode.Allow))
                await connection.EncryptAsync(settings, limit.Token);
            return connection;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            await CloseAsync();
            throw new TimeoutException($"The server did not answer within {settings.ConnectTimeout.TotalSeconds:0} s.");
        }
        catch
        {
            await CloseAsync();
            throw;
        }

        async ValueTask CloseAsync()
        {
            socket.Dispose();
            if (connection is not null)
                await connection.DisposeAsync();
        }
    }

    /// <summary>Sends one message; type 0 for the first, which has none.</summary>
    internal async Task SendAsync(byte type, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        var start = type == 0 ? 0 : 1;
        var message = new byte[start + sizeof(int) + body.Length];
        if (type != 0)
            message[0] = type;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(start), sizeof(int) + body.Length);
        body.CopyTo(message.AsMemory(start + sizeof(int)));
        await _stream.WriteAsync(message, cancel);
        await _stream.FlushAsync(cancel);
    }

    /// <summary>The next message; its body is valid until the next call.</summary>
    /// <exception cref="EndOfStreamException">The server closed the connection.</exception>
    internal async ValueTask<(byte Type, ReadOnlyMemory<byte> Body)> ReceiveAsync(CancellationToken cancel)
    {
        await EnsureAsync(HeaderBytes, cancel);
        var type = _buffer[_start];
        var length = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + 1)) - sizeof(int);
        if (length is < 0 or > MessageBytesMax)
            throw new InvalidDataException($"The server sent a message of {length} bytes.");
        await EnsureAsync(HeaderBytes + length, cancel);
        var body = _buffer.AsMemory(_start + HeaderBytes, length);
        _start += HeaderBytes + length;
        return (type, body);
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async ValueTask EnsureAsync(int count, CancellationToken cancel)
    {
        if (_end - _start >= count)
            return;
        if (_start + count > _buffer.Length || _start > _buffer.Length / 2)
        {
            var target = count <= _buffer.Length ? _buffer : new byte[Math.Max(count, _buffer.Length * 2)];
            _buffer.AsSpan(_start, _end - _start).CopyTo(target);
            (_buffer, _start, _end) = (target, 0, _end - _start);
        }

        while (_end - _start < count)
        {
            var got = await _stream.ReadAsync(_buffer.AsMemory(_end), cancel);
            if (got == 0)
                throw new EndOfStreamException("The server closed the connection.");
            _end += got;
        }
    }

    private async Task EncryptAsync(WireSettings settings, CancellationToken cancel)
    {
        var request = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(request, TlsRequestCode);
        await SendAsync(0, request, cancel);
        // Exactly one byte: whatever somebody on the way puts behind it must not count as sent over TLS.
        var answer = new byte[1];
        await _stream.ReadExactlyAsync(answer, cancel);
        if (answer[0] != (byte)'S')
        {
            if (settings.Ssl == SslMode.Prefer)
                return;
            throw new SourcesException(SourcesFault.ServerUnsuitable, "The server does not offer TLS, which the connection string requires.", "Switch ssl on at the server, or weaken 'SSL Mode'.");
        }

        var options = new SslClientAuthenticationOptions
        {
            TargetHost = settings.Host,
            RemoteCertificateValidationCallback = (_, certificate, _, errors) => IsTrusted(settings, certificate as X509Certificate2, errors),
            ClientCertificates = settings.ClientCertificate is { } file ? [ReadClientCertificate(file, settings.ClientKey)] : [],
        };
        var encrypted = new SslStream(_stream);
        try
        {
            await encrypted.AuthenticateAsClientAsync(options, cancel);
        }
        catch (AuthenticationException error)
        {
            throw new SourcesException(
                SourcesFault.ServerUnsuitable, $"The server's certificate is not accepted: {error.Message}", "Name the authority that signed it ('Root Certificate=FILE') and the host as the certificate does.", error);
        }

        _stream = encrypted;
        EndPointHash = HashOf(encrypted.RemoteCertificate as X509Certificate2);
    }

    /// <summary>As libpq's sslmode: require encrypts, verify-ca asks who signed, verify-full asks for the name as well.</summary>
    private static bool IsTrusted(WireSettings settings, X509Certificate2? certificate, SslPolicyErrors errors)
    {
        if (settings.Ssl is not (SslMode.VerifyCA or SslMode.VerifyFull))
            return true;
        if (certificate is null || (settings.Ssl == SslMode.VerifyFull && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)))
            return false;
        if (settings.RootCertificate is not { } roots)
            return !errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors);
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(roots);
        return chain.Build(certificate);
    }

    private static X509Certificate2 ReadClientCertificate(string file, string? key)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(file, key);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new SourcesException(SourcesFault.ServerUnsuitable, $"The client certificate {file} cannot be used.", "It must be a PEM file, with its key in 'SSL Key'.", error);
        }
    }

    /// <summary>RFC 5929, tls-server-end-point: the hash function of the certificate's signature, but nothing weaker than SHA-256.</summary>
    private static byte[]? HashOf(X509Certificate2? certificate) => certificate?.SignatureAlgorithm.Value switch
    {
        null => null,
        // sha384 and sha512, with RSA and with ECDSA.
        "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => SHA384.HashData(certificate.RawData),
        "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => SHA512.HashData(certificate.RawData),
        // md5, sha1 and sha256 with RSA; sha1 and sha256 with ECDSA.
        "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.113549.1.1.11" or "1.2.840.10045.4.1" or "1.2.840.10045.4.3.2" => SHA256.HashData(certificate.RawData),
        _ => null,
    };
}
