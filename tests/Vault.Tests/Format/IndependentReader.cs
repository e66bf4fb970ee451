using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Konscious.Security.Cryptography;
using ZstdSharp;

namespace Backup.Vault.Tests.Format;

/// <summary>
/// A second reader of vaults, written from <c>src/Vault/FORMAT.md</c> alone and using no code of the vault's: what it can read, anybody
/// who has the document can. Section names of the document head its parts.
/// </summary>
internal sealed class IndependentReader
{
    private readonly string _store;
    private readonly byte[] _vault, _idKey, _indexKey;
    private readonly Dictionary<uint, (byte[] Point, byte[] Secret)> _epochs = [];
    private readonly Dictionary<string, (string Pack, int Frame, int Offset, int Length)> _chunks = [];
    private readonly Dictionary<string, Pack> _packs = [];
    private readonly Dictionary<(string Pack, int Frame), byte[]> _frames = [];

    private IndependentReader(string store, byte[] vault, byte[] root, byte[] keyring)
    {
        (_store, _vault) = (store, vault);
        var parts = Keyring.Parse(keyring);
        foreach (var (number, point, wrapped) in parts.Epochs)
            _epochs.Add(number, (point, Once(root, "root: epoch private key", wrapped, [.. vault, .. U32(number)])));
        var secrets = Once(root, "root: secrets", parts.Secrets, [.. vault, .. U32(0)]);
        (_idKey, _indexKey) = (secrets[..32], secrets[32..64]);
        ReadIndex();
    }

    /// <summary>Opens with the text of a restore key file, or with the lines of a recovery kit.</summary>
    internal static IndependentReader WithRestoreKey(string store, byte[] payload)
    {
        var (vault, slot, secret, print) = (payload[..16], BinaryPrimitives.ReadUInt32LittleEndian(payload.AsSpan(16)), payload[20..52], payload[52..68]);
        var (keyring, bytes) = NewestKeyring(store, point => SHA256.HashData(point).AsSpan(0, 16).SequenceEqual(print));
        var (_, _, point, _, box) = keyring.Slots.Single(s => s.Number == slot);
        return new IndependentReader(store, vault, Box(point, secret, "slot: restore root", box, [.. vault, .. U32(slot)]), bytes);
    }

    internal static IndependentReader WithPassphrase(string store, string passphrase)
    {
        var (keyring, bytes) = NewestKeyring(store, _ => true);
        var (number, _, point, stretch, box) = keyring.Slots.Single(s => s.Stretch is not null);
        var (memory, passes, lanes, salt, wrapped) = stretch!.Value;
        using var argon = new Argon2id(Encoding.UTF8.GetBytes(passphrase)) { Salt = salt, MemorySize = (int)memory, Iterations = (int)passes, DegreeOfParallelism = lanes };
        var secret = Once(argon.GetBytes(32), "passphrase: slot private key", wrapped, keyring.SigningPoint);
        return new IndependentReader(store, bytes[8..24], Box(point, secret, "slot: restore root", box, [.. bytes[8..24], .. U32(number)]), bytes);
    }

    internal static byte[] KeyFile(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[0] != '#').ToArray();
        var sum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines[..4].Select(l => l + "\n")))))[..16];
        return lines[4] == $"checksum: {sum}" ? Convert.FromBase64String(lines[3]["key: ".Length..]) : throw new InvalidDataException("The key file's checksum is wrong.");
    }

    internal static byte[] Kit(string text)
    {
        var bits = new StringBuilder();
        foreach (var line in text.Split('\n').Select(l => l.Replace(" ", "", StringComparison.Ordinal)).Where(l => l.Length > 2 && char.IsDigit(l[0]) && l[1] == ':'))
        {
            var (body, check) = (line[2..line.IndexOf('=', StringComparison.Ordinal)], line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            var expected = Base32(SHA256.HashData(Encoding.ASCII.GetBytes($"{line[0]}:{body}")))[..4];
            if (check != expected) throw new InvalidDataException($"Line {line[0]} has a typing error.");
            bits.Append(string.Concat(body.Select(c => Convert.ToString(Crockford.IndexOf(c, StringComparison.Ordinal), 2).PadLeft(5, '0'))));
        }

        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.ToString(i * 8, 8), 2))];
    }

    // ---- Snapshots

    internal IEnumerable<Snapshot> Snapshots() => Objects(_store, "snapshots").Select(o =>
    {
        var read = new Bytes(Once(_indexKey, "index key: snapshot", o.Content[24..], o.Content[..24]));
        var (asset, kind) = (read.Text(), read.Text());
        read.I64();
        var consistent = read.I64();
        read.I64();
        var parent = read.U8() == 1 ? Convert.ToHexStringLower(read.Raw(32)) : "";
        var tags = read.Pairs();
        var (items, unreadable) = (read.Varint(), read.Varint());
        for (var i = 0; i < 7; i++) read.Varint();
        var part = new Bytes(read.Blob());
        var epoch = part.U32();
        byte[] bound = [.. _vault, .. U32(epoch)];
        var key = Box(_epochs[epoch].Point, _epochs[epoch].Secret, "epoch: snapshot key", part.Blob(), bound);
        var open = new Bytes(Once(key, "snapshot key: sealed part", part.Rest(), bound));
        return new Snapshot(o.Name, asset, kind, parent, consistent, items, unreadable, Convert.ToHexStringLower(open.Raw(32)), [.. tags, .. open.Pairs()]);
    });

    // ---- Trees

    internal IEnumerable<Entry> Tree(string id)
    {
        var node = new Bytes(Chunk(id));
        switch ((char)node.U8())
        {
            case 'B':
                for (var left = node.Varint(); left > 0; left--)
                {
                    foreach (var entry in Tree(Convert.ToHexStringLower(node.Raw(32)))) yield return entry;
                }

                break;
            case 'T':
                var (names, time) = (new List<string>(), 0L);
                for (var left = node.Varint(); left > 0; left--)
                {
                    var entry = Entry.Parse(node, names, time);
                    time = entry.Modified;
                    yield return entry;
                }

                break;
            default:
                throw new InvalidDataException("Not a tree node.");
        }
    }

    internal byte[] Content(Entry entry)
    {
        var parts = entry.Parts;
        for (var depth = entry.Depth; depth > 0; depth--) parts = [.. parts.SelectMany(p => List(p.Id))];
        return [.. parts.SelectMany(p => Chunk(p.Id) is { } bytes && bytes.Length == (int)p.Length ? bytes : throw new InvalidDataException("A chunk has another length."))];
    }

    private List<(string Id, long Length)> List(string id)
    {
        var read = new Bytes(Chunk(id));
        return read.U8() == 'L' ? read.Parts() : throw new InvalidDataException("Not a list.");
    }

    // ---- Index and packs

    private void ReadIndex()
    {
        foreach (var (_, content) in Objects(_store, "index"))
        {
            var read = new Bytes(Once(_indexKey, "index key: index", content[24..], content[..24]));
            for (var packs = read.Varint(); packs > 0; packs--)
            {
                var (kind, name) = (read.U8(), Convert.ToHexStringLower(read.Raw(32)));
                read.U32();
                var path = (kind == 3 ? "data/" : "meta/") + name[..2] + "/" + name;
                Index(path, read);
            }
        }
    }

    private void Index(string pack, Bytes read)
    {
        var frames = read.Varint();
        var offsets = new List<(int Offset, int Length)>();
        var at = 192;
        for (var frame = 0; frame < frames; frame++)
        {
            var stored = (int)read.Varint();
            offsets.Add((at, stored));
            at += stored;
            var inside = 0;
            for (var chunks = read.Varint(); chunks > 0; chunks--)
            {
                var id = Convert.ToHexStringLower(read.Raw(32));
                var length = (int)read.Varint();
                _chunks[id] = (pack, frame, inside, length);
                inside += length;
            }
        }

        _packs[pack] = new Pack(pack, offsets);
    }

    /// <summary>What a pack says of itself, for those whose index is gone: frames of the directory, as (stored bytes, chunk ids).</summary>
    internal IReadOnlyList<(int Stored, IReadOnlyList<string> Chunks)> Directory(string pack)
    {
        var bytes = File.ReadAllBytes(Path.Combine(_store, pack));
        using var cipher = new AesGcm(Derive(_indexKey, bytes[44..76], "index key: pack directory"), 16);
        var trailer = new Bytes(Decrypt(cipher, 0, bytes[^24..], bytes[..192]));
        var (offset, length) = ((int)trailer.U32(), (int)trailer.U32());
        var read = new Bytes(Decrypt(cipher, 1, bytes[offset..(offset + length)], bytes[..192]));
        return [.. Enumerable.Range(0, (int)read.Varint()).Select(_ => ((int)read.Varint(), (IReadOnlyList<string>)[.. Enumerable.Range(0, (int)read.Varint()).Select(_ =>
        {
            var id = Convert.ToHexStringLower(read.Raw(32));
            read.Varint();
            return id;
        })]))];
    }

    internal IEnumerable<(string Pack, IReadOnlyList<(int Stored, IReadOnlyList<string> Chunks)> Frames)> Indexed() => _packs.Values.Select(p =>
        (p.Path, (IReadOnlyList<(int, IReadOnlyList<string>)>)[.. p.Frames.Select((f, i) =>
            (f.Length, (IReadOnlyList<string>)[.. _chunks.Where(c => c.Value.Pack == p.Path && c.Value.Frame == i).OrderBy(c => c.Value.Offset).Select(c => c.Key)]))]));

    private byte[] Chunk(string id)
    {
        var (pack, frame, offset, length) = _chunks[id];
        if (!_frames.TryGetValue((pack, frame), out var content)) _frames[(pack, frame)] = content = Frame(_packs[pack], frame);
        var plain = content[offset..(offset + length)];
        var purpose = pack.StartsWith("data/", StringComparison.Ordinal) ? "chunk id: data" : "chunk id: meta";
        return Convert.ToHexStringLower(HMACSHA256.HashData(Derive(_idKey, [], purpose), plain)) == id ? plain : throw new InvalidDataException("A chunk has another id.");
    }

    private byte[] Frame(Pack pack, int frame)
    {
        var bytes = File.ReadAllBytes(Path.Combine(_store, pack.Path));
        var header = bytes[..192];
        var epoch = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(40));
        var session = Box(_epochs[epoch].Point, _epochs[epoch].Secret, "epoch: session key", header[76..189], [.. _vault, .. U32(epoch), .. header[24..40]]);
        using var cipher = new AesGcm(Derive(session, header[44..76], "session: pack frames"), 16);
        var (at, stored) = pack.Frames[frame];
        var plain = new Bytes(Decrypt(cipher, (ulong)frame, bytes[at..(at + stored)], header));
        var (method, stride, phase, length) = (plain.U8(), plain.U16(), plain.U16(), (int)plain.U32());
        var body = plain.Rest();
        if (method == 1)
        {
            using var zstd = new Decompressor();
            body = zstd.Unwrap(body, length).ToArray();
        }

        if (stride < 2) return body;
        var content = (byte[])body.Clone();
        var count = (length - phase) / stride;
        for (var k = 0; k < count; k++)
        {
            for (var j = 0; j < stride; j++) content[phase + (k * stride) + j] = body[phase + (j * count) + k];
        }

        return content;
    }

    // ---- Store objects, keyring

    private static IEnumerable<(string Name, byte[] Content)> Objects(string store, string folder) =>
        System.IO.Directory.EnumerateFiles(Path.Combine(store, folder), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path =>
        {
            var content = File.ReadAllBytes(path);
            if (Convert.ToHexStringLower(SHA256.HashData(content)) != Path.GetFileName(path)) throw new InvalidDataException($"{path} does not fit its name.");
            return content.AsSpan(0, 3).SequenceEqual("BKV"u8) && BinaryPrimitives.ReadUInt16LittleEndian(content.AsSpan(4)) == 1
                ? (Path.GetFileName(path), content)
                : throw new InvalidDataException($"{path} is of another format.");
        });

    private static (Keyring Keyring, byte[] Bytes) NewestKeyring(string store, Func<byte[], bool> isVouchedFor) => Objects(store, "keys")
        .Select(o => (Keyring: Keyring.Parse(o.Content), o.Content))
        .Where(k => isVouchedFor(k.Keyring.SigningPoint))
        .OrderByDescending(k => k.Keyring.Generation)
        .First();

    // ---- Marks and ledger

    internal IEnumerable<(string Pack, DateTimeOffset Marked, DateTimeOffset? Deleted)> Marks() => Notes("marks", read =>
        (PackName(read), DateTimeOffset.FromUnixTimeMilliseconds(read.I64()), read.I64() is var at && at == long.MinValue ? (DateTimeOffset?)null : DateTimeOffset.FromUnixTimeMilliseconds(at)));

    internal IEnumerable<(string Pack, DateTimeOffset Hashes, DateTimeOffset Data)> Ledger() => Notes("ledger", read =>
        (PackName(read), DateTimeOffset.FromUnixTimeMilliseconds(read.I64()), DateTimeOffset.FromUnixTimeMilliseconds(read.I64())));

    private IEnumerable<T> Notes<T>(string folder, Func<Bytes, T> parse) => Objects(_store, folder).SelectMany(o =>
    {
        var read = new Bytes(o.Content[24..]);
        T[] notes = [.. Enumerable.Range(0, (int)read.Varint()).Select(_ => parse(read))];
        return read.Rest().Length == 0 ? notes : throw new InvalidDataException($"{o.Name} has more than it says.");
    });

    private static string PackName(Bytes read)
    {
        var folder = read.U8() == 3 ? "data" : "meta";
        var hash = Convert.ToHexStringLower(read.Raw(32));
        return $"{folder}/{hash[..2]}/{hash}";
    }

    // ---- Cryptography

    private static byte[] Derive(byte[] secret, byte[] salt, string purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, salt, Encoding.ASCII.GetBytes(purpose));

    private static byte[] Decrypt(AesGcm cipher, ulong nonce, byte[] sealedPart, byte[] bound)
    {
        var twelve = new byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(twelve, nonce);
        var plain = new byte[sealedPart.Length - 16];
        cipher.Decrypt(twelve, sealedPart.AsSpan(0, plain.Length), sealedPart.AsSpan(plain.Length), plain, bound);
        return plain;
    }

    private static byte[] Once(byte[] secret, string purpose, byte[] message, byte[] bound)
    {
        using var cipher = new AesGcm(Derive(secret, message[..32], purpose), 16);
        return Decrypt(cipher, 0, message[32..], bound);
    }

    private static byte[] Box(byte[] point, byte[] secret, string purpose, byte[] box, byte[] bound)
    {
        using var mine = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = Point(point), D = secret });
        using var theirs = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = Point(box[..65]) });
        using var cipher = new AesGcm(Derive(mine.DeriveRawSecretAgreement(theirs.PublicKey), [.. box[..65], .. point], purpose), 16);
        return Decrypt(cipher, 0, box[65..], bound);
    }

    private static ECPoint Point(byte[] uncompressed) => new() { X = uncompressed[1..33], Y = uncompressed[33..65] };

    private static byte[] U32(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    private const string Crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    private static string Base32(byte[] bytes)
    {
        var bits = string.Concat(bytes.Select(b => Convert.ToString(b, 2).PadLeft(8, '0')));
        return string.Concat(bits.Chunk(5).Where(c => c.Length == 5).Select(c => Crockford[Convert.ToInt32(new string(c), 2)]));
    }

    internal sealed record Snapshot(
        string Id, string Asset, string Kind, string Parent, long ConsistentAtMilliseconds, long Items, long Unreadable, string Root, IReadOnlyList<(string Name, string Value)> Pairs);

    private sealed record Pack(string Path, List<(int Offset, int Length)> Frames);

    private sealed record Keyring(
        uint Generation, byte[] SigningPoint, IReadOnlyList<(uint Number, int Kind, byte[] Point, (uint Memory, uint Passes, int Lanes, byte[] Salt, byte[] Wrapped)? Stretch, byte[] Box)> Slots,
        IReadOnlyList<(uint Number, byte[] Point, byte[] Wrapped)> Epochs, byte[] Secrets)
    {
        internal static Keyring Parse(byte[] content)
        {
            var read = new Bytes(content[24..]);
            var generation = read.U32();
            read.I64();
            var signer = read.Raw(65);
            using var key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = Point(signer) });
            if (!key.VerifyData(content.AsSpan(0, content.Length - 64), content.AsSpan(content.Length - 64), HashAlgorithmName.SHA256)) throw new InvalidDataException("The signature is wrong.");
            var slots = Enumerable.Range(0, read.U16()).Select(_ =>
            {
                var (number, kind) = (read.U32(), read.U8());
                read.Text();
                read.I64();
                var point = read.Raw(65);
                (uint, uint, int, byte[], byte[])? stretch = kind == 2 ? (read.U32(), read.U32(), read.U8(), read.Raw(16), read.Blob()) : null;
                return (number, (int)kind, point, stretch, read.Blob());
            }).ToList();
            var epochs = Enumerable.Range(0, read.U16()).Select(_ =>
            {
                var number = read.U32();
                read.I64();
                return (number, read.Raw(65), read.Blob());
            }).ToList();
            return new Keyring(generation, signer, slots, epochs, read.Blob());
        }
    }

    internal sealed record Entry(
        byte[] Name, int Type, int Notes, long Mode, long User, long Group, string UserName, string GroupName, long Modified, long Changed, long Size, byte[] Target, long Device,
        (long Device, long Inode)? Link, IReadOnlyList<(string Name, byte[] Value)> Attributes, IReadOnlyList<(long Offset, long Length)> Extents, int Depth,
        IReadOnlyList<(string Id, long Length)> Parts, bool HasContent, string? Subtree)
    {
        internal static Entry Parse(Bytes read, List<string> names, long before)
        {
            var name = read.Blob();
            var (type, parts, notes) = (read.U8(), read.U8(), read.U8());
            var (mode, user, group) = (read.Varint(), read.Varint(), read.Varint());
            var (userName, groupName) = (read.Name(names), read.Name(names));
            var modified = before + read.Zigzag();
            var changed = (parts & 32) != 0 ? modified + read.Zigzag() : 0;
            var size = type == 1 ? read.Varint() : 0;
            var target = type == 3 ? read.Blob() : [];
            var device = type is 6 or 7 ? read.Varint() : 0;
            (long, long)? link = (parts & 1) != 0 ? (read.Varint(), read.Varint()) : null;
            var attributes = (parts & 2) != 0 ? Enumerable.Range(0, (int)read.Varint()).Select(_ => (read.Text(), read.Blob())).ToList() : [];
            var extents = new List<(long, long)>();
            if ((parts & 4) != 0)
            {
                var end = 0L;
                for (var left = read.Varint(); left > 0; left--)
                {
                    var offset = end + read.Varint();
                    var length = read.Varint();
                    extents.Add((offset, length));
                    end = offset + length;
                }
            }

            var hasContent = (parts & 8) != 0;
            var depth = hasContent ? read.U8() : 0;
            var content = hasContent ? read.Parts() : [];
            var subtree = (parts & 16) != 0 ? Convert.ToHexStringLower(read.Raw(32)) : null;
            return new Entry(name, type, notes, mode, user, group, userName, groupName, modified, changed, size, target, device, link, attributes, extents, depth, content, hasContent, subtree);
        }
    }

    /// <summary>The primitives of the document's first paragraph.</summary>
    internal sealed class Bytes(byte[] all)
    {
        private int _at;

        internal byte[] Raw(int count) => all[_at..(_at += count)];

        internal byte[] Rest() => Raw(all.Length - _at);

        internal byte U8() => all[_at++];

        internal ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Raw(2));

        internal uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Raw(4));

        internal long I64() => BinaryPrimitives.ReadInt64LittleEndian(Raw(8));

        internal long Varint()
        {
            ulong value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var b = U8();
                value |= (ulong)(b & 0x7F) << shift;
                if (b < 0x80) return (long)value;
            }
        }

        internal long Zigzag()
        {
            var value = (ulong)Varint();
            return (long)(value >> 1) ^ -(long)(value & 1);
        }

        internal byte[] Blob() => Raw((int)Varint());

        internal string Text() => Encoding.UTF8.GetString(Blob());

        internal List<(string Name, string Value)> Pairs() => [.. Enumerable.Range(0, (int)Varint()).Select(_ => (Text(), Text()))];

        internal List<(string Id, long Length)> Parts() => [.. Enumerable.Range(0, (int)Varint()).Select(_ => (Convert.ToHexStringLower(Raw(32)), Varint()))];

        internal string Name(List<string> known)
        {
            var number = (int)Varint();
            if (number == 0) return "";
            if (number > 1) return known[number - 2];
            known.Add(Text());
            return known[^1];
        }
    }
}
