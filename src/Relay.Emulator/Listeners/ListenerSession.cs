using System.Collections.Concurrent;
using System.Net.WebSockets;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>One registered listener: its control channel and the requests it has not answered yet.</summary>
internal sealed class ListenerSession(string id, Entity entity, DateTimeOffset tokenExpiresAt, TokenGate gate, RequestTarget target, RelayEmulatorOptions options, ILogger logger) : IDisposable
{
    private readonly TaskCompletionSource<ControlChannel> _channel = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, PendingRequest> _pending = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _expiry = new(Timeout.InfiniteTimeSpan, options.Clock);
    private volatile bool _isLost;

    public string Id => id;

    /// <summary>Sends a message with its body.</summary>
    /// <exception cref="RelayException">The channel is lost.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> text, ReadOnlyMemory<byte>? body, CancellationToken cancel)
    {
        var channel = await _channel.Task.WaitAsync(cancel).ConfigureAwait(false);
        await channel.SendAsync(text, body, cancel).ConfigureAwait(false);
    }

    /// <summary>Expects an answer. False when the listener is already gone.</summary>
    public bool TryExpect(PendingRequest request)
    {
        _pending[request.Id] = request;
        // Looked at after adding: a loss in between has either seen the entry or is seen here.
        if (!_isLost) return true;
        _pending.TryRemove(request.Id, out _);
        return false;
    }

    public void Forget(PendingRequest request) => _pending.TryRemove(new KeyValuePair<string, PendingRequest>(request.Id, request));

    /// <summary>
    /// Upgrades, then receives until the channel ends; then every request the listener still owes is failed. The session is in
    /// its entity before the upgrade: a listener that sees the 101 is registered, so senders must find it.
    /// </summary>
    public async Task<string> RunAsync(Func<Task<ControlChannel>> upgrade)
    {
        using var onExpiry = _expiry.Token.Register(() => _ = CloseAsync(WebSocketCloseStatus.PolicyViolation, "ExpiredToken: The listener's token is expired"));
        SetExpiry(tokenExpiresAt);
        try
        {
            using var channel = await upgrade().ConfigureAwait(false);
            _channel.SetResult(channel);
            return await ReceiveAsync(channel).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            return $"connection lost ({e.Message})";
        }
        finally
        {
            _isLost = true;
            entity.Remove(this);
            _channel.TrySetException(new RelayException(RelayFault.ConnectionLost, "The listener left during its handshake.", "It reconnects by itself."));
            // Looked at here, because nobody else need be waiting for it.
            _ = _channel.Task.Exception;
            foreach (var request in _pending.Values) request.ListenerLost();
            _pending.Clear();
        }
    }

    /// <summary>Closes with a code and a text that carries a tracking id.</summary>
    public async Task CloseAsync(WebSocketCloseStatus status, string sentence)
    {
        WebSocket? socket = null;
        try
        {
            // It is registered before its upgrade is through: that is waited for, else nobody would ever close it.
            socket = (await _channel.Task.ConfigureAwait(false)).Socket;
            await socket.CloseOutputAsync(status, ReasonPhrase.ForClose(sentence), CancellationToken.None).ConfigureAwait(false);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5), options.Clock);
            // A listener that does not echo is cut off; a receive loop that sees the echo ends by itself.
            using var onPatience = patience.Token.Register(socket.Abort);
            await _left.Task.WaitAsync(TimeSpan.FromSeconds(6), options.Clock).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e) || e is TimeoutException)
        {
            socket?.Abort();
        }
    }

    public void Dispose()
    {
        _left.TrySetResult();
        _expiry.Dispose();
    }

    private async Task<string> ReceiveAsync(ControlChannel channel)
    {
        var socket = channel.Socket;
        while (true)
        {
            var message = await channel.ReadTextAsync(CancellationToken.None).ConfigureAwait(false);
            if (message.IsClose) return await EchoCloseAsync(socket).ConfigureAwait(false);
            if (message.IsOversize)
            {
                // As the real service does: the answer is dropped and its sender hears 504.
                EmulatorLog.Dropped(logger, ReasonPhrase.Clean(id), "a control message that is too long");
                continue;
            }
            // Node sends an empty body after saying there is none.
            if (message.Type == WebSocketMessageType.Binary) continue;
            var control = ControlText.Read(message.Bytes);
            if (control?.RenewToken is { } renewal)
            {
                // Not awaited: closing waits for the echo, which this loop must read.
                if (!TryRenew(renewal)) _ = CloseAsync(WebSocketCloseStatus.PolicyViolation, "InvalidToken: The renewed token was refused");
            }
            else if (control?.Response is { } response)
            {
                if (!await TakeAnswerAsync(socket, response).ConfigureAwait(false)) return await EchoCloseAsync(socket).ConfigureAwait(false);
            }
            else EmulatorLog.Dropped(logger, ReasonPhrase.Clean(id), "a message of a kind that is not known");
        }
    }

    /// <summary>Hands an answer to its request. Unknown and late ones are dropped silently. False when the listener closed instead of sending a body.</summary>
    private async Task<bool> TakeAnswerAsync(WebSocket socket, ResponseMessage response)
    {
        var body = Array.Empty<byte>();
        if (response.Body == true)
        {
            var next = await SocketMessage.ReadAsync(socket, ControlText.BodyBytesMax, CancellationToken.None).ConfigureAwait(false);
            if (next.IsClose) return false;
            if (next.IsOversize || next.Type != WebSocketMessageType.Binary)
            {
                EmulatorLog.Dropped(logger, ReasonPhrase.Clean(id), "an answer whose body is too long or not binary");
                return true;
            }
            body = next.Bytes;
        }
        if (response.RequestId is { } requestId && _pending.TryRemove(requestId, out var request)) request.Answered(response, body);
        return true;
    }

    private bool TryRenew(RenewTokenMessage renewal)
    {
        var (refusal, expiresAt) = gate.Check(renewal.Token, target, entity, RelayRights.Listen);
        if (refusal is not null) return false;
        SetExpiry(expiresAt);
        EmulatorLog.TokenRenewed(logger, ReasonPhrase.Clean(id));
        return true;
    }

    private void SetExpiry(DateTimeOffset expiresAt)
    {
        var wait = expiresAt - options.Clock.GetUtcNow() + options.Limits.TokenGrace;
        // Timers end at 49 days; a token that lives longer is looked at no more than once, which is what a restart is for.
        _expiry.CancelAfter(wait < TimeSpan.FromDays(49) ? wait : Timeout.InfiniteTimeSpan);
    }

    private static async Task<string> EchoCloseAsync(WebSocket socket)
    {
        if (socket.State == WebSocketState.CloseReceived)
            await socket.CloseOutputAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, CancellationToken.None).ConfigureAwait(false);
        return $"closed with {(int?)socket.CloseStatus}";
    }
}
