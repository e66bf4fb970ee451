using System.Net.WebSockets;
using Microsoft.Extensions.Logging;

namespace Backup.Relay;

/// <summary>Answers requests, by control channel or by rendezvous, and keeps count of those in work.</summary>
internal sealed class RequestServer(RelayListenerOptions options, RelayHandler handler, Rendezvous rendezvous, ILogger logger) : IDisposable
{
    private bool _disposed;
    private readonly CancellationTokenSource _abandoned = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource? _idle;
    private int _inWork;
    private bool _draining;

    public void BeginByControl(ControlChannel channel, RequestMessage request, byte[] body) =>
        Begin(
            () => ServeControlAsync(channel, request, body),
            () => SendAsync(channel, request, RelayResponse.Empty(503)));

    // Over the limit an invitation is not taken up: the sender hears 504 when the address expires. Dialling to refuse would
    // cost as much as serving.
    public void BeginByRendezvous(RequestMessage invitation) => Begin(() => ServeRendezvousAsync(invitation.Address), null);

    /// <summary>Takes no more requests, waits for those in work, then cancels what is left.</summary>
    public async Task DrainAsync()
    {
        Task idle;
        lock (_gate)
        {
            _draining = true;
            _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_inWork == 0) _idle.SetResult();
            idle = _idle.Task;
        }
        try
        {
            await idle.WaitAsync(options.DrainTimeout, options.Connection.Clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await _abandoned.CancelAsync().ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        // A container disposes a singleton that is also a hosted service twice.
        if (Interlocked.Exchange(ref _disposed, true)) return;
        _abandoned.Cancel();
        _abandoned.Dispose();
    }

    private void Begin(Func<Task> serve, Func<Task>? refuse)
    {
        bool accepted, overwhelmed;
        lock (_gate)
        {
            accepted = !_draining && _inWork < options.ConcurrentRequestsMax;
            // Refusals cost a task too: a flood beyond four times the limit is dropped, and its senders time out.
            overwhelmed = !accepted && _inWork >= options.ConcurrentRequestsMax * 4;
            if (!overwhelmed) _inWork++;
        }
        if (!accepted)
        {
            RelayLog.Busy(logger);
            RelayMeter.RequestsRefused.Add(1);
        }
        if (overwhelmed) return;
        _ = RunAsync(accepted ? serve : refuse ?? (() => Task.CompletedTask));
    }

    private async Task RunAsync(Func<Task> serve)
    {
        // Yield first: the receive loop must not run the application's code.
        await Task.Yield();
        try
        {
            await serve().ConfigureAwait(false);
        }
        catch (RelayException e)
        {
            RelayLog.ResponseLost(logger, e.Message);
        }
        catch (Exception e) when (ControlChannel.IsLoss(e))
        {
            RelayLog.ResponseLost(logger, e.Message);
        }
        finally
        {
            lock (_gate)
            {
                if (--_inWork == 0) _idle?.TrySetResult();
            }
        }
    }

    private async Task ServeControlAsync(ControlChannel channel, RequestMessage message, byte[] body)
    {
        using var content = new MemoryStream(body, writable: false);
        await SendAsync(channel, message, await AnswerAsync(message, content).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private async Task SendAsync(ControlChannel channel, RequestMessage request, RelayResponse response)
    {
        var prefix = await ResponseBody.StartAsync(response, _abandoned.Token).ConfigureAwait(false);
        await using var _ = prefix.ConfigureAwait(false);
        var text = ControlText.Write(prefix.Message(request.Id));
        if (prefix.FitsControl && text.Length <= ControlText.JsonBytesMax)
        {
            // The cast keeps null null: without it an empty body would be sent where none was announced.
            await channel.SendAsync(text, prefix.HasBody ? prefix.Start : (ReadOnlyMemory<byte>?)null, _abandoned.Token).ConfigureAwait(false);
            return;
        }
        using var socket = await rendezvous.DialAsync(request.Address, null, _abandoned.Token).ConfigureAwait(false);
        await SendAsync(socket, text, prefix).ConfigureAwait(false);
        // The relay closes once the response is delivered, or asks again here.
        await ServeSocketAsync(socket).ConfigureAwait(false);
    }

    private async Task ServeRendezvousAsync(string? address)
    {
        using var socket = await rendezvous.DialAsync(address, null, _abandoned.Token).ConfigureAwait(false);
        await ServeSocketAsync(socket).ConfigureAwait(false);
    }

    /// <summary>Serves the requests of one rendezvous until the relay closes it.</summary>
    private async Task ServeSocketAsync(WebSocket socket)
    {
        while (true)
        {
            var message = await SocketMessage.ReadAsync(socket, ControlText.JsonBytesReadMax, _abandoned.Token).ConfigureAwait(false);
            if (message.IsClose)
            {
                await Rendezvous.CloseAsync(socket, _abandoned.Token).ConfigureAwait(false);
                return;
            }
            if (message is { Type: WebSocketMessageType.Binary, Bytes.Length: 0, IsOversize: false }) continue;
            if (ControlText.Read(message.Bytes)?.Request is not { Method: not null } request)
                throw new RelayException(RelayFault.ProtocolViolation, "A rendezvous began with something that is no request.", "Report this with the relay's name.");
            using var body = request.Body == true ? new MessageBody(socket, options.BodyIdleTimeout, options.Connection.Clock) : null;
            var prefix = await ResponseBody.StartAsync(await AnswerAsync(request, body ?? Stream.Null).ConfigureAwait(false), _abandoned.Token).ConfigureAwait(false);
            await using var _ = prefix.ConfigureAwait(false);
            await SendAsync(socket, ControlText.Write(prefix.Message(request.Id)), prefix).ConfigureAwait(false);
            if (body is { IsComplete: false }) await body.DrainAsync(_abandoned.Token).ConfigureAwait(false);
        }
    }

    private async Task SendAsync(WebSocket socket, byte[] text, ResponseBody body)
    {
        await socket.SendAsync(text, WebSocketMessageType.Text, endOfMessage: true, _abandoned.Token).ConfigureAwait(false);
        if (!body.HasBody) return;
        var rest = body.Whole();
        await using var _ = rest.ConfigureAwait(false);
        await MessageBodySender.SendAsync(socket, rest, _abandoned.Token).ConfigureAwait(false);
    }

    private async Task<RelayResponse> AnswerAsync(RequestMessage message, Stream body)
    {
        var request = new RelayRequest(message.Method!, RelayTarget.Parse(message.RequestTarget ?? "", options.Entity), message.RequestHeaders ?? [], body);
        using var deadline = new CancellationTokenSource(options.AnswerTimeout, options.Connection.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _abandoned.Token);
        RelayResponse response;
        var begun = options.Connection.Clock.GetTimestamp();
        RelayMeter.RequestsInWork.Add(1);
        try
        {
            response = await handler(request, linked.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever the handler threw, the sender learns only that it failed: exception texts are not for strangers.
            RelayLog.HandlerFailed(logger, e);
            response = RelayResponse.Empty(500);
        }
        finally
        {
            RelayMeter.RequestsInWork.Add(-1);
        }
        RelayMeter.RequestDuration.Record(options.Connection.Clock.GetElapsedTime(begun).TotalSeconds);
        RelayMeter.Requests.Add(1, new KeyValuePair<string, object?>("status", response.StatusCode));
        return response;
    }
}
