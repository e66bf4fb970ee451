namespace Microsoft.DurableTask.Entities;

/// <summary>The id of a durable entity.</summary>
/// <param name="name">The entity's name, kept in lower case.</param>
/// <param name="key">The entity's key.</param>
public readonly struct EntityInstanceId(string name, string key) : IEquatable<EntityInstanceId>
{
    /// <summary>The entity's name, in lower case.</summary>
    public string Name { get; } = name?.ToLowerInvariant() ?? throw new ArgumentNullException(nameof(name));

    /// <summary>The entity's key.</summary>
    public string Key { get; } = key ?? throw new ArgumentNullException(nameof(key));

    /// <summary>Equal name and key.</summary>
    public static bool operator ==(EntityInstanceId left, EntityInstanceId right) => left.Equals(right);

    /// <summary>Different name or key.</summary>
    public static bool operator !=(EntityInstanceId left, EntityInstanceId right) => !left.Equals(right);

    /// <summary>Reads the form <c>@name@key</c>.</summary>
    /// <exception cref="ArgumentException">The text has not that form.</exception>
    public static EntityInstanceId FromString(string instanceId)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        var separator = instanceId.IndexOf('@', 1);
        return instanceId[0] == '@' && separator > 1
            ? new EntityInstanceId(instanceId[1..separator], instanceId[(separator + 1)..])
            : throw new ArgumentException($"'{instanceId}' is not an entity id of the form @name@key.", nameof(instanceId));
    }

    /// <inheritdoc/>
    public bool Equals(EntityInstanceId other) => Name == other.Name && Key == other.Key;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EntityInstanceId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Key);

    /// <summary>The form <c>@name@key</c>.</summary>
    public override string ToString() => $"@{Name}@{Key}";
}

/// <summary>Options of a call to an entity.</summary>
public record CallEntityOptions;

/// <summary>Options of a signal to an entity.</summary>
public record SignalEntityOptions
{
    /// <summary>When to deliver the signal; null: at once.</summary>
    public DateTimeOffset? SignalTime { get; init; }

    /// <summary>Options with a delivery time.</summary>
    public static implicit operator SignalEntityOptions(DateTimeOffset value) => new() { SignalTime = value };
}

/// <summary>
/// What orchestrations can do with entities. The standalone host has no entities: its contexts throw
/// <see cref="NotSupportedException"/> on <see cref="TaskOrchestrationContext.Entities"/>.
/// </summary>
public abstract class TaskOrchestrationEntityFeature
{
    /// <summary>Calls an operation and waits for its result.</summary>
    public abstract Task<TResult> CallEntityAsync<TResult>(
        EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null);

    /// <summary>Calls an operation without input and waits for its result.</summary>
    public virtual Task<TResult> CallEntityAsync<TResult>(EntityInstanceId id, string operationName, CallEntityOptions? options) =>
        CallEntityAsync<TResult>(id, operationName, null, options);

    /// <summary>Calls an operation and waits for it.</summary>
    public abstract Task CallEntityAsync(EntityInstanceId id, string operationName, object? input = null, CallEntityOptions? options = null);

    /// <summary>Calls an operation without input and waits for it.</summary>
    public virtual Task CallEntityAsync(EntityInstanceId id, string operationName, CallEntityOptions? options) =>
        CallEntityAsync(id, operationName, null, options);

    /// <summary>Signals an operation without waiting.</summary>
    public abstract Task SignalEntityAsync(EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null);

    /// <summary>Signals an operation without input and without waiting.</summary>
    public virtual Task SignalEntityAsync(EntityInstanceId id, string operationName, SignalEntityOptions? options) =>
        SignalEntityAsync(id, operationName, null, options);

    /// <summary>Locks entities until the result is disposed of.</summary>
    public abstract Task<IAsyncDisposable> LockEntitiesAsync(IEnumerable<EntityInstanceId> entityIds);

    /// <summary>Locks entities until the result is disposed of.</summary>
    public virtual Task<IAsyncDisposable> LockEntitiesAsync(params EntityInstanceId[] entityIds) =>
        LockEntitiesAsync((IEnumerable<EntityInstanceId>)entityIds);

    /// <summary>Whether entities are locked, and which.</summary>
    public abstract bool InCriticalSection(out IReadOnlyList<EntityInstanceId>? entityIds);

    /// <summary>Whether entities are locked.</summary>
    public virtual bool InCriticalSection() => InCriticalSection(out _);
}
