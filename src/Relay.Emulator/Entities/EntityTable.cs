namespace Backup.Relay.Emulator;

/// <summary>All entities of a namespace.</summary>
internal sealed class EntityTable
{
    private volatile Snapshot _now;

    public EntityTable(RelayEmulatorOptions options)
    {
        _now = new Snapshot([], options.NoListenerStatus);
        Update(options);
    }

    public IReadOnlyCollection<Entity> All => _now.ByPath.Values;

    /// <summary>What a sender hears when nobody listens.</summary>
    public int NoListenerStatus => _now.NoListenerStatus;

    /// <summary>The longest entity whose path begins the target, compared without case; what follows is the caller's suffix.</summary>
    public Entity? Find(RequestTarget target)
    {
        var now = _now;
        for (var count = Math.Min(target.Segments.Count, now.SegmentsMax); count > 0; count--)
            if (now.ByPath.TryGetValue(string.Join('/', target.Segments.Take(count)), out var entity)) return entity;
        return null;
    }

    /// <summary>Takes a changed configuration over; entities that stay keep their listeners.</summary>
    /// <returns>Those that are gone.</returns>
    public IReadOnlyList<Entity> Update(RelayEmulatorOptions options)
    {
        var before = _now.ByPath;
        var time = options.Clock.GetUtcNow();
        var after = new Dictionary<string, Entity>(StringComparer.OrdinalIgnoreCase);
        foreach (var configured in options.Entities)
        {
            if (!before.TryGetValue(configured.Path.Value, out var entity)) entity = new Entity(configured, time);
            else entity.Update(configured, time);
            after.Add(configured.Path.Value, entity);
        }
        _now = new Snapshot(after, options.NoListenerStatus);
        return [.. before.Values.Except(after.Values)];
    }

    /// <summary>Compares whole segments without case.</summary>
    public static bool IsPrefix(IReadOnlyList<string> prefix, IReadOnlyList<string> path)
    {
        if (prefix.Count > path.Count) return false;
        for (var at = 0; at < prefix.Count; at++)
            if (!string.Equals(prefix[at], path[at], StringComparison.OrdinalIgnoreCase)) return false;
        return true;
    }

    private sealed record Snapshot(Dictionary<string, Entity> ByPath, int NoListenerStatus)
    {
        public int SegmentsMax { get; } = ByPath.Values.Select(entity => entity.Path.SegmentCount).DefaultIfEmpty(0).Max();
    }
}
