using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Carries a sender's HTTP request to a listener and the answer back.</summary>
/// <remarks>(1) find and authorize (2) describe (3) dispatch to one listener (4) wait for its reply (5) deliver</remarks>
internal sealed class HttpForwarder(EntityTable entities, TokenGate gate, RendezvousTable rendezvous, RelayEmulatorOptions options, ILogger logger)
{
    /// <summary>"Comfortably under" the 64 KiB at which the .NET listener stops working: larger descriptions go by rendezvous.</summary>
    private const int ControlJsonBytes = 48 * 1024;

    private readonly ConcurrentDictionary<string, bool> _idsInUse = new(StringComparer.Ordinal);

    public async Task<Refusal?> HandleAsync(HttpContext context, RequestTarget target)
    {
        var entity = entities.Find(target);                                                               // (1)
        var isRequired = entity?.Options.RequiresClientAuthorization ?? true;
        var (token, consumesAuthorization) = TokenCarrier.OfHttp(context.Request, target, isRequired);
        if (isRequired && gate.Check(token, target, entity, RelayRights.Send).Refusal is { } refusal) return refusal;
        if (entity is null) return Refusal.UnknownEntity;

        using var pending = NewPending(target);
        using var address = rendezvous.Open("request", pending.Id, target.Stripped, (arrived, _) => pending.ArriveAsync(arrived));
        var upload = new RequestUpload(context, options);
        var request = RequestDescription.Of(context, target, pending.Id, address.Text, options.Host, consumesAuthorization, upload.HasBody);    // (2)
        var text = ControlText.Write(new ControlMessage { Request = request });
        var byControl = upload.FitsControl && text.Length <= ControlJsonBytes;
        var body = byControl && upload.HasBody ? await upload.ReadAllAsync().ConfigureAwait(false) : default(ReadOnlyMemory<byte>?);
        var invitation = byControl ? text : ControlText.Write(new ControlMessage { Request = new RequestMessage { Address = address.Text } });

        var (listener, undelivered) = await DispatchAsync(context, entity, pending, invitation, body).ConfigureAwait(false);                    // (3)
        if (listener is null) return undelivered;
        try
        {
            var exchange = new RequestExchange(context, options, logger);
            return await WaitAsync(context, pending, byControl ? options.Limits.AnswerTimeout : options.Limits.RendezvousLife).ConfigureAwait(false) switch        // (4)
            {
                ListenerReply.ByControl(var response, var content) => await exchange.DeliverAsync(response, content).ConfigureAwait(false),    // (5)
                ListenerReply.ByRendezvous(var socket) => await exchange.DeliverAsync(socket, byControl ? null : text, upload).ConfigureAwait(false),
                _ => Refusal.NotAnswered,
            };
        }
        finally
        {
            listener.Forget(pending);
        }
    }

    /// <summary>
    /// A request under the id its sender chose, so that both sides' logs agree; under another one when that id is in use, or a
    /// sender could take the answer to somebody else's request.
    /// </summary>
    private PendingRequest NewPending(RequestTarget target)
    {
        var given = target.Parameter("sb-hc-id") is { Length: > 0 and <= 128 } text ? text : Guid.NewGuid().ToString();
        while (true)
        {
            var id = $"{given}_G0";
            if (_idsInUse.TryAdd(id, true)) return new PendingRequest(id, () => _idsInUse.TryRemove(id, out _));
            given = Guid.NewGuid().ToString();
        }
    }

    /// <summary>Hands the request to one listener; to another one when the first is lost before anything was sent.</summary>
    private async Task<(ListenerSession? Listener, Refusal? Refusal)> DispatchAsync(HttpContext context, Entity entity, PendingRequest pending, byte[] text, ReadOnlyMemory<byte>? body)
    {
        var filter = ListenerFilter.Parse(context.Request.Headers[ListenerFilter.AllowedHeader], context.Request.Headers[ListenerFilter.DisallowedHeader]);
        var tried = new HashSet<ListenerSession>();
        while (true)
        {
            var (listener, refusal) = entity.Pick(filter, tried, options.Choice, entities.NoListenerStatus);
            if (listener is null) return (null, refusal);
            tried.Add(listener);
            if (!listener.TryExpect(pending)) continue;
            try
            {
                await listener.SendAsync(text, body, context.RequestAborted).ConfigureAwait(false);
                return (listener, null);
            }
            catch (RelayException)
            {
                // Some of it may have arrived: sending it to somebody else could have it done twice.
                listener.Forget(pending);
                return (null, Refusal.NotAnswered);
            }
            catch (OperationCanceledException)
            {
                listener.Forget(pending);
                throw;
            }
        }
    }

    private async Task<ListenerReply> WaitAsync(HttpContext context, PendingRequest pending, TimeSpan patience)
    {
        try
        {
            return await pending.Reply.WaitAsync(patience, options.Clock, context.RequestAborted).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The first reply counts: one that came at this very moment is taken, any later one finds the place taken.
            pending.ListenerLost();
            return await pending.Reply.ConfigureAwait(false);
        }
    }
}
