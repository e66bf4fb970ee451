using System.Net.WebSockets;

namespace Backup.Relay.Emulator;

/// <summary>A hybrid connection, who listens on it now and which streams run through it.</summary>
internal sealed class Entity(EmulatorEntity options, DateTimeOffset createdAt)
{
    private readonly Lock _gate = new();
    private readonly List<ListenerSession> _listeners = [];
    private readonly HashSet<StreamBridge> _streams = [];
    private bool _isRemoved;
    private string _lastClosing = "";

    /// <summary>As configured now; replaced when the configuration is read again.</summary>
    public EmulatorEntity Options { get; private set; } = options;

    public EntityPath Path { get; } = options.Path;

    public DateTimeOffset CreatedAt { get; } = createdAt;

    public DateTimeOffset UpdatedAt { get; private set; } = createdAt;

    /// <summary>How often everything connected to it was closed.</summary>
    public int Closings
    {
        get
        {
            lock (_gate) return field;
        }
        private set;
    }

    public int ListenerCount
    {
        get
        {
            lock (_gate) return _listeners.Count;
        }
    }

    public void Update(EmulatorEntity changed, DateTimeOffset now)
    {
        UpdatedAt = now;
        Options = changed;
    }

    /// <summary>Null when the listener is now one of those who are chosen from.</summary>
    public Refusal? Add(ListenerSession listener, int listenersMax)
    {
        lock (_gate)
        {
            if (_isRemoved) return Refusal.UnknownEntity;
            if (_listeners.Count >= listenersMax) return Refusal.TooManyListeners(listenersMax);
            _listeners.Add(listener);
            return null;
        }
    }

    public void Remove(ListenerSession listener)
    {
        lock (_gate) _listeners.Remove(listener);
    }

    public IReadOnlyList<ListenerSession> Listeners()
    {
        lock (_gate) return [.. _listeners];
    }

    /// <summary>Runs a stream to its end. One that was still opening when everything was closed is closed as well.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="closings"><see cref="Closings"/> when the sender came.</param>
    public async Task RunAsync(StreamBridge stream, int closings)
    {
        string? closed;
        lock (_gate)
        {
            closed = Closings == closings ? null : _lastClosing;
            if (closed is null) _streams.Add(stream);
        }
        try
        {
            var closing = closed is null ? Task.CompletedTask : stream.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, closed);
            await Task.WhenAll(stream.RunAsync(), closing).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate) _streams.Remove(stream);
        }
    }

    /// <summary>The entity is deleted: nobody is added any more, and what is connected is closed with 1001.</summary>
    public Task RemoveAsync()
    {
        lock (_gate) _isRemoved = true;
        return CloseAllAsync("The endpoint was deleted");
    }

    /// <summary>Closes its control channels and streams with 1001.</summary>
    public Task CloseAllAsync(string sentence)
    {
        lock (_gate)
        {
            Closings++;
            _lastClosing = sentence;
            return Task.WhenAll([
                .. _listeners.Select(listener => listener.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, sentence)),
                .. _streams.Select(stream => stream.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, sentence)),
            ]);
        }
    }

    /// <summary>One listener at random among those the sender wants; the refusal when there is none.</summary>
    public (ListenerSession? Listener, Refusal? Refusal) Pick(ListenerFilter filter, IReadOnlySet<ListenerSession> tried, Random choice, int noListenerStatus)
    {
        lock (_gate)
        {
            if (_isRemoved) return (null, Refusal.UnknownEntity);
            var present = _listeners.Where(listener => !tried.Contains(listener)).ToArray();
            if (present.Length == 0) return (null, Refusal.NoListener(noListenerStatus));
            var wanted = Array.FindAll(present, filter.Allows);
            return wanted.Length == 0 ? (null, Refusal.Filtered) : (wanted[choice.Next(wanted.Length)], null);
        }
    }
}

/// <summary>The sender's optional wish for certain listeners.</summary>
internal sealed record ListenerFilter(IReadOnlySet<string>? Allowed, IReadOnlySet<string> Disallowed)
{
    public const string AllowedHeader = "Microsoft-Relay-AllowedListeners";
    public const string DisallowedHeader = "Microsoft-Relay-DisallowedListeners";

    public static ListenerFilter Parse(string? allowed, string? disallowed) =>
        new(string.IsNullOrWhiteSpace(allowed) ? null : Ids(allowed), Ids(disallowed ?? ""));

    public bool Allows(ListenerSession listener) => (Allowed is null || Allowed.Contains(listener.Id)) && !Disallowed.Contains(listener.Id);

    private static HashSet<string> Ids(string list) =>
        new(list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), StringComparer.OrdinalIgnoreCase);
}
