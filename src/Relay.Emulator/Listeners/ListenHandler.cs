using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Registers listeners.</summary>
internal sealed class ListenHandler(EntityTable entities, TokenGate gate, RelayEmulatorOptions options, ILogger logger)
{
    /// <summary>A listener that was unplugged must leave the pool, or it would swallow its share of requests.</summary>
    private static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PongTimeout = TimeSpan.FromSeconds(60);

    public async Task<Refusal?> HandleAsync(HttpContext context, RequestTarget target)
    {
        var entity = entities.Find(target);
        var (refusal, expiresAt) = gate.Check(TokenCarrier.OfSocket(context.Request, target), target, entity, RelayRights.Listen);
        if (refusal is not null) return refusal;
        if (entity is null) return Refusal.UnknownEntity;
        var id = target.Parameter("sb-hc-id") is { Length: > 0 and <= 128 } given ? given : Guid.NewGuid().ToString();
        using var session = new ListenerSession(id, entity, expiresAt, gate, target, options, logger);
        if (entity.Add(session, options.Limits.ListenersMax) is { } full) return full;
        EmulatorLog.ListenerRegistered(logger, ReasonPhrase.Clean(id), entity.Path.Value);
        var reason = await session.RunAsync(() => UpgradeAsync(context)).ConfigureAwait(false);
        EmulatorLog.ListenerLeft(logger, ReasonPhrase.Clean(id), entity.Path.Value, reason);
        return null;
    }

    private static async Task<ControlChannel> UpgradeAsync(HttpContext context)
    {
        var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { KeepAliveInterval = PingInterval, KeepAliveTimeout = PongTimeout }).ConfigureAwait(false);
        return new ControlChannel(socket, GatheringUpgrade.StreamOf(context));
    }
}
