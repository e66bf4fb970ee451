namespace Backup.Relay;

/// <summary>How a listener behaves.</summary>
public sealed record RelayListenerOptions
{
    /// <summary>How to reach the relay; its tokens need the right Listen.</summary>
    public required RelayConnection Connection { get; init; }

    /// <summary>The hybrid connection to listen on.</summary>
    public required EntityPath Entity { get; init; }

    /// <summary>This listener's id, which senders may name to choose or avoid it. Default: a new one.</summary>
    public Guid ListenerId { get; init; } = Guid.NewGuid();

    /// <summary>How many requests are worked on at once; further ones are answered 503. Default 64.</summary>
    public int ConcurrentRequestsMax { get; init; } = 64;

    /// <summary>How long a handler may take to give its response before its token is cancelled. Default 60 s: later answers reach nobody.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest gap within a body before it is given up. Default 60 s, the service's own limit.</summary>
    public TimeSpan BodyIdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long stopping waits for requests in work. Default 20 s.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Delays before each attempt to connect; the last one repeats. Default 0, 1, 2, 5, 10, 30 s, as the official clients do.</summary>
    public IReadOnlyList<TimeSpan> ReconnectDelays { get; init; } = ReconnectLadder.Default;

    /// <summary>How often the control channel is pinged. Default 30 s, which also keeps a NAT's mapping alive.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a pong may take before the control channel counts as dead and is made anew. Default 20 s.</summary>
    public TimeSpan PongTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// While nobody answers at the relay's address at all, it is probed this often between attempts by a bare TCP connection, and the
    /// first that succeeds ends the wait: a relay on this machine or site is used again at once after an outage of any length.
    /// Default 1 s; null: the delays alone count.
    /// </summary>
    public TimeSpan? ProbeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Spreads reconnects of many agents; the randomness is not for secrets.</summary>
    public Random Jitter { get; init; } = new();

    /// <summary>Serves WebSocket streams. Null: they are refused.</summary>
    public IRelayStreams? Streams { get; init; }
}

/// <summary>Whether a listener can be reached.</summary>
public enum RelayListenerState
{
    /// <summary>Not started, or stopped.</summary>
    Stopped,

    /// <summary>Trying to connect.</summary>
    Connecting,

    /// <summary>Registered: requests arrive.</summary>
    Online,

    /// <summary>Waiting before the next attempt.</summary>
    Waiting,
}

/// <summary>A listener's state and, when it is not online, why.</summary>
/// <param name="State">Whether it can be reached.</param>
/// <param name="Since">Since when.</param>
/// <param name="LastFailure">The last failure, until the next time it is online.</param>
/// <param name="ConnectionsMade">How many control channels it has had.</param>
public sealed record RelayListenerStatus(RelayListenerState State, DateTimeOffset Since, RelayException? LastFailure, int ConnectionsMade);
