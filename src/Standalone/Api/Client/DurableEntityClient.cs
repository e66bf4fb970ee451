using Microsoft.DurableTask.Entities;

namespace Microsoft.DurableTask.Client.Entities;

/// <summary>Signals and queries entities. When a signal's task ends, the signal is durable.</summary>
public abstract class DurableEntityClient
{
    /// <summary>A client of this name.</summary>
    protected DurableEntityClient(string name) => Name = name;

    /// <summary>The client's name.</summary>
    public string Name { get; }

    /// <summary>Signals an operation without waiting for it.</summary>
    public abstract Task SignalEntityAsync(
        EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null, CancellationToken cancellation = default);

    /// <summary>Signals an operation without input.</summary>
    public virtual Task SignalEntityAsync(
        EntityInstanceId id, string operationName, SignalEntityOptions options, CancellationToken cancellation = default) =>
        SignalEntityAsync(id, operationName, null, options, cancellation);

    /// <summary>Signals an operation without input.</summary>
    public virtual Task SignalEntityAsync(EntityInstanceId id, string operationName, CancellationToken cancellation) =>
        SignalEntityAsync(id, operationName, null, null, cancellation);

    /// <summary>The entity; null when it has no state.</summary>
    public abstract Task<EntityMetadata?> GetEntityAsync(EntityInstanceId id, bool includeState = true, CancellationToken cancellation = default);

    /// <summary>The entity with its state; null when it has none.</summary>
    public virtual Task<EntityMetadata?> GetEntityAsync(EntityInstanceId id, CancellationToken cancellation) => GetEntityAsync(id, true, cancellation);

    /// <summary>The entity; null when it has no state.</summary>
    public abstract Task<EntityMetadata<T>?> GetEntityAsync<T>(
        EntityInstanceId id, bool includeState = true, CancellationToken cancellation = default);

    /// <summary>The entity with its state; null when it has none.</summary>
    public virtual Task<EntityMetadata<T>?> GetEntityAsync<T>(EntityInstanceId id, CancellationToken cancellation) =>
        GetEntityAsync<T>(id, true, cancellation);

    /// <summary>The entities a filter matches, by id.</summary>
    public abstract AsyncPageable<EntityMetadata> GetAllEntitiesAsync(EntityQuery? filter = null);

    /// <summary>The entities a filter matches, by id.</summary>
    public abstract AsyncPageable<EntityMetadata<T>> GetAllEntitiesAsync<T>(EntityQuery? filter = null);

    /// <summary>Removes entities that hold nothing and releases locks of orchestrations that have ended.</summary>
    /// <param name="request">What to do; null: both.</param>
    /// <param name="continueUntilComplete">Whether to go on until nothing is left to do; else one page is worked on.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public abstract Task<CleanEntityStorageResult> CleanEntityStorageAsync(
        CleanEntityStorageRequest? request = null, bool continueUntilComplete = true, CancellationToken cancellation = default);
}

/// <summary>What is known of an entity at one moment.</summary>
/// <typeparam name="TState">The type of its state.</typeparam>
public class EntityMetadata<TState>
{
    private readonly TState? _state;

    /// <summary>Metadata without the state.</summary>
    public EntityMetadata(EntityInstanceId id)
        : this(id, default) => IncludesState = false;

    /// <summary>Metadata with the state.</summary>
    public EntityMetadata(EntityInstanceId id, TState? state)
    {
        Id = id;
        _state = state;
        IncludesState = state is not null;
    }

    /// <summary>The entity's id.</summary>
    public EntityInstanceId Id { get; }

    /// <summary>When it last ran an operation.</summary>
    public DateTimeOffset LastModifiedTime { get; init; }

    /// <summary>How many operations wait.</summary>
    public int BacklogQueueSize { get; init; }

    /// <summary>The orchestration instance that has locked it; null: none.</summary>
    public string? LockedBy { get; init; }

    /// <summary>Whether the state is here.</summary>
    public bool IncludesState { get; }

    /// <summary>The state.</summary>
    /// <exception cref="InvalidOperationException">The state was not asked for.</exception>
    public TState State => IncludesState
        ? _state!
        : throw new InvalidOperationException($"This {nameof(EntityMetadata)} holds no state: ask for it, and see {nameof(IncludesState)}.");
}

/// <summary>What is known of an entity at one moment, with its state as it is stored.</summary>
/// <param name="id">The entity's id.</param>
/// <param name="state">The stored state; null: not asked for.</param>
public sealed class EntityMetadata(EntityInstanceId id, SerializedData? state = null) : EntityMetadata<SerializedData>(id, state);

/// <summary>Which entities a query shows.</summary>
public record EntityQuery
{
    /// <summary>Entities per page unless a query says otherwise.</summary>
    public const int DefaultPageSize = 100;

    private readonly string? _prefix;

    /// <summary>Only entities whose id begins so: <c>@name@key</c>; a name alone, with or without the first '@', means all of that name.</summary>
    public string? InstanceIdStartsWith
    {
        get => _prefix;
        init => _prefix = value is null ? null : Normalize(value);
    }

    /// <summary>Only entities changed at or after this time.</summary>
    public DateTimeOffset? LastModifiedFrom { get; init; }

    /// <summary>Only entities changed at or before this time.</summary>
    public DateTimeOffset? LastModifiedTo { get; init; }

    /// <summary>Whether states are fetched. Default true.</summary>
    public bool IncludeState { get; init; } = true;

    /// <summary>Whether entities without a state are shown, too: those being made, locked or deleted.</summary>
    public bool IncludeTransient { get; init; }

    /// <summary>Entities per page; null: <see cref="DefaultPageSize"/>.</summary>
    public int? PageSize { get; init; }

    /// <summary>Where to begin: a page's token; null: at the start.</summary>
    public string? ContinuationToken { get; init; }

    // Names are kept in lower case, keys as they are.
    private static string Normalize(string prefix)
    {
        var text = prefix.StartsWith('@') ? prefix : "@" + prefix;
        var separator = text.IndexOf('@', 1);
        return separator < 0 ? text.ToLowerInvariant() : text[..separator].ToLowerInvariant() + text[separator..];
    }
}

/// <summary>What a cleaning of entities does.</summary>
public readonly record struct CleanEntityStorageRequest
{
    /// <summary>Both kinds of cleaning, from the start.</summary>
    public static CleanEntityStorageRequest Default => new() { RemoveEmptyEntities = true, ReleaseOrphanedLocks = true };

    /// <summary>Whether entities without state, lock and waiting operations are removed.</summary>
    public bool RemoveEmptyEntities { get; init; }

    /// <summary>Whether locks held by orchestrations that have ended are released.</summary>
    public bool ReleaseOrphanedLocks { get; init; }

    /// <summary>Where to go on; null: at the start.</summary>
    public string? ContinuationToken { get; init; }
}

/// <summary>What a cleaning of entities has done.</summary>
public readonly record struct CleanEntityStorageResult
{
    /// <summary>How many entities were removed.</summary>
    public int EmptyEntitiesRemoved { get; init; }

    /// <summary>How many locks were released.</summary>
    public int OrphanedLocksReleased { get; init; }

    /// <summary>Where to go on; null: everything is done.</summary>
    public string? ContinuationToken { get; init; }
}
