using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>What came of a dispatched request, before it reaches its sender.</summary>
internal abstract record ListenerReply
{
    /// <summary>The whole answer, over the control channel.</summary>
    public sealed record ByControl(ResponseMessage Response, byte[] Body) : ListenerReply;

    /// <summary>The listener dialled the rendezvous: the exchange goes on there.</summary>
    public sealed record ByRendezvous(WebSocket Socket) : ListenerReply;

    /// <summary>The listener left after it was handed the request.</summary>
    public sealed record Lost : ListenerReply;
}

/// <summary>A request whose listener has not answered. The first reply counts; later ones are dropped.</summary>
internal sealed class PendingRequest(string id, Action release) : IDisposable
{
    private readonly TaskCompletionSource<ListenerReply> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Id => id;

    public Task<ListenerReply> Reply => _reply.Task;

    public void Answered(ResponseMessage response, byte[] body) => _reply.TrySetResult(new ListenerReply.ByControl(response, body));

    public void ListenerLost() => _reply.TrySetResult(new ListenerReply.Lost());

    /// <summary>The listener's connection to the rendezvous; returns when it may end.</summary>
    public async Task ArriveAsync(HttpContext context)
    {
        // No pongs are demanded here: a listener that waits for a slow sender does not read, and so does not answer pings.
        using var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { KeepAliveInterval = TimeSpan.Zero }).ConfigureAwait(false);
        if (!_reply.TrySetResult(new ListenerReply.ByRendezvous(socket))) return;
        await _finished.Task.ConfigureAwait(false);
    }

    /// <summary>Lets the rendezvous connection end and the id be used again.</summary>
    public void Dispose()
    {
        _finished.TrySetResult();
        release();
    }
}
