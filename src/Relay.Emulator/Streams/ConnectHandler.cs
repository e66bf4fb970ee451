using System.Globalization;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Joins a sender's WebSocket to a listener's. The sender's 101 waits for the listener's decision.</summary>
internal sealed class ConnectHandler(EntityTable entities, TokenGate gate, RendezvousTable rendezvous, RelayEmulatorOptions options, ILogger logger)
{
    public async Task<Refusal?> HandleAsync(HttpContext context, RequestTarget target)
    {
        var entity = entities.Find(target);
        if ((entity?.Options.RequiresClientAuthorization ?? true)
            && gate.Check(TokenCarrier.OfSocket(context.Request, target), target, entity, RelayRights.Send).Refusal is { } refusal)
            return refusal;
        if (entity is null) return Refusal.UnknownEntity;

        var closings = entity.Closings;
        var id = $"{(target.Parameter("sb-hc-id") is { Length: > 0 and <= 128 } given ? given : Guid.NewGuid().ToString())}_G0";
        using var offer = new StreamOffer();
        using var address = rendezvous.Open("accept", id, target.Stripped, offer.ArriveAsync);
        var text = ControlText.Write(new ControlMessage { Accept = RequestDescription.OfStream(context, id, address.Text) });
        if (text.Length > ControlText.JsonBytesMax) return new Refusal(431, "The request's headers are too large to relay");
        if (await OfferAsync(context, entity, text).ConfigureAwait(false) is { } undelivered) return undelivered;
        try
        {
            var decision = await offer.Decision.WaitAsync(options.Limits.RendezvousLife, options.Clock, context.RequestAborted).ConfigureAwait(false);
            return await ConcludeAsync(context, entity, closings, decision).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return Refusal.NotAnswered;
        }
    }

    private async Task<Refusal?> OfferAsync(HttpContext context, Entity entity, byte[] text)
    {
        var filter = ListenerFilter.Parse(context.Request.Headers[ListenerFilter.AllowedHeader], context.Request.Headers[ListenerFilter.DisallowedHeader]);
        var tried = new HashSet<ListenerSession>();
        while (true)
        {
            var (listener, refusal) = entity.Pick(filter, tried, options.Choice, entities.NoListenerStatus);
            if (listener is null) return refusal;
            tried.Add(listener);
            try
            {
                await listener.SendAsync(text, null, context.RequestAborted).ConfigureAwait(false);
                return null;
            }
            catch (RelayException e)
            {
                // An offer does nothing by itself, so another listener may have it: the address is good only once.
                EmulatorLog.TransferEnded(logger, e.Message);
            }
        }
    }

    private async Task<Refusal?> ConcludeAsync(HttpContext context, Entity entity, int closings, StreamDecision decision)
    {
        if (decision.Listener is not { } listener)
        {
            context.Response.StatusCode = decision.StatusCode;
            context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = ReasonPhrase.Clean(decision.Reason);
            return null;
        }
        using var sender = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = listener.SubProtocol, KeepAliveInterval = TimeSpan.Zero }).ConfigureAwait(false);
        await entity.RunAsync(new StreamBridge(sender, listener, options.Clock), closings).ConfigureAwait(false);
        return null;
    }
}

/// <summary>What a listener decided: a socket, or a status and a reason.</summary>
internal sealed record StreamDecision(WebSocket? Listener, int StatusCode, string Reason);

/// <summary>One offer of a stream. Disposing it lets the listener's connection end.</summary>
internal sealed class StreamOffer : IDisposable
{
    private readonly TaskCompletionSource<StreamDecision> _decision = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<StreamDecision> Decision => _decision.Task;

    public async Task ArriveAsync(HttpContext context, RequestTarget target)
    {
        if (target.Parameter("sb-hc-statusCode") is { } status)
        {
            var known = int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && code is >= 100 and <= 999;
            // An interim status would leave the sender waiting: it gets the nearest thing that ends.
            _decision.TrySetResult(new StreamDecision(null, known && code >= 200 ? code : 502, target.Parameter("sb-hc-statusDescription") ?? ""));
            context.Response.StatusCode = StatusCodes.Status410Gone;
            return;
        }
        var chosen = context.WebSockets.WebSocketRequestedProtocols;
        using var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = chosen.Count > 0 ? chosen[0] : null, KeepAliveInterval = TimeSpan.Zero }).ConfigureAwait(false);
        if (_decision.TrySetResult(new StreamDecision(socket, 101, ""))) await _finished.Task.ConfigureAwait(false);
    }

    public void Dispose() => _finished.TrySetResult();
}
