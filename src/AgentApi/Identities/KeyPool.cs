using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// Reuses native key handles. Instances of the key classes promise nothing about threads, and importing a key costs more
/// than using it; so each use has a handle to itself.
/// </summary>
internal sealed class KeyPool<TKey>(Func<TKey> import)
    where TKey : AsymmetricAlgorithm
{
    private const int IdleMax = 16;

    private readonly ConcurrentBag<TKey> _idle = [];
    private volatile bool _disposed;

    public TKey Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _idle.TryTake(out var key) ? key : import();
    }

    public void Return(TKey key)
    {
        if (_disposed || _idle.Count >= IdleMax) key.Dispose();
        else _idle.Add(key);
    }

    public T Use<T>(Func<TKey, T> work)
    {
        var key = Rent();
        try
        {
            return work(key);
        }
        finally
        {
            Return(key);
        }
    }

    /// <summary>Releases the idle handles and refuses further use. Without it they go with their finalizers.</summary>
    public void Close()
    {
        _disposed = true;
        while (_idle.TryTake(out var key)) key.Dispose();
    }
}

/// <summary>The one curve of this protocol.</summary>
internal static class Curve
{
    public static TKey Import<TKey>(TKey key, Action<TKey> import)
        where TKey : ECAlgorithm
    {
        try
        {
            import(key);
            // A key on another curve would be accepted by the import, then fail or weaken later steps.
            if (key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value != ECCurve.NamedCurves.nistP256.Oid.Value)
                throw new CryptographicException("The key is not on the curve P-256.");
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}
