using System.Runtime.CompilerServices;
using Backup.Vault;
using Backup.Vault.Storage;

namespace Backup.Agent.Work;

/// <summary>Passes everything on to a store and remembers whether it has failed: of two stores in one copy, which one was it?</summary>
internal sealed class WatchedStore(IObjectStore inner) : IObjectStore
{
    private volatile bool _hasFailed;

    public bool HasFailed => _hasFailed;

    public string Description => inner.Description;

    public int WritesAtOnce => inner.WritesAtOnce;

    public bool ReadsPiecesFreely => inner.ReadsPiecesFreely;

    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel) => WatchAsync(inner.CreateAsync(name, content, cancel));

    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => WatchAsync(inner.ReadAsync(name, cancel));

    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel) =>
        WatchAsync(AsTrue(inner.ReadRangeAsync(name, offset, destination, cancel)));

    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => WatchAsync(inner.FindLengthAsync(name, cancel));

    public async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await using var objects = inner.ListAsync(kind, cancel).GetAsyncEnumerator(cancel);
        while (await WatchAsync(objects.MoveNextAsync().AsTask()).ConfigureAwait(false))
        {
            yield return objects.Current;
        }
    }

    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => WatchAsync(inner.DeleteAsync(name, cancel));

    private static async Task<bool> AsTrue(Task task)
    {
        await task.ConfigureAwait(false);
        return true;
    }

    private async Task<T> WatchAsync<T>(Task<T> call)
    {
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (VaultException)
        {
            _hasFailed = true;
            throw;
        }
    }
}
