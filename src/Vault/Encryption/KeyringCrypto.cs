using System.Security.Cryptography;
using System.Text;
using Backup.Vault.Format;
using Konscious.Security.Cryptography;

namespace Backup.Vault.Encryption;

/// <summary>Makes, opens and re-wraps the parts of a keyring. Pure: reads and writes no store.</summary>
internal static class KeyringCrypto
{
    private const string SlotPurpose = "slot: restore root", SecretsPurpose = "root: secrets", EpochPurpose = "root: epoch private key", PassphrasePurpose = "passphrase: slot private key";

    internal static SlotRecord NewKeyFileSlot(VaultId vault, uint number, string label, DateTimeOffset now, BoxKey pair, byte[] root) =>
        new(number, SlotKind.KeyFile, label, now, pair.Public, default, [], [], SealRoot(vault, number, pair.Public, root));

    internal static SlotRecord NewPassphraseSlot(VaultId vault, uint number, string label, DateTimeOffset now, string passphrase, PassphraseCost cost, ReadOnlySpan<byte> signingPublic, byte[] root)
    {
        var pair = BoxKey.New();
        var salt = RandomNumberGenerator.GetBytes(16);
        var stretched = Stretch(passphrase, salt, cost);
        // The signing key is bound in: a store that offers this slot in a keyring of its own making cannot have it open.
        var wrapped = AuthenticatedCipher.SealOnce(stretched, PassphrasePurpose, pair.Private, signingPublic);
        return new SlotRecord(number, SlotKind.Passphrase, label, now, pair.Public, cost, salt, wrapped, SealRoot(vault, number, pair.Public, root));
    }

    internal static SlotRecord Reseal(VaultId vault, SlotRecord slot, byte[] root) => slot with { SealedRoot = SealRoot(vault, slot.Number, slot.Public, root) };

    internal static byte[] SealSecrets(VaultId vault, byte[] root, VaultSecrets secrets, byte[] signingPrivate) =>
        AuthenticatedCipher.SealOnce(root, SecretsPurpose, [.. secrets.IdKey, .. secrets.IndexKey, .. signingPrivate], BoundTo(vault, 0));

    internal static EpochRecord NewEpoch(VaultId vault, uint number, DateTimeOffset now, BoxKey pair, byte[] root) => new(number, now, pair.Public, WrapEpoch(vault, number, pair, root));

    internal static byte[] WrapEpoch(VaultId vault, uint number, BoxKey pair, byte[] root) =>
        AuthenticatedCipher.SealOnce(root, EpochPurpose, pair.Private, BoundTo(vault, number));

    /// <summary>Opens every secret with a slot's private key; null when this slot does not open with it.</summary>
    internal static VaultSecrets? Open(KeyringDocument keyring, SlotRecord slot, ReadOnlySpan<byte> slotPrivate)
    {
        var root = SealedBox.Open(BoxKey.FromPair(slot.Public, slotPrivate), SlotPurpose, slot.SealedRoot, BoundTo(keyring.Vault, slot.Number));
        if (root is null || root.Length != RestoreSecrets.RootBytes) return null;
        var secrets = AuthenticatedCipher.OpenOnce(root, SecretsPurpose, keyring.SealedSecrets, BoundTo(keyring.Vault, 0));
        if (secrets is null || secrets.Length != 96) throw VaultException.Damaged("The keyring", "its secrets do not open with its own root key");
        var epochs = new Dictionary<uint, BoxKey>();
        foreach (var epoch in keyring.Epochs)
        {
            var secret = AuthenticatedCipher.OpenOnce(root, EpochPurpose, epoch.WrappedPrivate, BoundTo(keyring.Vault, epoch.Number));
            if (secret is null || secret.Length != BoxKey.PrivateBytes) throw VaultException.Damaged("The keyring", $"the key of epoch {epoch.Number} does not open");
            epochs.Add(epoch.Number, BoxKey.FromPair(epoch.Public, secret));
        }

        var current = keyring.CurrentEpoch;
        return new VaultSecrets(
            keyring.Vault, secrets[..32], secrets[32..64], keyring.SigningPublic, current.Number, current.Public,
            new RestoreSecrets(root, secrets[64..], epochs));
    }

    /// <summary>A passphrase slot's private key, or null when the passphrase is another.</summary>
    internal static byte[]? UnlockSlot(KeyringDocument keyring, SlotRecord slot, string passphrase) =>
        AuthenticatedCipher.OpenOnce(Stretch(passphrase, slot.Salt, slot.Cost), PassphrasePurpose, slot.WrappedPrivate, keyring.SigningPublic);

    private static byte[] SealRoot(VaultId vault, uint slot, byte[] slotPublic, byte[] root) =>
        SealedBox.Seal(BoxKey.FromPublic(slotPublic), SlotPurpose, root, BoundTo(vault, slot));

    private static byte[] BoundTo(VaultId vault, uint number)
    {
        var writer = new ByteWriter(VaultId.Length + 4);
        vault.CopyTo(writer.Take(VaultId.Length));
        writer.U32(number);
        return writer.ToArray();
    }

    private static byte[] Stretch(string passphrase, byte[] salt, PassphraseCost cost)
    {
        using var argon = new Argon2id(Encoding.UTF8.GetBytes(passphrase))
        {
            Salt = salt,
            MemorySize = (int)cost.MemoryKib,
            Iterations = (int)cost.Passes,
            DegreeOfParallelism = cost.Lanes,
        };
        return argon.GetBytes(32);
    }
}
