namespace Backup.Relay.Emulator;

/// <summary>A hybrid connection and who listens on it now.</summary>
internal sealed class Entity(EmulatorEntity options, DateTimeOffset createdAt)
{
    private readonly Lock _gate = new();
    private readonly List<ListenerSession> _listeners = [];

    public EmulatorEntity Options => options;

    public EntityPath Path => options.Path;

    public IReadOnlyList<string> Segments { get; } = options.Path.Value.Split('/');

    public DateTimeOffset CreatedAt => createdAt;

    public int ListenerCount
    {
        get
        {
            lock (_gate) return _listeners.Count;
        }
    }

    public bool TryAdd(ListenerSession listener, int listenersMax)
    {
        lock (_gate)
        {
            if (_listeners.Count >= listenersMax) return false;
            _listeners.Add(listener);
            return true;
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

    /// <summary>One listener at random among those the sender wants; the refusal when there is none.</summary>
    public (ListenerSession? Listener, Refusal? Refusal) Pick(ListenerFilter filter, IReadOnlySet<ListenerSession> tried, Random choice, int noListenerStatus)
    {
        lock (_gate)
        {
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

/// <summary>All entities of the namespace.</summary>
internal sealed class EntityTable
{
    private readonly IReadOnlyList<Entity> _longestFirst;

    public EntityTable(IEnumerable<EmulatorEntity> entities, DateTimeOffset now) =>
        _longestFirst = [.. entities.Select(entity => new Entity(entity, now)).OrderByDescending(entity => entity.Segments.Count)];

    public IReadOnlyList<Entity> All => _longestFirst;

    /// <summary>The longest entity whose path begins the target; what follows is the caller's suffix.</summary>
    public Entity? Find(RequestTarget target) => _longestFirst.FirstOrDefault(entity => IsPrefix(entity.Segments, target.Segments));

    /// <summary>Compares whole segments without case.</summary>
    public static bool IsPrefix(IReadOnlyList<string> prefix, IReadOnlyList<string> path) =>
        prefix.Count <= path.Count && prefix.Zip(path).All(pair => string.Equals(pair.First, pair.Second, StringComparison.OrdinalIgnoreCase));
}
