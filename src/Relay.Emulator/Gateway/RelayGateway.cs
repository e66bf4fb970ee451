using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>One namespace: every request for it enters here and goes to the one handler it is for.</summary>
internal sealed class RelayGateway
{
    private readonly RelayEmulatorOptions _options;
    private readonly ILogger _logger;
    private readonly TokenGate _gate;
    private readonly ListenHandler _listen;
    private readonly ConnectHandler _connect;
    private readonly HttpForwarder _forwarder;
    private readonly ManagementRead _management;

    public RelayGateway(RelayEmulatorOptions options, Func<string> authority, ILogger logger)
    {
        _options = options;
        _logger = logger;
        Entities = new EntityTable(options);
        Rendezvous = new RendezvousTable(options, authority);
        _gate = new TokenGate(options);
        _listen = new ListenHandler(Entities, _gate, options, logger);
        _connect = new ConnectHandler(Entities, _gate, Rendezvous, options, logger);
        _forwarder = new HttpForwarder(Entities, _gate, Rendezvous, options, logger);
        _management = new ManagementRead(Entities, _gate, options);
    }

    public EntityTable Entities { get; }

    public RendezvousTable Rendezvous { get; }

    /// <summary>Takes over changed rules and entities. What is connected to an entity that is gone is closed with 1001.</summary>
    public Task ReloadAsync(RelayEmulatorOptions changed)
    {
        _gate.Use(changed);
        return Task.WhenAll(Entities.Update(changed).Select(entity => entity.RemoveAsync()));
    }

    /// <summary>The namespace is deleted.</summary>
    public Task RemoveAsync() => Task.WhenAll(Entities.All.Select(entity => entity.RemoveAsync()));

    /// <summary>Closes everything that is connected with 1001.</summary>
    public Task CloseAllAsync(string sentence) => Task.WhenAll(Entities.All.Select(entity => entity.CloseAllAsync(sentence)));

    public async Task HandleAsync(HttpContext context)
    {
        var target = RequestTarget.Parse(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        try
        {
            if (await RouteAsync(context, target).ConfigureAwait(false) is { } refusal)
            {
                EmulatorLog.Refused(_logger, context.Request.Method, ReasonPhrase.Clean(target.Path), refusal.StatusCode, refusal.Sentence);
                await refusal.WriteAsync(context, _options.Host, target.Path, _options.Clock).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The caller left, or its connection broke: there is nobody to tell, but a half-sent answer must not look whole.
            EmulatorLog.TransferEnded(_logger, e.Message);
            context.Abort();
        }
        catch (BadHttpRequestException e)
        {
            await new Refusal(e.StatusCode, "InvalidRequest: The request is malformed").WriteAsync(context, _options.Host, target.Path, _options.Clock).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            EmulatorLog.TransferEnded(_logger, e.Message);
            await Refusal.BadRequest("InvalidRequest: The request's body ended early or paused for too long").WriteAsync(context, _options.Host, target.Path, _options.Clock).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            EmulatorLog.Failed(_logger, e);
            await new Refusal(500, "The service has an internal error").WriteAsync(context, _options.Host, target.Path, _options.Clock).ConfigureAwait(false);
        }
    }

    private Task<Refusal?> RouteAsync(HttpContext context, RequestTarget target)
    {
        if (!target.IsSocket) return RouteHttpAsync(context, target);
        if (!context.WebSockets.IsWebSocketRequest) return Refuse("InvalidRequest: A WebSocket handshake is expected here");
        return (target.Parameter("sb-hc-action") ?? "connect").ToLowerInvariant() switch
        {
            "listen" => _listen.HandleAsync(context, target),
            "connect" => _connect.HandleAsync(context, target),
            "accept" => ArriveAsync(context, target, "accept"),
            "request" => ArriveAsync(context, target, "request"),
            _ => Refuse("InvalidAction: The value of sb-hc-action is not known"),
        };
    }

    private async Task<Refusal?> RouteHttpAsync(HttpContext context, RequestTarget target)
    {
        // Only a WebSocket needs its upgrade; any other one is an offer that may be passed over, and goes with the connection's headers.
        if (HttpMethods.IsConnect(context.Request.Method) || context.WebSockets.IsWebSocketRequest)
            return Refusal.BadRequest("InvalidRequest: Tunnels and WebSockets are not relayed here");
        if (target.Segments.Count == 0) return Refusal.BadRequest("InvalidRequest: The address names no endpoint");
        if (!ManagementRead.IsMeant(context.Request)) return await _forwarder.HandleAsync(context, target).ConfigureAwait(false);
        await _management.HandleAsync(context, target).ConfigureAwait(false);
        return null;
    }

    private async Task<Refusal?> ArriveAsync(HttpContext context, RequestTarget target, string action)
    {
        if (action == "request" && target.Parameter("sb-hc-id") is null) return Refusal.BadRequest("InvalidAddress: The rendezvous address is malformed");
        if (Rendezvous.Take(action, target) is not { } arrival) return new Refusal(403, "InvalidAddress: The rendezvous address is unknown, was used before, or is too old");
        await arrival(context, target).ConfigureAwait(false);
        return null;
    }

    private static Task<Refusal?> Refuse(string sentence) => Task.FromResult<Refusal?>(Refusal.BadRequest(sentence));
}
