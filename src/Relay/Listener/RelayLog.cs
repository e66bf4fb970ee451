using Microsoft.Extensions.Logging;

namespace Backup.Relay;

/// <summary>Events 5001 to 5099. Never a token, an address with its capability, or a body.</summary>
internal static partial class RelayLog
{
    [LoggerMessage(5001, LogLevel.Information, "Listening on {Entity} at {Endpoint} as {ListenerId}")]
    internal static partial void Online(ILogger logger, string entity, string endpoint, Guid listenerId);

    [LoggerMessage(5002, LogLevel.Warning, "Not listening on {Entity}: {Fault}: {Reason}; trying again")]
    internal static partial void Offline(ILogger logger, string entity, RelayFault fault, string reason);

    [LoggerMessage(5003, LogLevel.Information, "The control channel of {Entity} ended after {Lived}: {Reason}")]
    internal static partial void ChannelEnded(ILogger logger, string entity, TimeSpan lived, string reason);

    [LoggerMessage(5004, LogLevel.Error, "The handler of a request failed")]
    internal static partial void HandlerFailed(ILogger logger, Exception failure);

    [LoggerMessage(5005, LogLevel.Warning, "A response could not be delivered: {Reason}")]
    internal static partial void ResponseLost(ILogger logger, string reason);

    [LoggerMessage(5006, LogLevel.Warning, "A rendezvous was not made: {Fault}: {Reason}")]
    internal static partial void RendezvousFailed(ILogger logger, RelayFault fault, string reason);

    [LoggerMessage(5007, LogLevel.Warning, "A message of the control channel was ignored: {Reason}")]
    internal static partial void MessageIgnored(ILogger logger, string reason);

    [LoggerMessage(5008, LogLevel.Warning, "Too many requests at once: one was answered 503")]
    internal static partial void Busy(ILogger logger);

    [LoggerMessage(5009, LogLevel.Debug, "Token renewed, good until {Until}")]
    internal static partial void TokenRenewed(ILogger logger, DateTimeOffset until);

    [LoggerMessage(5010, LogLevel.Error, "The handler of a stream failed")]
    internal static partial void StreamFailed(ILogger logger, Exception failure);
}
