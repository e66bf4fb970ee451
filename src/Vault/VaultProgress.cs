namespace Backup.Vault;

/// <summary>How far a long operation is. Totals are known from the start.</summary>
/// <param name="Phase">What is being done, for people.</param>
/// <param name="ObjectsDone">Store objects finished in this phase.</param>
/// <param name="ObjectsTotal">Store objects in this phase.</param>
/// <param name="BytesDone">Bytes finished in this phase.</param>
/// <param name="BytesTotal">Bytes in this phase.</param>
public readonly record struct VaultProgress(string Phase, long ObjectsDone, long ObjectsTotal, long BytesDone, long BytesTotal);

/// <summary>Counts for several threads and reports each finished object.</summary>
internal sealed class ProgressCounter(IProgress<VaultProgress>? progress, string phase, long objectsTotal, long bytesTotal)
{
    private long _objects, _bytes;

    internal void Done(long bytes)
    {
        var (objects, total) = (Interlocked.Increment(ref _objects), Interlocked.Add(ref _bytes, bytes));
        progress?.Report(new VaultProgress(phase, objects, objectsTotal, total, bytesTotal));
    }
}
