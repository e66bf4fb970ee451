namespace Backup.Relay;

/// <summary>What went wrong on the way through the relay.</summary>
public enum RelayFault
{
    /// <summary>An endpoint, entity path, key file or certificate file cannot be used.</summary>
    Configuration,

    /// <summary>The relay named an address that this side must not dial.</summary>
    AddressRefused,

    /// <summary>The relay cannot be reached: name, network or TLS.</summary>
    Unreachable,

    /// <summary>The token is missing, malformed, expired or wrongly signed.</summary>
    Unauthorized,

    /// <summary>No token could be made: the credential, or what it asks, failed. Nothing was sent.</summary>
    NoToken,

    /// <summary>The token is valid but does not allow this, or the relay's limit is reached.</summary>
    Forbidden,

    /// <summary>The entity does not exist, or nobody listens on it.</summary>
    NotFound,

    /// <summary>The listener refused the stream.</summary>
    Rejected,

    /// <summary>An answer did not come in time.</summary>
    TimedOut,

    /// <summary>The relay reports a fault of its own.</summary>
    ServiceFault,

    /// <summary>The connection ended in the middle of something.</summary>
    ConnectionLost,

    /// <summary>The other side broke the protocol.</summary>
    ProtocolViolation,

    /// <summary>A message or body is larger than this side accepts.</summary>
    TooLarge,
}

/// <summary>The only exception this project throws for what the relay or the network did. Texts never hold tokens or keys.</summary>
/// <param name="fault">What went wrong.</param>
/// <param name="message">What happened, for people.</param>
/// <param name="hint">What to do about it.</param>
/// <param name="cause">The underlying failure.</param>
public sealed class RelayException(RelayFault fault, string message, string hint, Exception? cause = null)
    : Exception($"{message}\nHint: {hint}", cause)
{
    /// <summary>What went wrong.</summary>
    public RelayFault Fault { get; } = fault;

    /// <summary>What to do about it.</summary>
    public string Hint { get; } = hint;

    /// <summary>The HTTP status of a refused handshake, when there was one.</summary>
    public int? StatusCode { get; init; }

    /// <summary>True when trying again later may succeed without anybody changing anything.</summary>
    public bool IsTransient => Fault is RelayFault.Unreachable or RelayFault.NoToken or RelayFault.NotFound or RelayFault.TimedOut or RelayFault.ServiceFault or RelayFault.ConnectionLost;
}
