using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Relay;

/// <summary>
/// Opens WebSockets. <see cref="ClientWebSocket"/> would do, but it hides the reason phrase of a refusal, which is the only
/// place where the relay says why; so the upgrade is made here and the framing left to the framework.
/// </summary>
internal sealed class WebSocketDialer(RelayConnection connection) : IDisposable
{
    public const string TokenHeader = "ServiceBusAuthorization";

    private readonly HttpMessageInvoker _http = new(connection.NewHandler());

    public async Task<ControlChannel> DialControlAsync(DialRequest request, CancellationToken cancel)
    {
        var (socket, stream) = await ConnectAsync(request, cancel).ConfigureAwait(false);
        return new ControlChannel(socket, stream);
    }

    public async Task<WebSocket> DialAsync(DialRequest request, CancellationToken cancel) => (await ConnectAsync(request, cancel).ConfigureAwait(false)).Socket;

    public void Dispose() => _http.Dispose();

    private async Task<(WebSocket Socket, GatheringStream Stream)> ConnectAsync(DialRequest request, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(request.Timeout, connection.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        try
        {
            return await UpgradeAsync(request, linked.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new RelayException(RelayFault.TimedOut, $"The relay at {connection.Endpoint.Authority} did not answer a handshake in {request.Timeout.TotalSeconds:0} s.", "Check the network and the relay.");
        }
        catch (HttpRequestException e)
        {
            throw new RelayException(RelayFault.Unreachable, $"The relay at {request.Address.Authority} cannot be reached: {e.GetBaseException().Message}", "Check name resolution, the firewall (outbound TLS), which certificate is trusted, and this machine's clock.", e);
        }
        catch (IOException e)
        {
            throw new RelayException(RelayFault.ConnectionLost, $"The relay at {request.Address.Authority} dropped a handshake.", "Check the network and the relay.", e);
        }
    }

    private async Task<(WebSocket Socket, GatheringStream Stream)> UpgradeAsync(DialRequest request, CancellationToken cancel)
    {
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));
        using var message = new HttpRequestMessage(HttpMethod.Get, request.Address)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        Add(message, "Connection", "Upgrade");
        Add(message, "Upgrade", "websocket");
        Add(message, "Sec-WebSocket-Version", "13");
        Add(message, "Sec-WebSocket-Key", key);
        if (request.SubProtocols.Count > 0) Add(message, "Sec-WebSocket-Protocol", string.Join(", ", request.SubProtocols));
        if (request.Token is not null) Add(message, TokenHeader, request.Token);
        foreach (var (name, value) in request.Headers) Add(message, name, value);

        var response = await _http.SendAsync(message, cancel).ConfigureAwait(false);
        try
        {
            if (response.StatusCode != HttpStatusCode.SwitchingProtocols) throw HandshakeRefusal.ToException(response);
            if (Single(response, "Sec-WebSocket-Accept") != AcceptFor(key))
                throw new RelayException(RelayFault.ProtocolViolation, "The relay's handshake answer does not belong to the request.", "Something between this machine and the relay interferes.");
            var stream = new GatheringStream(await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false));
            var socket = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions
            {
                IsServer = false,
                SubProtocol = Single(response, "Sec-WebSocket-Protocol"),
                KeepAliveInterval = request.PingInterval,
                KeepAliveTimeout = request.PongTimeout,
            });
            return (socket, stream);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private static void Add(HttpRequestMessage message, string name, string value)
    {
        if (!message.Headers.TryAddWithoutValidation(name, value))
            throw new ArgumentException($"'{name}' is not a header that can be sent.", nameof(message));
    }

    private static string? Single(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;

    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 fixes SHA-1 here; it proves that the peer speaks WebSocket, not who it is.")]
    private static string AcceptFor(string key) =>
        Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

/// <summary>One WebSocket to open.</summary>
internal sealed record DialRequest(Uri Address, TimeSpan Timeout)
{
    public string? Token { get; init; }

    public IReadOnlyList<string> SubProtocols { get; init; } = [];

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Whoever is behind a NAT must be heard often enough to keep the mapping.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After which a peer that does not answer pings is given up. Transfers demand no pongs: a peer held up by a slow sender does not read, and so cannot answer.</summary>
    public TimeSpan PongTimeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;
}

/// <summary>What a refused handshake means.</summary>
internal static class HandshakeRefusal
{
    public static RelayException ToException(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        var (fault, hint) = Meaning(status);
        return new RelayException(fault, $"The relay refused with {status}: {response.ReasonPhrase}", hint) { StatusCode = status };
    }

    public static (RelayFault Fault, string Hint) Meaning(int status) => status switch
    {
        401 => (RelayFault.Unauthorized, "Check the rule's name and key, and this machine's clock."),
        403 => (RelayFault.Forbidden, "The rule lacks the right, the address was used before, or 25 listeners are connected."),
        404 => (RelayFault.NotFound, "Create the hybrid connection, or correct its path; for a sender: start the listener."),
        408 or 504 => (RelayFault.TimedOut, "The listener did not answer in time."),
        >= 500 => (RelayFault.ServiceFault, "The relay has a fault of its own; it will be tried again."),
        _ => (RelayFault.Rejected, "The listener or the relay does not take this."),
    };
}
