using Backup.Vault.Encryption;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>One pack as an index object lists it.</summary>
internal sealed record IndexedPack(ObjectName Name, uint StoredBytes, FrameDirectory Frames)
{
    /// <summary>Whether a listing of packs and their lengths shows it, as long as it should be.</summary>
    internal bool IsIn(IReadOnlyDictionary<ObjectName, long> listed) => listed.TryGetValue(Name, out var length) && length == StoredBytes;
}

/// <summary>An index object: packs and where their chunks are, encrypted under the index key and padded.</summary>
internal static class IndexDocument
{
    /// <summary>A writer starts a new object beyond this, so that loading needs little memory at a time.</summary>
    internal const int BytesTarget = 4 * 1024 * 1024;
    private const string Purpose = "index key: index";

    internal static void WritePack(ByteWriter w, IndexedPack pack)
    {
        w.U8((byte)pack.Name.Kind);
        w.Hash(pack.Name.Hash);
        w.U32(pack.StoredBytes);
        pack.Frames.Write(w);
    }

    /// <summary>An object of so many packs, which stand in <paramref name="packs"/> one after another.</summary>
    internal static byte[] Seal(VaultSecrets secrets, int count, ReadOnlySpan<byte> packs)
    {
        var w = new ByteWriter(packs.Length + (packs.Length / 64) + 1024);
        w.VarUInt(count);
        w.Raw(packs);
        return Envelope.Seal(ObjectKind.ChunkMap, secrets.Vault, secrets.IndexKey, Purpose, w);
    }

    /// <summary>Decrypts an object for an <see cref="IndexReader"/>, into a span of <see cref="Envelope.PlainBytes"/>.</summary>
    internal static void Open(ReadOnlySpan<byte> content, VaultSecrets secrets, string what, Span<byte> plain) =>
        Envelope.Open(content, ObjectKind.ChunkMap, secrets.Vault, secrets.IndexKey, Purpose, what, plain);
}

/// <summary>Reads the packs of an index object one after another, into one directory that the next pack takes over.</summary>
internal ref struct IndexReader
{
    private readonly ReadOnlySpan<byte> _plain;
    private readonly FrameDirectory _frames;
    private ByteReader _reader;
    private int _left, _from;

    /// <param name="plain">The decrypted object.</param>
    /// <param name="frames">Where directories are read to.</param>
    /// <param name="what">The object, for messages.</param>
    internal IndexReader(ReadOnlySpan<byte> plain, FrameDirectory frames, string what)
    {
        _plain = plain;
        _frames = frames;
        _reader = new ByteReader(plain, what);
        _left = _reader.Count(38);
    }

    /// <summary>The pack; its directory is valid until the next one is read.</summary>
    internal IndexedPack Current { get; private set; } = null!;

    /// <summary>The pack as it stands in the object.</summary>
    internal readonly ReadOnlySpan<byte> Encoded => _plain[_from.._reader.Position];

    /// <summary>False after the last pack; what follows it is padding.</summary>
    internal bool MoveNext()
    {
        if (_left == 0) return false;
        _left--;
        _from = _reader.Position;
        var kind = (ObjectKind)_reader.U8();
        if (kind is not (ObjectKind.DataPack or ObjectKind.MetaPack)) throw _reader.Bad("it lists something that is no pack");
        var name = new ObjectName(kind, _reader.Hash());
        var stored = _reader.U32();
        if (stored > IObjectStore.ObjectBytesMax) throw _reader.Bad("it lists a pack over the size limit");
        _frames.Read(ref _reader, stored);
        Current = new IndexedPack(name, stored, _frames);
        return true;
    }
}
