using Microsoft.Extensions.Logging;

namespace Backup.Agent.Keys;

/// <summary>Changes of keys. Events 4200 to 4299.</summary>
internal static partial class KeyLog
{
    [LoggerMessage(4200, LogLevel.Warning, "A new key of this agent was made by order: {KeyId}")]
    internal static partial void OwnKeyMade(ILogger logger, string keyId);

    [LoggerMessage(4201, LogLevel.Warning, "The control plane key {KeyId} is trusted from now on; {Sender} announced it")]
    internal static partial void KeyTrusted(ILogger logger, string keyId, string sender);

    [LoggerMessage(4202, LogLevel.Warning, "The control plane key {KeyId} is not trusted any more")]
    internal static partial void KeyRevoked(ILogger logger, string keyId);

    [LoggerMessage(4203, LogLevel.Error, "The key file cannot be written: the overlap of an old key has not begun yet")]
    internal static partial void CannotWrite(ILogger logger, Exception cause);
}
