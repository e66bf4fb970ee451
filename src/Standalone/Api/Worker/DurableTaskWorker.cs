using Microsoft.DurableTask.Entities;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Hosting;

namespace Microsoft.DurableTask.Worker;

/// <summary>The base of workers that run instead of the PostgreSQL worker.</summary>
public abstract class DurableTaskWorker : BackgroundService
{
    /// <summary>A worker of this name.</summary>
    /// <param name="name">The name; null: the default name.</param>
    /// <param name="factory">Makes the tasks.</param>
    protected DurableTaskWorker(string? name, IDurableTaskFactory factory)
    {
        ArgumentNullException.ThrowIfNull(factory);
        Name = name ?? string.Empty;
        Factory = factory;
    }

    /// <summary>The worker's name.</summary>
    protected virtual string Name { get; }

    /// <summary>Makes the tasks.</summary>
    protected virtual IDurableTaskFactory Factory { get; }
}

/// <summary>Makes entities by name, too.</summary>
public interface IDurableTaskFactory2 : IDurableTaskFactory
{
    /// <summary>Makes an entity; false when there is none of the name.</summary>
    bool TryCreateEntity(
        TaskName name,
        IServiceProvider serviceProvider,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ITaskEntity? entity);
}

/// <summary>A provider of exception properties that asks another one.</summary>
public sealed class ExceptionPropertiesProviderAdapter : IExceptionPropertiesProvider
{
    private readonly IExceptionPropertiesProvider _inner;

    /// <summary>Wraps a provider.</summary>
    public ExceptionPropertiesProviderAdapter(IExceptionPropertiesProvider inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <inheritdoc/>
    public IDictionary<string, object?>? GetExceptionProperties(Exception exception) => _inner.GetExceptionProperties(exception);
}

/// <summary>
/// The cache in which workers of other backends keep orchestrations between turns. The PostgreSQL worker has a cache of its own, which
/// it may always use, since the fence tells it whether what it remembers is current.
/// </summary>
public class ExtendedSessionsCache : IDisposable
{
    private MemoryCache? _cache;

    /// <summary>Whether the cache was made.</summary>
    public bool IsInitialized => _cache is not null;

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The cache; it is made at the first call.</summary>
    /// <param name="expirationScanFrequencyInSeconds">How often expired entries are looked for, in seconds.</param>
    public MemoryCache GetOrInitializeCache(double expirationScanFrequencyInSeconds) => _cache ??= new MemoryCache(
        new MemoryCacheOptions { ExpirationScanFrequency = TimeSpan.FromSeconds(expirationScanFrequencyInSeconds / 5) });
}
