using Backup.Vault.Storage;

namespace Backup.Vault.AzureBlob;

/// <summary>How a vault's copy lies in a container: below a folder named by the vault's id, so that vaults can share a tier.</summary>
public static class Replica
{
    /// <summary>Where the copy of a vault lies.</summary>
    public static BlobLocation LocationOf(BlobLocation container, VaultId vault)
    {
        ArgumentNullException.ThrowIfNull(container);
        return container.Below(vault.ToString());
    }

    /// <summary>The copy as a store to read from.</summary>
    public static AzureBlobObjectStore Open(BlobLocation container, VaultId vault, BlobCredential credential, BlobStoreOptions? options = null) =>
        new(LocationOf(container, vault), credential, options);

    /// <summary>
    /// The kinds a replica holds, in the order of copying: a snapshot comes after all it refers to. Marks and ledger speak about
    /// one store only: a replica that inherited them would delete, or believe itself verified, on another store's word.
    /// </summary>
    internal static IReadOnlyList<ObjectKind> Kinds { get; } =
        [.. ObjectName.KindsInWriteOrder.Where(kind => kind is not (ObjectKind.PruneMarks or ObjectKind.Ledger))];
}
