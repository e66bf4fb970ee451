using System.Runtime.CompilerServices;
using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>What is asked of a store.</summary>
public enum StoreCall
{
    /// <summary>Writing an object, checked or not.</summary>
    Create,

    /// <summary>Reading an object or a part of it.</summary>
    Read,

    /// <summary>Asking for an object's length.</summary>
    FindLength,

    /// <summary>Beginning a listing.</summary>
    List,

    /// <summary>Removing an object.</summary>
    Delete,
}

/// <summary>A store in front of another that passes everything on. Tests' stores are this one with something in the way.</summary>
/// <remarks>It takes one write at a time, whatever the other does, so that calls have an order.</remarks>
/// <param name="inner">The store behind it.</param>
public abstract class ForwardingStore(IObjectStore inner) : IObjectStore
{
    /// <inheritdoc/>
    public virtual string Description => inner.Description;

    /// <inheritdoc/>
    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel) =>
        ThroughAsync(StoreCall.Create, name, () => inner.CreateAsync(name, content, cancel));

    /// <inheritdoc/>
    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => ThroughAsync(StoreCall.Read, name, () => inner.ReadAsync(name, cancel));

    /// <inheritdoc/>
    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel) => ThroughAsync(StoreCall.Read, name, async () =>
    {
        await inner.ReadRangeAsync(name, offset, destination, cancel);
        return true;
    });

    /// <inheritdoc/>
    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => ThroughAsync(StoreCall.FindLength, name, () => inner.FindLengthAsync(name, cancel));

    /// <inheritdoc/>
    public virtual async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await ThroughAsync(StoreCall.List, null, () => Task.FromResult(true));
        await foreach (var found in inner.ListAsync(kind, cancel)) yield return found;
    }

    /// <inheritdoc/>
    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => ThroughAsync(StoreCall.Delete, name, () => inner.DeleteAsync(name, cancel));

    /// <summary>Every call comes through here; what is in the way stands in an override.</summary>
    /// <param name="call">What is asked.</param>
    /// <param name="name">The object; null for a listing.</param>
    /// <param name="forward">Asks the store behind.</param>
    protected virtual Task<T> ThroughAsync<T>(StoreCall call, ObjectName? name, Func<Task<T>> forward)
    {
        ArgumentNullException.ThrowIfNull(forward);
        return forward();
    }
}
