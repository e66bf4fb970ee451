using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Backup.Vault;

/// <summary>What is kept from one use to the next because it is large or dear to make: buffers, and workers that hold some. Safe to use from several threads.</summary>
/// <remarks>
/// A stack, so that what was used last, and is in the processor's caches, is used first. Not a <see cref="ConcurrentBag{T}"/>: a bag keeps what lies in it,
/// here tens of megabytes, until finalizers have run, long after its owner is gone.
/// </remarks>
public sealed class Idle<T>
    where T : class
{
    private readonly ConcurrentStack<T> _things = [];

    /// <summary>Takes one, if any is idle. Its content is whatever the last user left.</summary>
    public bool TryTake([NotNullWhen(true)] out T? thing) => _things.TryPop(out thing);

    /// <summary>Gives one back; the caller uses it no more.</summary>
    public void Return(T thing) => _things.Push(thing);
}
