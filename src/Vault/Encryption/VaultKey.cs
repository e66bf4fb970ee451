using Backup.Vault.Format;

namespace Backup.Vault.Encryption;

/// <summary>What opens a vault: a <see cref="BackupKey"/>, a <see cref="RestoreKey"/> or a <see cref="PassphraseKey"/>.</summary>
public abstract class VaultKey
{
    private protected VaultKey()
    {
    }
}

/// <summary>
/// What an agent holds: it can add to the vault and deduplicate, list snapshots and check hashes; it cannot read content, trees or
/// file names, not even those it wrote itself in an earlier session.
/// </summary>
public sealed class BackupKey : VaultKey
{
    internal const int PayloadBytes = VaultId.Length + 32 + 32 + BoxKey.PublicBytes + 4 + BoxKey.PublicBytes;

    internal BackupKey(VaultId vault, byte[] idKey, byte[] indexKey, byte[] signingPublic, uint epoch, byte[] epochPublic)
    {
        Vault = vault;
        IdKey = idKey;
        IndexKey = indexKey;
        SigningPublic = signingPublic;
        Epoch = epoch;
        EpochPublic = epochPublic;
    }

    /// <summary>The vault this key belongs to.</summary>
    public VaultId Vault { get; }

    internal byte[] IdKey { get; }

    internal byte[] IndexKey { get; }

    internal byte[] SigningPublic { get; }

    /// <summary>The epoch at the time of issue: an older keyring than this is a rollback and refused.</summary>
    internal uint Epoch { get; }

    internal byte[] EpochPublic { get; }

    internal byte[] ToPayload()
    {
        var writer = new ByteWriter(PayloadBytes);
        Vault.CopyTo(writer.Take(VaultId.Length));
        writer.Raw(IdKey);
        writer.Raw(IndexKey);
        writer.Raw(SigningPublic);
        writer.U32(Epoch);
        writer.Raw(EpochPublic);
        return writer.ToArray();
    }

    internal static BackupKey FromPayload(ReadOnlySpan<byte> payload)
    {
        var reader = new ByteReader(payload, "The backup key");
        var key = new BackupKey(
            new VaultId(reader.Raw(VaultId.Length)), reader.Raw(32).ToArray(), reader.Raw(32).ToArray(),
            reader.Raw(BoxKey.PublicBytes).ToArray(), reader.U32(), reader.Raw(BoxKey.PublicBytes).ToArray());
        reader.End();
        return key.Epoch > 0 ? key : throw reader.Bad("it names epoch zero");
    }
}

/// <summary>Opens one key slot of the vault and through it everything: content, trees, key administration. Keep it off the agents.</summary>
public sealed class RestoreKey : VaultKey
{
    internal const int FingerprintBytes = 16;
    internal const int PayloadBytes = VaultId.Length + 4 + BoxKey.PrivateBytes + FingerprintBytes;

    internal RestoreKey(VaultId vault, uint slot, byte[] slotPrivate, byte[] signingFingerprint)
    {
        Vault = vault;
        Slot = slot;
        SlotPrivate = slotPrivate;
        SigningFingerprint = signingFingerprint;
    }

    /// <summary>The vault this key belongs to.</summary>
    public VaultId Vault { get; }

    /// <summary>The number of the slot it opens. Removing that slot makes this key useless.</summary>
    public uint Slot { get; }

    internal byte[] SlotPrivate { get; }

    /// <summary>Ties the key to the vault's signing key, so that a store cannot offer a keyring of its own making.</summary>
    internal byte[] SigningFingerprint { get; }

    internal byte[] ToPayload()
    {
        var writer = new ByteWriter(PayloadBytes);
        Vault.CopyTo(writer.Take(VaultId.Length));
        writer.U32(Slot);
        writer.Raw(SlotPrivate);
        writer.Raw(SigningFingerprint);
        return writer.ToArray();
    }

    internal static RestoreKey FromPayload(ReadOnlySpan<byte> payload)
    {
        var reader = new ByteReader(payload, "The restore key");
        var key = new RestoreKey(new VaultId(reader.Raw(VaultId.Length)), reader.U32(), reader.Raw(BoxKey.PrivateBytes).ToArray(), reader.Raw(FingerprintBytes).ToArray());
        reader.End();
        return key;
    }
}

/// <summary>A passphrase that opens one of the vault's passphrase slots; equal in power to a restore key.</summary>
public sealed class PassphraseKey : VaultKey
{
    /// <summary>The fewest characters a new slot accepts.</summary>
    public const int LengthMin = 8;

    /// <summary>Wraps a passphrase.</summary>
    /// <param name="passphrase">Not empty. Taken as it is, in UTF-8.</param>
    public PassphraseKey(string passphrase)
    {
        ArgumentException.ThrowIfNullOrEmpty(passphrase);
        Passphrase = passphrase;
    }

    internal string Passphrase { get; }
}
