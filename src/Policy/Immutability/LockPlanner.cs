namespace Backup.Policy.Immutability;

/// <summary>What carries a lock.</summary>
public enum LockScope
{
    /// <summary>Each object its own, set and extended by the control plane.</summary>
    Version,

    /// <summary>The whole container: its retention counts from each object's creation, and a legal hold holds all. Set by whoever manages the storage account; looked at by the control plane.</summary>
    Container,
}

/// <summary>How a tier's objects are locked against everybody.</summary>
/// <param name="LockFor">
/// Every object that is in use is locked for at least half of this from any moment on, and for this when it is extended. What retention gave up stays locked
/// until its last extension ends. Of a container: its retention, after which an object is not locked any more, in use or not.
/// </param>
/// <param name="IsFinal">True: nobody can shorten a lock, the account's owner included. False: whoever may change policies can.</param>
public sealed record LockRule(TimeSpan LockFor, bool IsFinal)
{
    /// <summary>What carries the locks.</summary>
    public LockScope Scope { get; init; }
}

/// <summary>An object's lock as the storage has it.</summary>
/// <param name="Until">Nobody deletes or changes the object before; null when it is not locked by time.</param>
/// <param name="HasLegalHold">…nor as long as this stands.</param>
public readonly record struct ObjectLock(DateTimeOffset? Until, bool HasLegalHold)
{
    /// <summary>Whether the object can be deleted at that moment.</summary>
    public bool Holds(DateTimeOffset now) => HasLegalHold || Until > now;
}

/// <summary>Objects that a recovery point needs, and until when it was promised to be there.</summary>
/// <param name="Until">The promise; null when there is none beyond being in use.</param>
/// <param name="HasLegalHold">A person forbade deleting it.</param>
/// <param name="Objects">Everything the vault held when the point was copied: at least what the point needs.</param>
public sealed record PromisedObjects(DateTimeOffset? Until, bool HasLegalHold, IReadOnlyCollection<string> Objects);

/// <summary>A lock to set.</summary>
/// <param name="Name">The store object.</param>
/// <param name="Until">The new end; later than the present one.</param>
public sealed record LockExtension(string Name, DateTimeOffset Until);

/// <summary>How far locks reach.</summary>
/// <param name="Objects">Objects in use.</param>
/// <param name="Covered">Those locked now for as long as everything that needs them was promised.</param>
/// <param name="Held">Objects under legal hold.</param>
/// <param name="EarliestEnd">When the first lock of a covered object ends unless it is extended; null when nothing is covered by time.</param>
public sealed record LockCoverage(int Objects, int Covered, int Held, DateTimeOffset? EarliestEnd)
{
    /// <summary>Nothing in use can be deleted by anybody.</summary>
    public bool IsComplete => Objects > 0 && Covered == Objects;
}

/// <summary>What to change, and what holds already.</summary>
/// <param name="Extensions">Locks to set or extend, those that end first first.</param>
/// <param name="Holds">Objects to put under legal hold.</param>
/// <param name="Releases">Objects whose legal hold nothing asks for any more.</param>
/// <param name="Coverage">Before the changes.</param>
public sealed record LockPlan(IReadOnlyList<LockExtension> Extensions, IReadOnlyList<string> Holds, IReadOnlyList<string> Releases, LockCoverage Coverage)
{
    /// <summary>Nothing is to be changed.</summary>
    public bool IsDone => Extensions.Count + Holds.Count + Releases.Count == 0;
}

/// <summary>Plans locks. Pure. A lock is never shortened, and nothing that is in use is ever left without one that outlasts what was promised of it.</summary>
public static class LockPlanner
{
    /// <summary>
    /// Until when the rule keeps a point for certain, whatever other points come: counted rules (the newest, one of each day…) depend on others, so what they keep is
    /// locked from extension to extension.
    /// </summary>
    public static DateTimeOffset CertainUntil(RetentionRule rule, DateTimeOffset publishedAt)
    {
        var longest = rule.ImmutableFor > rule.KeepWithin ? rule.ImmutableFor : rule.KeepWithin;
        return publishedAt + (longest > rule.ContinuousFor ? longest : rule.ContinuousFor);
    }

    /// <summary>The plan for a replica.</summary>
    /// <param name="now">The control plane's clock.</param>
    /// <param name="rule">The tier's.</param>
    /// <param name="inUse">What the newest manifest lists.</param>
    /// <param name="promises">Of points whose promise is not known to be locked yet, and of points under legal hold.</param>
    /// <param name="locks">Locks by object; an object without one may be left out.</param>
    public static LockPlan Plan(
        DateTimeOffset now, LockRule rule, IReadOnlyCollection<string> inUse, IReadOnlyCollection<PromisedObjects> promises, IReadOnlyDictionary<string, ObjectLock> locks)
    {
        var needed = inUse.ToDictionary(name => name, _ => now + (rule.LockFor / 2), StringComparer.Ordinal);
        foreach (var promise in promises.Where(p => p.Until > now))
        {
            var promised = ToWholeSecond(promise.Until!.Value);
            foreach (var name in promise.Objects)
            {
                if (!needed.TryGetValue(name, out var until) || until < promised)
                {
                    needed[name] = promised;
                }
            }
        }

        var held = promises.Where(p => p.HasLegalHold).SelectMany(p => p.Objects).ToHashSet(StringComparer.Ordinal);
        var extensions = needed.Where(n => !(locks.GetValueOrDefault(n.Key).Until >= n.Value))
            .OrderBy(n => locks.GetValueOrDefault(n.Key).Until ?? DateTimeOffset.MinValue).ThenBy(n => n.Key, StringComparer.Ordinal)
            .Select(n => new LockExtension(n.Key, n.Value > now + rule.LockFor ? n.Value : ToWholeSecond(now + rule.LockFor))).ToArray();
        return new LockPlan(
            extensions,
            [.. held.Where(name => !locks.GetValueOrDefault(name).HasLegalHold).Order(StringComparer.Ordinal)],
            [.. locks.Where(l => l.Value.HasLegalHold && !held.Contains(l.Key)).Select(l => l.Key).Order(StringComparer.Ordinal)],
            CoverageOf(now, rule, inUse, needed, locks));
    }

    /// <summary>Upwards: storage keeps whole seconds, and cuts the rest off.</summary>
    private static DateTimeOffset ToWholeSecond(DateTimeOffset instant)
    {
        var rest = instant.UtcTicks % TimeSpan.TicksPerSecond;
        return rest == 0 ? instant : instant.AddTicks(TimeSpan.TicksPerSecond - rest);
    }

    /// <summary>An object counts whose lock holds now and reaches its promise; one that only has to be extended soon counts as well.</summary>
    private static LockCoverage CoverageOf(
        DateTimeOffset now, LockRule rule, IReadOnlyCollection<string> inUse, Dictionary<string, DateTimeOffset> needed, IReadOnlyDictionary<string, ObjectLock> locks)
    {
        var rolling = now + (rule.LockFor / 2);
        var covered = inUse.Where(name => locks.TryGetValue(name, out var found) && found.Until > now && (needed[name] <= rolling || found.Until >= needed[name])).ToArray();
        return new LockCoverage(inUse.Count, covered.Length, locks.Count(l => l.Value.HasLegalHold), covered.Length == 0 ? null : covered.Min(name => locks[name].Until));
    }
}
