using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>A place for one vault's copy, in blob storage or on another node: its store objects, and the manifests they are judged by.</summary>
public interface IReplicaStore : IObjectStore, IQuarantine
{
    /// <summary>A manifest's name as replications report it: from the root of the place that copies of several vaults share.</summary>
    string ManifestPathOf(ContentHash hash);

    /// <summary>Adds a manifest, durably. One that exists is left as it is.</summary>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    Task CreateManifestAsync(ContentHash hash, ReadOnlyMemory<byte> content, CancellationToken cancel);

    /// <summary>Reads a manifest's bytes as they are stored.</summary>
    /// <exception cref="VaultException">NotFound, or the store failed.</exception>
    Task<byte[]> ReadManifestAsync(ContentHash hash, CancellationToken cancel);

    /// <summary>Every store object that a replica may hold.</summary>
    /// <exception cref="VaultException">The store failed.</exception>
    Task<IReadOnlyList<ReplicaObject>> ListReplicaAsync(CancellationToken cancel);

    /// <summary>Removes manifests that are older than the given time, except some. Needs a right to delete.</summary>
    /// <param name="kept">Names as <see cref="ManifestPathOf"/> gives them.</param>
    /// <param name="olderThan">Younger ones may belong to a replication that nobody has recorded yet.</param>
    /// <param name="cancel">Gives up between two.</param>
    /// <returns>How many were removed.</returns>
    /// <exception cref="VaultException">The store failed or refused.</exception>
    Task<int> RemoveManifestsAsync(IReadOnlyCollection<string> kept, DateTimeOffset olderThan, CancellationToken cancel);
}
