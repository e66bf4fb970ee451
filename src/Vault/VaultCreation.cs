using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault;

/// <summary>The keys of a vault just made. They exist nowhere else: save them before anything is backed up.</summary>
/// <param name="Id">The vault.</param>
/// <param name="RestoreKey">Reads everything. For the people in charge.</param>
/// <param name="BackupKey">Adds only. For agents.</param>
/// <param name="RecoveryKey">A restore key with a slot of its own, to be printed with <see cref="RecoveryKit"/>.</param>
public sealed record NewVault(VaultId Id, RestoreKey RestoreKey, BackupKey BackupKey, RestoreKey RecoveryKey);

/// <summary>Makes vaults.</summary>
public static class VaultCreation
{
    /// <summary>Makes a vault in an empty store: keyring first, config last, so that a crash between leaves no half vault that opens.</summary>
    /// <param name="store">Must not hold a vault.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">AlreadyExists when there is a vault; or the store failed.</exception>
    public static async Task<NewVault> CreateAsync(IObjectStore store, TimeProvider time, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(time);
        await RefuseExistingAsync(store, cancel).ConfigureAwait(false);
        var now = time.GetUtcNow();
        var vault = VaultId.New();
        var root = RandomNumberGenerator.GetBytes(RestoreSecrets.RootBytes);
        var (signing, epoch, owner, kit) = (BoxKey.New(), BoxKey.New(), BoxKey.New(), BoxKey.New());
        var secrets = new VaultSecrets(vault, RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32), signing.Public, 1, epoch.Public, null);
        var keyring = new KeyringDocument(
            vault, 1, now, signing.Public,
            [KeyringCrypto.NewKeyFileSlot(vault, 1, "restore key", now, owner, root), KeyringCrypto.NewKeyFileSlot(vault, 2, "recovery kit", now, kit, root)],
            [KeyringCrypto.NewEpoch(vault, 1, now, epoch, root)],
            KeyringCrypto.SealSecrets(vault, root, secrets, signing.Private!));

        using (var signer = Signing.Open(signing.Public, signing.Private!))
        {
            var content = keyring.ToBytes(signer);
            await store.CreateAsync(ObjectName.For(ObjectKind.Keys, content), content, cancel).ConfigureAwait(false);
        }

        var config = ConfigDocument.ToBytes(vault, now);
        await store.CreateAsync(ObjectName.For(ObjectKind.Config, config), config, cancel).ConfigureAwait(false);
        var fingerprint = Signing.Fingerprint(signing.Public);
        return new NewVault(
            vault,
            new RestoreKey(vault, 1, owner.Private!, fingerprint),
            new BackupKey(vault, secrets.IdKey, secrets.IndexKey, signing.Public, 1, epoch.Public),
            new RestoreKey(vault, 2, kit.Private!, fingerprint));
    }

    private static async Task RefuseExistingAsync(IObjectStore store, CancellationToken cancel)
    {
        foreach (var kind in (ObjectKind[])[ObjectKind.Config, ObjectKind.Snapshot, ObjectKind.DataPack])
        {
            await foreach (var found in store.ListAsync(kind, cancel).ConfigureAwait(false))
                throw new VaultException(VaultFault.AlreadyExists, $"{store.Description} already holds a vault ({found.Name}).", "Choose another place; an existing vault is never overwritten.");
        }
    }
}
