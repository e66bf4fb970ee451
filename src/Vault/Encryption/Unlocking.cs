using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Encryption;

/// <summary>From a key to the vault's secrets.</summary>
internal static class Unlocking
{
    internal static async Task<VaultSecrets> UnlockAsync(IObjectStore store, VaultId vault, VaultKey key, CancellationToken cancel)
    {
        if (key is BackupKey { Vault: var b } && b != vault) throw ForOther(b, vault);
        if (key is RestoreKey { Vault: var r } && r != vault) throw ForOther(r, vault);
        var (keyring, _) = await KeyringStore.LoadAsync(store, vault, point => IsPinned(key, point), cancel).ConfigureAwait(false);
        return key switch
        {
            BackupKey backup => WithBackupKey(keyring, backup),
            RestoreKey restore => WithRestoreKey(keyring, restore),
            PassphraseKey passphrase => WithPassphrase(keyring, passphrase),
            _ => throw new ArgumentException("Not a key this vault knows.", nameof(key)),
        };
    }

    internal static bool IsPinned(VaultKey key, byte[] signingPublic) => key switch
    {
        BackupKey backup => backup.SigningPublic.AsSpan().SequenceEqual(signingPublic),
        RestoreKey restore => restore.SigningFingerprint.AsSpan().SequenceEqual(Signing.Fingerprint(signingPublic)),
        _ => true,
    };

    private static VaultSecrets WithBackupKey(KeyringDocument keyring, BackupKey key)
    {
        var current = keyring.CurrentEpoch;
        if (current.Number < key.Epoch || !keyring.Epochs[(int)key.Epoch - 1].Public.AsSpan().SequenceEqual(key.EpochPublic))
            throw new VaultException(VaultFault.WrongKey, "The vault's keyring is older than this key: it was rolled back.", "Do not back up here until you know why; restore the 'keys' folder from a replica.");
        return new VaultSecrets(keyring.Vault, key.IdKey, key.IndexKey, key.SigningPublic, current.Number, current.Public, null);
    }

    private static VaultSecrets WithRestoreKey(KeyringDocument keyring, RestoreKey key)
    {
        var slot = keyring.Slots.FirstOrDefault(s => s.Number == key.Slot)
            ?? throw new VaultException(VaultFault.WrongKey, $"Key slot {key.Slot} was removed from the vault.", "Use another key, a passphrase or the recovery kit.");
        return KeyringCrypto.Open(keyring, slot, key.SlotPrivate) ?? throw new VaultException(VaultFault.WrongKey, $"The key does not open slot {key.Slot}.", "Use the key file that was made for this vault.");
    }

    private static VaultSecrets WithPassphrase(KeyringDocument keyring, PassphraseKey key)
    {
        foreach (var slot in keyring.Slots.Where(s => s.Kind == SlotKind.Passphrase))
        {
            if (KeyringCrypto.UnlockSlot(keyring, slot, key.Passphrase) is { } slotPrivate && KeyringCrypto.Open(keyring, slot, slotPrivate) is { } secrets) return secrets;
        }

        throw new VaultException(VaultFault.WrongKey, "The passphrase opens no slot of this vault.", "Check capital letters and the keyboard layout; or use a key file or the recovery kit.");
    }

    private static VaultException ForOther(VaultId keys, VaultId vault) =>
        new(VaultFault.WrongKey, $"The key belongs to vault {keys}; this is vault {vault}.", "Use the key that was made for this vault.");
}
