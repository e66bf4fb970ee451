using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>One pack as an index object lists it.</summary>
internal sealed record IndexedPack(ObjectName Name, uint StoredBytes, FrameDirectory Frames);

/// <summary>An index object: packs and where their chunks are, encrypted under the index key and padded.</summary>
internal static class IndexDocument
{
    /// <summary>A writer starts a new object beyond this, so that loading needs little memory at a time.</summary>
    internal const int BytesTarget = 4 * 1024 * 1024;
    private const string Purpose = "index key: index";

    internal static byte[] ToBytes(VaultSecrets secrets, IReadOnlyCollection<IndexedPack> packs)
    {
        var w = new ByteWriter(64 * 1024);
        w.VarUInt(packs.Count);
        foreach (var pack in packs)
        {
            w.U8((byte)pack.Name.Kind);
            w.Hash(pack.Name.Hash);
            w.U32(pack.StoredBytes);
            pack.Frames.Write(w);
        }

        return Envelope.Seal(ObjectKind.ChunkMap, secrets.Vault, secrets.IndexKey, Purpose, w);
    }

    internal static List<IndexedPack> Parse(ReadOnlySpan<byte> content, VaultSecrets secrets, string what)
    {
        var plain = Envelope.Open(content, ObjectKind.ChunkMap, secrets.Vault, secrets.IndexKey, Purpose, what);
        var r = new ByteReader(plain, what);
        var packs = new List<IndexedPack>();
        for (var count = r.Count(38); count > 0; count--)
        {
            var kind = (ObjectKind)r.U8();
            if (kind is not (ObjectKind.DataPack or ObjectKind.MetaPack)) throw r.Bad("it lists something that is no pack");
            var name = new ObjectName(kind, r.Hash());
            var stored = r.U32();
            if (stored > IObjectStore.ObjectBytesMax) throw r.Bad("it lists a pack over the size limit");
            packs.Add(new IndexedPack(name, stored, FrameDirectory.Read(ref r, stored)));
        }

        // What follows is padding.
        return packs;
    }
}
