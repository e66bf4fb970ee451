using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>How a slot's private key is kept. The numbers are stored.</summary>
internal enum SlotKind : byte
{
    KeyFile = 1,
    Passphrase = 2,
}

/// <summary>Argon2id cost, stored with each passphrase slot so that it can grow with the years.</summary>
internal readonly record struct PassphraseCost(uint MemoryKib, uint Passes, byte Lanes)
{
    /// <summary>64 MiB and three passes: RFC 9106's second recommendation; under half a second here, hours per thousand guesses.</summary>
    internal static PassphraseCost Default { get; } = new(64 * 1024, 3, 2);

    /// <summary>A stored cost may not exhaust the reader's memory: at most 1 GiB, 16 passes, 16 lanes.</summary>
    internal bool IsAcceptable => MemoryKib is >= 8 and <= 1024 * 1024 && Passes is >= 1 and <= 16 && Lanes is >= 1 and <= 16;
}

internal sealed record SlotRecord(
    uint Number, SlotKind Kind, string Label, DateTimeOffset Created, byte[] Public, PassphraseCost Cost, byte[] Salt, byte[] WrappedPrivate, byte[] SealedRoot);

internal sealed record EpochRecord(uint Number, DateTimeOffset Created, byte[] Public, byte[] WrappedPrivate);

/// <summary>The keyring object: every slot and epoch, signed. See FORMAT.md, "Keyring".</summary>
internal sealed record KeyringDocument(
    VaultId Vault, uint Generation, DateTimeOffset Created, byte[] SigningPublic, IReadOnlyList<SlotRecord> Slots, IReadOnlyList<EpochRecord> Epochs, byte[] SealedSecrets)
{
    internal const int SlotsMax = 64, EpochsMax = 4096;
    private const int SignatureBytes = 64, LabelBytesMax = 200, SaltBytes = 16, WrappedBytesMax = 256;

    internal EpochRecord CurrentEpoch => Epochs[^1];

    internal byte[] ToBytes(ECDsa signer)
    {
        var w = new ByteWriter(2048);
        ObjectPrefix.Write(w.Take(ObjectPrefix.Length), ObjectKind.Keys, Vault);
        w.U32(Generation);
        w.I64(Created.ToUnixTimeMilliseconds());
        w.Raw(SigningPublic);
        w.U16((ushort)Slots.Count);
        foreach (var slot in Slots)
        {
            w.U32(slot.Number);
            w.U8((byte)slot.Kind);
            w.Text(slot.Label);
            w.I64(slot.Created.ToUnixTimeMilliseconds());
            w.Raw(slot.Public);
            if (slot.Kind == SlotKind.Passphrase)
            {
                w.U32(slot.Cost.MemoryKib);
                w.U32(slot.Cost.Passes);
                w.U8(slot.Cost.Lanes);
                w.Raw(slot.Salt);
                w.Blob(slot.WrappedPrivate);
            }

            w.Blob(slot.SealedRoot);
        }

        w.U16((ushort)Epochs.Count);
        foreach (var epoch in Epochs)
        {
            w.U32(epoch.Number);
            w.I64(epoch.Created.ToUnixTimeMilliseconds());
            w.Raw(epoch.Public);
            w.Blob(epoch.WrappedPrivate);
        }

        w.Blob(SealedSecrets);
        var signature = signer.SignData(w.WrittenSpan, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        w.Raw(signature);
        return w.ToArray();
    }

    /// <summary>Parses and checks the signature against the signing key the keyring itself carries; the caller pins that key.</summary>
    internal static KeyringDocument Parse(ReadOnlySpan<byte> content, VaultId vault, string what)
    {
        ObjectPrefix.Check(content, ObjectKind.Keys, vault, what);
        var r = new ByteReader(content, what);
        r.Raw(ObjectPrefix.Length);
        var generation = r.U32();
        var created = ReadTime(ref r);
        var signingPublic = r.Raw(BoxKey.PublicBytes).ToArray();
        var slots = new List<SlotRecord>();
        for (int count = r.U16(); slots.Count < count;) slots.Add(ReadSlot(ref r));
        if (slots.Count is 0 or > SlotsMax) throw r.Bad($"it has {slots.Count} slots");
        var epochs = new List<EpochRecord>();
        for (int count = r.U16(); epochs.Count < count;)
            epochs.Add(new EpochRecord(r.U32(), ReadTime(ref r), r.Raw(BoxKey.PublicBytes).ToArray(), r.Blob(WrappedBytesMax).ToArray()));
        if (epochs.Count is 0 or > EpochsMax || epochs.Where((e, i) => e.Number != i + 1).Any()) throw r.Bad("its epochs are not numbered from one");
        var secrets = r.Blob(1024).ToArray();
        var signed = content[..r.Position];
        var signature = r.Raw(SignatureBytes);
        r.End();
        if (!IsSigned(signed, signature, signingPublic)) throw r.Bad("its signature is wrong");
        return new KeyringDocument(vault, generation, created, signingPublic, slots, epochs, secrets);
    }

    private static SlotRecord ReadSlot(ref ByteReader r)
    {
        var number = r.U32();
        var kind = (SlotKind)r.U8();
        if (kind is not (SlotKind.KeyFile or SlotKind.Passphrase)) throw r.Bad($"slot {number} is of an unknown kind");
        var label = r.Text(LabelBytesMax);
        var created = ReadTime(ref r);
        var point = r.Raw(BoxKey.PublicBytes).ToArray();
        PassphraseCost cost = default;
        byte[] salt = [], wrapped = [];
        if (kind == SlotKind.Passphrase)
        {
            cost = new PassphraseCost(r.U32(), r.U32(), r.U8());
            if (!cost.IsAcceptable) throw r.Bad($"slot {number} asks for an absurd passphrase cost");
            salt = r.Raw(SaltBytes).ToArray();
            wrapped = r.Blob(WrappedBytesMax).ToArray();
        }

        return new SlotRecord(number, kind, label, created, point, cost, salt, wrapped, r.Blob(WrappedBytesMax).ToArray());
    }

    internal static DateTimeOffset ReadTime(ref ByteReader r)
    {
        var milliseconds = r.I64();
        // Years 1 to 9999: what DateTimeOffset can hold.
        if (milliseconds is < -62135596800000 or > 253402300799999) throw r.Bad("a time in it is out of range");
        return DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
    }

    private static bool IsSigned(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> point)
    {
        if (point[0] != 4) return false;
        try
        {
            using var verifier = ECDsa.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() },
            });
            return verifier.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            // Not a point of the curve, so not a signature of anyone's.
            return false;
        }
    }
}
