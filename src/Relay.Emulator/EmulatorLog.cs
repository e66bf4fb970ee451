using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Events 5101 to 5199. Never a token, a capability or a body.</summary>
internal static partial class EmulatorLog
{
    [LoggerMessage(5101, LogLevel.Information, "Listening for relay clients on {Address}:{Port} as {Host}, {EntityCount} hybrid connections")]
    internal static partial void Started(ILogger logger, string address, int port, string host, int entityCount);

    [LoggerMessage(5102, LogLevel.Information, "Listener {ListenerId} registered on {Entity}")]
    internal static partial void ListenerRegistered(ILogger logger, string listenerId, string entity);

    [LoggerMessage(5103, LogLevel.Information, "Listener {ListenerId} left {Entity}: {Reason}")]
    internal static partial void ListenerLeft(ILogger logger, string listenerId, string entity, string reason);

    [LoggerMessage(5104, LogLevel.Warning, "Refused {Action} on {Path}: {Status} {Sentence}")]
    internal static partial void Refused(ILogger logger, string action, string path, int status, string sentence);

    [LoggerMessage(5105, LogLevel.Error, "A request failed inside the emulator")]
    internal static partial void Failed(ILogger logger, Exception failure);

    [LoggerMessage(5106, LogLevel.Warning, "Listener {ListenerId} sent something that was dropped: {Reason}")]
    internal static partial void Dropped(ILogger logger, string listenerId, string reason);

    [LoggerMessage(5107, LogLevel.Debug, "A transfer ended early: {Reason}")]
    internal static partial void TransferEnded(ILogger logger, string reason);

    [LoggerMessage(5108, LogLevel.Debug, "Listener {ListenerId} renewed its token")]
    internal static partial void TokenRenewed(ILogger logger, string listenerId);

    [LoggerMessage(5109, LogLevel.Information, "The configuration was read again: {Namespaces} namespaces, {Entities} hybrid connections")]
    internal static partial void Reloaded(ILogger logger, int namespaces, int entities);

    [LoggerMessage(5110, LogLevel.Error, "The changed configuration is not used, the former one stays: {Faults}")]
    internal static partial void NotReloaded(ILogger logger, string faults);
}
