using System.Runtime.CompilerServices;
using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>A store into which somebody writes right after it was listed for the first time.</summary>
/// <param name="inner">What it is.</param>
/// <param name="after">The kind whose listing is waited for.</param>
/// <param name="write">What happens then.</param>
public sealed class BusyStore(IObjectStore inner, ObjectKind after, Func<Task> write) : ForwardingStore(inner)
{
    /// <summary>Whether that has happened.</summary>
    public bool HasWritten { get; private set; }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var found in base.ListAsync(kind, cancel)) yield return found;
        if (kind != after || HasWritten) yield break;
        HasWritten = true;
        await write();
    }
}
