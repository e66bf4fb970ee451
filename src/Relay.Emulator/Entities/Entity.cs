namespace Backup.Relay.Emulator;

/// <summary>A hybrid connection and who listens on it now.</summary>
internal sealed class Entity(EmulatorEntity options, DateTimeOffset createdAt)
{
    private readonly Lock _gate = new();
    private readonly List<ListenerSession> _listeners = [];

    public EmulatorEntity Options => options;

    public EntityPath Path => options.Path;

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
    private readonly Dictionary<string, Entity> _byPath;
    private readonly int _segmentsMax;

    public EntityTable(IEnumerable<EmulatorEntity> entities, DateTimeOffset now)
    {
        _byPath = entities.Select(entity => new Entity(entity, now)).ToDictionary(entity => entity.Path.Value, StringComparer.OrdinalIgnoreCase);
        _segmentsMax = _byPath.Values.Select(entity => entity.Path.SegmentCount).DefaultIfEmpty(0).Max();
    }

    public IReadOnlyCollection<Entity> All => _byPath.Values;

    /// <summary>The longest entity whose path begins the target, compared without case; what follows is the caller's suffix.</summary>
    public Entity? Find(RequestTarget target)
    {
        for (var count = Math.Min(target.Segments.Count, _segmentsMax); count > 0; count--)
            if (_byPath.TryGetValue(string.Join('/', target.Segments.Take(count)), out var entity)) return entity;
        return null;
    }

    /// <summary>Compares whole segments without case.</summary>
    public static bool IsPrefix(IReadOnlyList<string> prefix, IReadOnlyList<string> path)
    {
        if (prefix.Count > path.Count) return false;
        for (var at = 0; at < prefix.Count; at++)
            if (!string.Equals(prefix[at], path[at], StringComparison.OrdinalIgnoreCase)) return false;
        return true;
    }
}
