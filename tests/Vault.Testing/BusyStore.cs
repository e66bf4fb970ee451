using System.Runtime.CompilerServices;
using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>A store into which somebody writes right after it was listed for the first time.</summary>
/// <param name="inner">What it is.</param>
/// <param name="after">The kind whose listing is waited for.</param>
/// <param name="write">What happens then.</param>
public sealed class BusyStore(IObjectStore inner, ObjectKind after, Func<Task> write) : IObjectStore
{
    /// <summary>Whether that has happened.</summary>
    public bool HasWritten { get; private set; }

    public string Description => inner.Description;

    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel) => inner.CreateAsync(name, content, cancel);

    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel) => inner.ReadAsync(name, cancel);

    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel) => inner.ReadRangeAsync(name, offset, destination, cancel);

    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel) => inner.FindLengthAsync(name, cancel);

    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel) => inner.DeleteAsync(name, cancel);

    public async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var found in inner.ListAsync(kind, cancel)) yield return found;
        if (kind != after || HasWritten) yield break;
        HasWritten = true;
        await write();
    }
}
