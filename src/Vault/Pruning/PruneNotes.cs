using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>What prune leaves for others to read. No key is needed: the notes name packs, which listings showed anyway.</summary>
public static class PruneNotes
{
    /// <summary>The packs that prunes deleted from this store within the last <see cref="PruneSafety.GraceDefault"/> before the newest prune, in no order.</summary>
    /// <exception cref="VaultException">NotAVault, or the store failed.</exception>
    public static async Task<IReadOnlyList<ObjectName>> DeletedPacksAsync(IObjectStore store, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        var vault = await OpenVault.IdentifyAsync(store, cancel).ConfigureAwait(false);
        var marks = await MarkSet.LoadAsync(store, vault, cancel).ConfigureAwait(false);
        return [.. marks.Marks.Values.Where(mark => mark.DeletedAt is not null).Select(mark => mark.Pack)];
    }
}
