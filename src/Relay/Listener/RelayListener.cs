using System.Net.WebSockets;
using Microsoft.Extensions.Logging;

namespace Backup.Relay;

/// <summary>Answers one request. Called for several requests at once; an exception becomes status 500 without detail.</summary>
public delegate Task<RelayResponse> RelayHandler(RelayRequest request, CancellationToken cancel);

/// <summary>
/// Makes this process reachable through the relay without opening a port: it dials out, registers, and answers what senders
/// send. Reconnects for ever, whatever the reason; each change of reason is logged once.
/// </summary>
public sealed class RelayListener : IDisposable
{
    /// <summary>How long the relay may take to echo a goodbye.</summary>
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromSeconds(5);

    private readonly RelayListenerOptions _options;
    private readonly ILogger _logger;
    private readonly WebSocketDialer _dialer;
    private readonly RequestServer _requests;
    private readonly StreamServer _streams;
    private volatile RelayListenerStatus _status;
    private TaskCompletionSource _online = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _started;

    /// <summary>Prepares a listener; <see cref="RunAsync"/> starts it.</summary>
    public RelayListener(RelayListenerOptions options, RelayHandler handler, ILogger<RelayListener> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        _options = options;
        _logger = logger;
        _dialer = new WebSocketDialer(options.Connection);
        var rendezvous = new Rendezvous(options, _dialer);
        _requests = new RequestServer(options, handler, rendezvous, logger);
        _streams = new StreamServer(options, rendezvous, logger);
        _status = new RelayListenerStatus(RelayListenerState.Stopped, options.Connection.Clock.GetUtcNow(), null, 0);
    }

    /// <summary>Where it stands, for health reports.</summary>
    public RelayListenerStatus Status => _status;

    private TimeProvider Clock => _options.Connection.Clock;

    /// <summary>Completes the next time the listener is online, at once when it is.</summary>
    public Task WaitUntilOnlineAsync(CancellationToken cancel) => Volatile.Read(ref _online).Task.WaitAsync(cancel);

    /// <summary>Listens until cancelled, then finishes the requests in work (at most <see cref="RelayListenerOptions.DrainTimeout"/>) and returns.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        if (Interlocked.Exchange(ref _started, 1) != 0) throw new InvalidOperationException("A listener runs once.");
        var ladder = new ReconnectLadder(_options.ReconnectDelays, _options.Jitter);
        RelayFault? lastFault = null;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                var delay = ladder.Next();
                if (delay > TimeSpan.Zero)
                {
                    Become(RelayListenerState.Waiting, _status.LastFailure);
                    await WaitAsync(delay, stop).ConfigureAwait(false);
                }
                Become(RelayListenerState.Connecting, _status.LastFailure);
                var begun = Clock.GetTimestamp();
                var failure = await ListenOnceAsync(stop).ConfigureAwait(false);
                ladder.Ended(Clock.GetElapsedTime(begun));
                Become(RelayListenerState.Waiting, failure);
                RelayMeter.ConnectFailures.Add(1, new KeyValuePair<string, object?>("fault", failure.Fault.ToString()));
                if (failure.Fault != lastFault && !stop.IsCancellationRequested)
                    RelayLog.Offline(_logger, _options.Entity.Value, failure.Fault, failure.Message);
                lastFault = failure.Fault == RelayFault.ConnectionLost ? null : failure.Fault;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The wait before an attempt was cut short: the regular end.
        }
        finally
        {
            // Requests outlive the channel they came by; stopping while offline must wait for them too.
            await _requests.DrainAsync().ConfigureAwait(false);
            Become(RelayListenerState.Stopped, _status.LastFailure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _requests.Dispose();
        _dialer.Dispose();
    }

    private Task WaitAsync(TimeSpan delay, CancellationToken stop) => _options.ProbeInterval is { } interval
        ? ReachabilityProbe.WaitAsync(_options.Connection, _status.LastFailure, delay, interval, stop)
        : Task.Delay(delay, Clock, stop);

    /// <summary>One control channel from dialling to its end; says why it ended.</summary>
    private async Task<RelayException> ListenOnceAsync(CancellationToken stop)
    {
        try
        {
            var token = await _options.Connection.TokenAsync(_options.Entity, stop).ConfigureAwait(false);
            var address = _options.Connection.Endpoint.SocketAddress(_options.Entity, "", $"sb-hc-action=listen&sb-hc-id={_options.ListenerId}");
            var dial = new DialRequest(address, _options.Connection.ConnectTimeout) { Token = token.Text, PingInterval = _options.PingInterval, PongTimeout = _options.PongTimeout };
            using var channel = await _dialer.DialControlAsync(dial, stop).ConfigureAwait(false);
            RelayMeter.Connections.Add(1);
            Become(RelayListenerState.Online, null);
            RelayLog.Online(_logger, _options.Entity.Value, _options.Connection.Endpoint.ToString(), _options.ListenerId);
            var begun = Clock.GetTimestamp();
            var reason = await ServeAsync(channel, token, stop).ConfigureAwait(false);
            RelayLog.ChannelEnded(_logger, _options.Entity.Value, Clock.GetElapsedTime(begun), reason);
            return new RelayException(RelayFault.ConnectionLost, reason, "It reconnects by itself.");
        }
        catch (RelayException e)
        {
            return e;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return new RelayException(RelayFault.ConnectionLost, "The listener was stopped.", "Start it again.");
        }
    }

    private async Task<string> ServeAsync(ControlChannel channel, RelayToken token, CancellationToken stop)
    {
        using var ended = new CancellationTokenSource();
        var renewing = RenewAsync(channel, token, ended.Token);
        var receiving = ReceiveAsync(channel);
        try
        {
            var stopped = Task.Delay(Timeout.InfiniteTimeSpan, stop);
            if (await Task.WhenAny(receiving, renewing, stopped).ConfigureAwait(false) == stopped)
            {
                await _requests.DrainAsync().ConfigureAwait(false);
                await CloseAsync(channel).ConfigureAwait(false);
                using var goodbye = new CancellationTokenSource(GoodbyeTimeout, Clock);
                using var giveUp = goodbye.Token.Register(channel.Socket.Abort);
                return await receiving.ConfigureAwait(false);
            }
            // A renewal that fails ends the channel: reconnecting fetches a fresh token and says what is wrong with it.
            if (!receiving.IsCompleted) channel.Socket.Abort();
            return await receiving.ConfigureAwait(false);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Receives until the channel ends. Never waits for anything but the next message: a slow handler must not stop the others.</summary>
    private async Task<string> ReceiveAsync(ControlChannel channel)
    {
        try
        {
            while (true)
            {
                var message = await channel.ReadTextAsync(CancellationToken.None).ConfigureAwait(false);
                if (message.IsClose) return await EndOfChannelAsync(channel).ConfigureAwait(false);
                if (await DispatchAsync(channel, message).ConfigureAwait(false) is { } violation) return violation;
            }
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            return $"the connection was lost ({e.Message})";
        }
    }

    /// <summary>Hands a message on. Returns the reason when the channel can no longer be understood.</summary>
    private async Task<string?> DispatchAsync(ControlChannel channel, SocketMessage message)
    {
        if (message.IsOversize) return "the relay sent a control message that is too long";
        if (message.Type == WebSocketMessageType.Binary)
        {
            // Some peers send an empty body after saying there is none.
            if (message.Bytes.Length > 0) RelayLog.MessageIgnored(_logger, "a body without its request");
            return null;
        }
        var control = ControlText.Read(message.Bytes);
        if (control?.Accept is { } accept) _streams.Begin(accept);
        else if (control?.Request is { Method: null } invitation) _requests.BeginByRendezvous(invitation);
        else if (control?.Request is { } request)
        {
            var body = Array.Empty<byte>();
            if (request.Body == true)
            {
                var next = await SocketMessage.ReadAsync(channel.Socket, ControlText.BodyBytesMax * 4, CancellationToken.None).ConfigureAwait(false);
                if (next.IsClose) return await EndOfChannelAsync(channel).ConfigureAwait(false);
                if (next.IsOversize || next.Type != WebSocketMessageType.Binary) return "the relay sent something else where a body belongs";
                body = next.Bytes;
            }
            _requests.BeginByControl(channel, request, body);
        }
        else RelayLog.MessageIgnored(_logger, control is null ? "not readable" : "of a kind this release does not know");
        return null;
    }

    private async Task RenewAsync(ControlChannel channel, RelayToken token, CancellationToken ended)
    {
        try
        {
            while (true)
            {
                var wait = token.RenewAt - Clock.GetUtcNow();
                if (wait > TimeSpan.Zero) await Task.Delay(wait, Clock, ended).ConfigureAwait(false);
                token = await _options.Connection.TokenAsync(_options.Entity, ended).ConfigureAwait(false);
                await channel.SendAsync(ControlText.Write(new ControlMessage { RenewToken = new RenewTokenMessage { Token = token.Text } }), null, ended).ConfigureAwait(false);
                RelayMeter.Renewals.Add(1);
                RelayLog.TokenRenewed(_logger, token.ExpiresAt);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The channel ended first.
        }
    }

    private static async Task<string> EndOfChannelAsync(ControlChannel channel)
    {
        var reason = $"the relay closed it with {(int?)channel.Socket.CloseStatus}: {channel.Socket.CloseStatusDescription}";
        if (channel.Socket.State == WebSocketState.CloseReceived)
            await channel.Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None).ConfigureAwait(false);
        return reason;
    }

    /// <summary>Says goodbye; the receive loop sees the echo and ends.</summary>
    private static async Task CloseAsync(ControlChannel channel)
    {
        try
        {
            await channel.Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "stopping", CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            channel.Socket.Abort();
        }
    }

    private void Become(RelayListenerState state, RelayException? failure)
    {
        var online = (state == RelayListenerState.Online ? 1 : 0) - (_status.State == RelayListenerState.Online ? 1 : 0);
        if (online != 0) RelayMeter.Online.Add(online, new KeyValuePair<string, object?>("entity", _options.Entity.Value));
        var made = _status.ConnectionsMade + (state == RelayListenerState.Online ? 1 : 0);
        _status = new RelayListenerStatus(state, Clock.GetUtcNow(), failure, made);
        if (state == RelayListenerState.Online) Volatile.Read(ref _online).TrySetResult();
        else if (Volatile.Read(ref _online).Task.IsCompleted) Volatile.Write(ref _online, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
