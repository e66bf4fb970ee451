using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>A store in memory that keeps the whole contract, durability apart. Tests may reach into <see cref="Objects"/>.</summary>
public sealed class MemoryObjectStore : IObjectStore
{
    public ConcurrentDictionary<ObjectName, byte[]> Objects { get; } = new();

    public string Description => "memory";

    /// <summary>A store of its own with the same objects now.</summary>
    public MemoryObjectStore Clone()
    {
        var clone = new MemoryObjectStore();
        foreach (var (name, content) in Objects) clone.Objects[name] = content;
        return clone;
    }

    public Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (content.Length is 0 or > IObjectStore.ObjectBytesMax) throw new ArgumentException("Length out of range.", nameof(content));
        return Task.FromResult(Objects.TryAdd(name, content.ToArray()) ? CreateOutcome.Created : CreateOutcome.AlreadyExists);
    }

    public Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult((byte[])Get(name).Clone());
    }

    public Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var content = Get(name);
        if (offset + destination.Length > content.Length) throw new VaultException(VaultFault.Damaged, $"{name} ends before the range does.", "It is truncated.");
        content.AsSpan((int)offset, destination.Length).CopyTo(destination.Span);
        return Task.CompletedTask;
    }

    public Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult(Objects.TryGetValue(name, out var content) ? content.Length : (long?)null);
    }

    public async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        foreach (var (name, content) in Objects)
        {
            cancel.ThrowIfCancellationRequested();
            if (name.Kind == kind) yield return new StoreObject(name, content.Length);
        }
    }

    public Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult(Objects.TryRemove(name, out _));
    }

    private byte[] Get(ObjectName name) =>
        Objects.TryGetValue(name, out var content) ? content : throw new VaultException(VaultFault.NotFound, $"{name} does not exist.", "It was never there, or was deleted.");
}
