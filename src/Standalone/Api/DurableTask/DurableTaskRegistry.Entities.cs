using Microsoft.DurableTask.Entities;

namespace Microsoft.DurableTask;

/// <content>Adding entities.</content>
public sealed partial class DurableTaskRegistry
{
    private readonly Dictionary<TaskName, Func<IServiceProvider, ITaskEntity>> _entities = [];

    /// <summary>The entities, one entry per name.</summary>
    public IEnumerable<KeyValuePair<TaskName, Func<IServiceProvider, ITaskEntity>>> GetEntities() => _entities;

    /// <summary>Adds an entity made by a factory that sees the services.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity(TaskName name, Func<IServiceProvider, ITaskEntity> factory)
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (name == default)
        {
            throw new ArgumentException("An entity needs a name.", nameof(name));
        }

        return _entities.TryAdd(name, factory)
            ? this
            : throw new ArgumentException($"An entity named '{name}' is already added.", nameof(name));
    }

    /// <summary>Adds a class-based entity under a name; its services come from dependency injection.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity(TaskName name, Type type) => AddEntity(name, FactoryOf<ITaskEntity>(type));

    /// <summary>Adds a class-based entity under the name its <see cref="DurableTaskAttribute"/> or its class has.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity(Type type) => AddEntity(NameOf(type).Name, type);

    /// <summary>Adds a class-based entity under a name.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity<TEntity>(TaskName name)
        where TEntity : class, ITaskEntity => AddEntity(name, typeof(TEntity));

    /// <summary>Adds a class-based entity under the name its <see cref="DurableTaskAttribute"/> or its class has.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity<TEntity>()
        where TEntity : class, ITaskEntity => AddEntity(typeof(TEntity));

    /// <summary>Adds one object that serves all entities of a name.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity(TaskName name, ITaskEntity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return AddEntity(name, _ => entity);
    }

    /// <summary>Adds one object that serves all entities of the name its <see cref="DurableTaskAttribute"/> or its class has.</summary>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public DurableTaskRegistry AddEntity(ITaskEntity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return AddEntity(NameOf(entity.GetType()).Name, entity);
    }

    internal Func<IServiceProvider, ITaskEntity>? FindEntity(TaskName name) => _entities.GetValueOrDefault(name);
}
