using System.Security.Cryptography;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Encryption;

/// <summary>A key slot as people see it.</summary>
/// <param name="Number">Its number, never reused.</param>
/// <param name="IsPassphrase">Whether a passphrase opens it; otherwise a key file.</param>
/// <param name="Label">What it is for.</param>
/// <param name="CreatedAt">When it was added (UTC).</param>
public sealed record KeySlotInfo(uint Number, bool IsPassphrase, string Label, DateTimeOffset CreatedAt);

/// <summary>Adds, removes and changes key slots, rotates epochs, and issues backup keys. Needs a restore key and a store credential that may delete.</summary>
public sealed class KeyAdministration
{
    /// <summary>The longest slot label, in characters.</summary>
    public const int LabelLengthMax = 60;
    private readonly OpenVault _vault;

    /// <summary>For a vault opened with a restore key.</summary>
    /// <exception cref="VaultException">KeyRole with a backup key.</exception>
    public KeyAdministration(OpenVault vault)
    {
        ArgumentNullException.ThrowIfNull(vault);
        vault.Secrets.RequireRestore("administer keys");
        _vault = vault;
    }

    /// <summary>All slots.</summary>
    public async Task<IReadOnlyList<KeySlotInfo>> ListSlotsAsync(CancellationToken cancel) =>
        [.. (await LoadAsync(cancel).ConfigureAwait(false)).Keyring.Slots.Select(s => new KeySlotInfo(s.Number, s.Kind == SlotKind.Passphrase, s.Label, s.Created))];

    /// <summary>Adds a key-file slot; the key exists only in the answer.</summary>
    /// <exception cref="VaultException">Conflict when another process changed the keys meanwhile; LimitExceeded at 64 slots.</exception>
    public async Task<RestoreKey> AddKeyFileAsync(string label, CancellationToken cancel)
    {
        CheckLabel(label);
        var pair = BoxKey.New();
        uint number = 0;
        await ChangeAsync((keyring, root) =>
        {
            number = NextNumber(keyring);
            return keyring with { Slots = [.. keyring.Slots, KeyringCrypto.NewKeyFileSlot(_vault.Id, number, label, _vault.Time.GetUtcNow(), pair, root)] };
        }, cancel).ConfigureAwait(false);
        return new RestoreKey(_vault.Id, number, pair.Private!, Signing.Fingerprint(_vault.Secrets.SigningPublic));
    }

    /// <summary>Adds a passphrase slot.</summary>
    /// <returns>The slot's number.</returns>
    /// <exception cref="ArgumentException">The passphrase is shorter than <see cref="PassphraseKey.LengthMin"/>.</exception>
    /// <exception cref="VaultException">Conflict or LimitExceeded.</exception>
    public Task<uint> AddPassphraseAsync(string label, PassphraseKey passphrase, CancellationToken cancel) => AddPassphraseAsync(label, passphrase, PassphraseCost.Default, cancel);

    internal async Task<uint> AddPassphraseAsync(string label, PassphraseKey passphrase, PassphraseCost cost, CancellationToken cancel)
    {
        CheckLabel(label);
        CheckPassphrase(passphrase);
        uint number = 0;
        await ChangeAsync((keyring, root) =>
        {
            number = NextNumber(keyring);
            return keyring with { Slots = [.. keyring.Slots, NewPassphraseSlot(keyring, number, label, passphrase, cost, root)] };
        }, cancel).ConfigureAwait(false);
        return number;
    }

    /// <summary>Gives a passphrase slot another passphrase.</summary>
    /// <exception cref="VaultException">NotFound when there is no such passphrase slot; Conflict.</exception>
    public Task ChangePassphraseAsync(uint slot, PassphraseKey passphrase, CancellationToken cancel) => ChangePassphraseAsync(slot, passphrase, PassphraseCost.Default, cancel);

    internal Task ChangePassphraseAsync(uint slot, PassphraseKey passphrase, PassphraseCost cost, CancellationToken cancel)
    {
        CheckPassphrase(passphrase);
        return ChangeAsync((keyring, root) =>
        {
            var old = keyring.Slots.FirstOrDefault(s => s.Number == slot) ?? throw NoSlot(slot);
            if (old.Kind != SlotKind.Passphrase) throw new VaultException(VaultFault.NotFound, $"Key slot {slot} is opened by a key file and has no passphrase.", "List the slots with 'vault key list'.");
            return keyring with { Slots = [.. keyring.Slots.Select(s => s == old ? NewPassphraseSlot(keyring, slot, old.Label, passphrase, cost, root) : s)] };
        }, cancel);
    }

    /// <summary>Removes a slot: its key opens this keyring no longer. Someone who kept a copy of the old keyring can still use it on that; rotate to shut them out of what is written from now on.</summary>
    /// <exception cref="VaultException">NotFound; Conflict, also for the last slot.</exception>
    public Task RemoveSlotAsync(uint slot, CancellationToken cancel) => ChangeAsync((keyring, _) =>
    {
        if (keyring.Slots.All(s => s.Number != slot)) throw NoSlot(slot);
        if (keyring.Slots.Count == 1) throw new VaultException(VaultFault.Conflict, "The last key slot cannot be removed: nobody could read the vault.", "Add another slot first.");
        return keyring with { Slots = [.. keyring.Slots.Where(s => s.Number != slot)] };
    }, cancel);

    /// <summary>
    /// Rotates: a new root key and a new epoch key pair; all old epochs' private keys are re-wrapped under the new root, which is sealed to every
    /// remaining slot. No data is rewritten; every key file and passphrase goes on working; removed ones cannot read what is written from now on.
    /// </summary>
    /// <returns>The new epoch's number.</returns>
    /// <exception cref="VaultException">Conflict or LimitExceeded.</exception>
    public async Task<uint> RotateAsync(CancellationToken cancel)
    {
        uint number = 0;
        await ChangeAsync((keyring, _) =>
        {
            if (keyring.Epochs.Count == KeyringDocument.EpochsMax) throw new VaultException(VaultFault.LimitExceeded, "The vault has as many epochs as the format allows.", "Start a new vault and copy the data by restoring.");
            var root = RandomNumberGenerator.GetBytes(RestoreSecrets.RootBytes);
            var secrets = _vault.Secrets;
            number = keyring.CurrentEpoch.Number + 1;
            var now = _vault.Time.GetUtcNow();
            var opened = OpenEpochs(keyring);
            return keyring with
            {
                Slots = [.. keyring.Slots.Select(s => KeyringCrypto.Reseal(_vault.Id, s, root))],
                Epochs =
                [
                    .. keyring.Epochs.Select(e => e with { WrappedPrivate = KeyringCrypto.WrapEpoch(_vault.Id, e.Number, opened[e.Number], root) }),
                    KeyringCrypto.NewEpoch(_vault.Id, number, now, BoxKey.New(), root),
                ],
                SealedSecrets = KeyringCrypto.SealSecrets(_vault.Id, root, secrets, secrets.Restore!.SigningPrivate),
            };
        }, cancel).ConfigureAwait(false);
        return number;
    }

    /// <summary>A backup key for another agent, bound to the newest epoch known when the vault was opened.</summary>
    public BackupKey IssueBackupKey()
    {
        var s = _vault.Secrets;
        return new BackupKey(_vault.Id, s.IdKey, s.IndexKey, s.SigningPublic, s.Epoch, s.EpochPublic.Public);
    }

    private Dictionary<uint, BoxKey> OpenEpochs(KeyringDocument keyring)
    {
        var known = _vault.Secrets.Restore!.Epochs;
        if (keyring.Epochs.Any(e => !known.ContainsKey(e.Number))) throw Changed();
        return new Dictionary<uint, BoxKey>(known);
    }

    private async Task ChangeAsync(Func<KeyringDocument, byte[], KeyringDocument> change, CancellationToken cancel)
    {
        var (keyring, name) = await LoadAsync(cancel).ConfigureAwait(false);
        var restore = _vault.Secrets.Restore!;

        // A rotation by another process replaced the root; what we would seal with ours would open nothing.
        if (keyring.CurrentEpoch.Number != _vault.Secrets.Epoch) throw Changed();
        var next = change(keyring, restore.Root) with { Generation = keyring.Generation + 1, Created = _vault.Time.GetUtcNow() };
        if (next.Slots.Count > KeyringDocument.SlotsMax) throw new VaultException(VaultFault.LimitExceeded, $"A vault has at most {KeyringDocument.SlotsMax} key slots.", "Remove one that is no longer needed.");
        using var signer = Signing.Open(_vault.Secrets.SigningPublic, restore.SigningPrivate);
        await KeyringStore.ReplaceAsync(_vault.Store, next, next.ToBytes(signer), name, cancel).ConfigureAwait(false);
    }

    private Task<(KeyringDocument Keyring, ObjectName Name)> LoadAsync(CancellationToken cancel) =>
        KeyringStore.LoadAsync(_vault.Store, _vault.Id, point => point.AsSpan().SequenceEqual(_vault.Secrets.SigningPublic), cancel);

    private SlotRecord NewPassphraseSlot(KeyringDocument keyring, uint number, string label, PassphraseKey passphrase, PassphraseCost cost, byte[] root) =>
        KeyringCrypto.NewPassphraseSlot(_vault.Id, number, label, _vault.Time.GetUtcNow(), passphrase.Passphrase, cost, keyring.SigningPublic, root);

    private static uint NextNumber(KeyringDocument keyring) => keyring.Slots.Max(s => s.Number) + 1;

    private static void CheckLabel(string label)
    {
        if (string.IsNullOrWhiteSpace(label) || label.Length > LabelLengthMax) throw new ArgumentException($"A label has 1 to {LabelLengthMax} characters.", nameof(label));
    }

    private static void CheckPassphrase(PassphraseKey passphrase)
    {
        ArgumentNullException.ThrowIfNull(passphrase);
        if (passphrase.Passphrase.Length < PassphraseKey.LengthMin) throw new ArgumentException($"A passphrase has at least {PassphraseKey.LengthMin} characters.", nameof(passphrase));
    }

    private static VaultException NoSlot(uint slot) => new(VaultFault.NotFound, $"There is no such key slot ({slot}).", "List the slots with 'vault key list'.");

    private static VaultException Changed() => new(VaultFault.Conflict, "The vault's keys were rotated since it was opened.", "Open it again and repeat the change.");
}
