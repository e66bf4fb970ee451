using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>Sends HTTP requests and opens streams to listeners, through the relay. Safe to use from several threads; keep one.</summary>
public sealed class RelaySender : IDisposable
{
    /// <summary>How long a stream may take to open: the relay gives the listener 30 s, and the official client waits 70.</summary>
    private static readonly TimeSpan StreamTimeout = TimeSpan.FromSeconds(70);

    private readonly RelayConnection _connection;
    private readonly HttpMessageInvoker _http;
    private readonly WebSocketDialer _dialer;

    /// <summary>A sender for one namespace.</summary>
    /// <param name="connection">How to reach it; its tokens need the right Send.</param>
    public RelaySender(RelayConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _http = new HttpMessageInvoker(connection.NewHandler());
        _dialer = new WebSocketDialer(connection);
    }

    /// <summary>Calls a listener and reads its whole answer. What the relay and the network do is in the reply, never thrown.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled: the listener may have acted.</exception>
    public async Task<RelayReply> SendAsync(EntityPath entity, RelayCall call, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(call);
        var begun = _connection.Clock.GetTimestamp();
        var reply = await CallAsync(entity, call, cancel).ConfigureAwait(false);
        RelayMeter.CallDuration.Record(_connection.Clock.GetElapsedTime(begun).TotalSeconds);
        RelayMeter.Calls.Add(1, new KeyValuePair<string, object?>("outcome", reply switch { RelayReply.Answered => "answered", RelayReply.NotDelivered => "not_delivered", _ => "unknown" }));
        return reply;
    }

    /// <summary>Opens a WebSocket stream to a listener.</summary>
    /// <exception cref="RelayException">It was refused or cannot be reached.</exception>
    public async Task<WebSocket> OpenStreamAsync(EntityPath entity, RelayStreamCall call, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(call);
        var token = await _connection.TokenAsync(entity, cancel).ConfigureAwait(false);
        var address = _connection.Endpoint.SocketAddress(entity, call.Suffix, $"{(call.Query.Length > 0 ? call.Query + "&" : "")}sb-hc-action=connect&sb-hc-id={Guid.NewGuid()}");
        return await _dialer.DialAsync(new DialRequest(address, StreamTimeout) { Token = token.Text, SubProtocols = call.SubProtocols, Headers = call.Headers }, cancel).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _dialer.Dispose();
    }

    private async Task<RelayReply> CallAsync(EntityPath entity, RelayCall call, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(call.Timeout, _connection.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        try
        {
            using var message = await MessageAsync(entity, call, linked.Token).ConfigureAwait(false);
            using var response = await _http.SendAsync(message, linked.Token).ConfigureAwait(false);
            return ReplyRule.IsFromListener(response)
                ? await ReadAsync(response, call.AnswerBytesMax, linked.Token).ConfigureAwait(false)
                : ReplyRule.FromRelay((int)response.StatusCode, response.ReasonPhrase);
        }
        catch (RelayException e) when (e.Fault is RelayFault.Unauthorized or RelayFault.NoToken)
        {
            return new RelayReply.NotDelivered(e);
        }
        catch (RelayException e)
        {
            return new RelayReply.OutcomeUnknown(e);
        }
        catch (HttpRequestException e)
        {
            return ReplyRule.FromNetwork(_connection.Endpoint, e);
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            var (fault, what) = e is IOException ? (RelayFault.ConnectionLost, "The connection ended before the answer did.") : (RelayFault.TimedOut, "No answer came in time.");
            return new RelayReply.OutcomeUnknown(new RelayException(fault, what, "Ask again with the same order id.", e));
        }
    }


    private async Task<HttpRequestMessage> MessageAsync(EntityPath entity, RelayCall call, CancellationToken cancel)
    {
        var token = await _connection.TokenAsync(entity, cancel).ConfigureAwait(false);
        var message = new HttpRequestMessage(call.Method, _connection.Endpoint.HttpAddress(entity, call.Suffix))
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        // A header and not the query: addresses end up in logs.
        message.Headers.TryAddWithoutValidation(WebSocketDialer.TokenHeader, token.Text);
        foreach (var (name, value) in call.Headers)
            if (!message.Headers.TryAddWithoutValidation(name, value)) throw new ArgumentException($"'{name}' is not a request header that can be sent.", nameof(call));
        // Content even when it is empty: the handler silently repeats a request without content whose connection was lost, and a
        // repetition that then cannot connect would look like one that was never delivered.
        if (call.Body.Length > 0 || (call.Method != HttpMethod.Get && call.Method != HttpMethod.Head))
            message.Content = new ReadOnlyMemoryContent(call.Body);
        if (call.Body.Length > 0) message.Content!.Headers.ContentType = MediaTypeHeaderValue.Parse(call.ContentType);
        return message;
    }

    private static async Task<RelayReply> ReadAsync(HttpResponseMessage response, int bytesMax, CancellationToken cancel)
    {
        var stream = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0)
        {
            if (body.Length + read > bytesMax)
                throw new RelayException(RelayFault.TooLarge, $"The listener's answer is longer than {bytesMax} bytes.", "Ask for less.");
            body.Write(buffer, 0, read);
        }
        return new RelayReply.Answered((int)response.StatusCode, response.ReasonPhrase ?? "", body.ToArray(), response.Content.Headers.ContentType?.ToString());
    }
}
