using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Encryption;

/// <summary>Finds the keyring that counts and replaces it. The newest generation wins; older ones are leftovers of a crash.</summary>
internal static class KeyringStore
{
    /// <summary>The keyring with the highest generation that is signed by the pinned key; ties go to the smaller name, so all readers agree.</summary>
    /// <param name="store">Where to look.</param>
    /// <param name="vault">The vault it must belong to.</param>
    /// <param name="isPinned">Whether a signing key is the one our key vouches for.</param>
    /// <param name="cancel">Gives up.</param>
    internal static async Task<(KeyringDocument Keyring, ObjectName Name)> LoadAsync(IObjectStore store, VaultId vault, Func<byte[], bool> isPinned, CancellationToken cancel)
    {
        (KeyringDocument Keyring, ObjectName Name)? best = null;
        VaultException? failure = null;
        var strangers = 0;
        await foreach (var found in store.ListAsync(ObjectKind.Keys, cancel).ConfigureAwait(false))
        {
            try
            {
                var content = await StoreReading.ReadVerifiedAsync(store, found.Name, cancel).ConfigureAwait(false);
                var keyring = KeyringDocument.Parse(content, vault, $"Keyring {found.Name}");
                if (!isPinned(keyring.SigningPublic)) strangers++;
                else if (best is not { } b || keyring.Generation > b.Keyring.Generation || (keyring.Generation == b.Keyring.Generation && found.Name.Hash < b.Name.Hash)) best = (keyring, found.Name);
            }
            catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
            {
                // One readable keyring is enough to work with; a damaged one is reported when there is no other (and by verify).
                failure = e;
            }
        }

        if (best is { } chosen) return chosen;
        if (strangers > 0) throw new VaultException(VaultFault.WrongKey, "The vault's keyring is signed by a key that this key does not vouch for.", "Use the key made for this vault. If it is the right one, the store's keyring was replaced: do not trust this copy.");
        throw failure ?? new VaultException(VaultFault.NotFound, "The vault has no keyring.", "Copy the 'keys' folder back from any replica: vault repair.");
    }

    /// <summary>Stores the next generation, then removes what it replaces. A crash between leaves both; the newer counts.</summary>
    internal static async Task ReplaceAsync(IObjectStore store, KeyringDocument next, byte[] content, ObjectName replaced, CancellationToken cancel)
    {
        var name = ObjectName.For(ObjectKind.Keys, content);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        await foreach (var found in store.ListAsync(ObjectKind.Keys, cancel).ConfigureAwait(false))
        {
            if (found.Name == name || found.Name == replaced) continue;
            if (!await IsAsNewAsync(store, found.Name, next, cancel).ConfigureAwait(false)) continue;
            await store.DeleteAsync(name, cancel).ConfigureAwait(false);
            throw new VaultException(VaultFault.Conflict, "Another process changed the vault's keys at the same time; this change was taken back.", "Look at the slots (vault key list) and repeat the change if it is still wanted.");
        }

        try
        {
            await store.DeleteAsync(replaced, cancel).ConfigureAwait(false);
        }
        catch (VaultException e) when (e.Fault == VaultFault.AccessDenied)
        {
            throw new VaultException(
                VaultFault.AccessDenied, $"The keys were changed, but the keyring they replace ({replaced}) could not be deleted: this credential may not.",
                "Delete it with a credential that may: until then removed keys still open it.", e);
        }
    }

    private static async Task<bool> IsAsNewAsync(IObjectStore store, ObjectName name, KeyringDocument next, CancellationToken cancel)
    {
        try
        {
            var content = await StoreReading.ReadVerifiedAsync(store, name, cancel).ConfigureAwait(false);
            var other = KeyringDocument.Parse(content, next.Vault, $"Keyring {name}");
            return other.Generation >= next.Generation && other.SigningPublic.AsSpan().SequenceEqual(next.SigningPublic);
        }
        catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NotFound)
        {
            // Nobody can use it, so it competes with nothing; verify reports it.
            return false;
        }
    }
}
