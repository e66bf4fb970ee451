using Backup.Vault.Encryption;
using Backup.Vault.Format;
using Backup.Vault.Packs;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>Parsers of every stored structure against random and mutated bytes: a clear refusal or a value, never another exception, never much memory.</summary>
public sealed class FuzzTests
{
    private const int Rounds = 1500;
    private const long BytesMax = 64L * 1024 * 1024;

    private delegate void Parser(byte[] bytes);

    public static TheoryData<string> Structures => [.. Samples().Keys];

    [Theory]
    [MemberData(nameof(Structures))]
    public void Parser_OfRandomAndMutatedBytes_RefusesOrAnswers(string structure)
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var (sample, parse) = Samples()[structure];
        parse(sample);
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = Mutate(sample, random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                parse(bytes);
            }
            catch (VaultException e)
            {
                e.Fault.ShouldBeOneOf(VaultFault.Damaged, VaultFault.NewerFormat, VaultFault.BadKeyFile, VaultFault.LimitExceeded);
            }

            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(BytesMax, $"seed {seed}, round {round}");
        }
    }

    private static byte[] Mutate(byte[] sample, Random random)
    {
        if (random.Next(4) == 0)
        {
            var noise = new byte[random.Next(300)];
            random.NextBytes(noise);

            // Noise behind a true beginning goes deeper than noise alone.
            return [.. sample.AsSpan(0, random.Next(Math.Min(sample.Length, 40))), .. noise];
        }

        var bytes = (byte[])sample.Clone();
        for (var changes = random.Next(1, 6); changes > 0; changes--)
        {
            var at = random.Next(bytes.Length);
            bytes[at] = random.Next(3) switch { 0 => 0xFF, 1 => (byte)(bytes[at] + 1), _ => (byte)random.Next(256) };
        }

        return random.Next(3) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }

    private static void ReadDirectory(byte[] content, ObjectName pack, VaultSecrets secrets)
    {
        var store = new MemoryObjectStore();
        store.Objects[pack] = content;
        new PackDirectoryReader(store, secrets).ReadAsync(pack, content.Length, CancellationToken.None).GetAwaiter().GetResult();
    }

    private static void ReadIndex(ReadOnlySpan<byte> plain)
    {
        var packs = new IndexReader(plain, new FrameDirectory(), "it");
        while (packs.MoveNext()) packs.Encoded.Length.ShouldBeGreaterThan(37);
    }

    private static Dictionary<string, (byte[] Sample, Parser Parse)> Samples()
    {
        var signing = BoxKey.New();
        var epoch = BoxKey.New();
        var vault = new VaultId(new byte[16]);
        var root = new byte[32];
        var secrets = new VaultSecrets(vault, new byte[32], new byte[32], signing.Public, 1, epoch.Public, new RestoreSecrets(root, signing.Private!, new Dictionary<uint, BoxKey> { [1] = epoch }));
        var hash = ContentHash.Of([1]);
        var pack = new ObjectName(ObjectKind.DataPack, hash);
        var directory = new FrameDirectory();
        for (var i = 0; i < 20; i++) directory.AddFrame(1000, [new ListedChunk(new ChunkId(hash), 500), new ListedChunk(new ChunkId(hash), 800)]);
        var listed = Written(directory.Write);
        var index = Written(w => { w.VarUInt(1L); w.U8(3); w.Hash(hash); w.U32(100_000); directory.Write(w); });
        var names = new List<string>();
        long last = 0;
        var leaf = Written(w =>
        {
            w.U8((byte)'T');
            w.VarUInt(2L);
            TreeDocument.WriteEntry(w, new TreeEntry { Name = "a"u8.ToArray(), Type = EntryType.File, Size = 1300, UserName = "u", Content = new Content(1300, 0, [new ContentPart(new ChunkId(hash), 1300)]), Attributes = [new Xattr("user.x", new byte[20])], HardLink = new HardLinkKey(1, 2) }, names, ref last);
            TreeDocument.WriteEntry(w, new TreeEntry { Name = "b"u8.ToArray(), Type = EntryType.File, Size = 5000, UserName = "u", ChangedNanoseconds = 5, Extents = [new Extent(10, 20), new Extent(100, 30)], Content = new Content(50, 0, [new ContentPart(new ChunkId(hash), 50)]) }, names, ref last);
        });
        var now = DateTimeOffset.UnixEpoch;
        using var signer = Signing.Open(signing.Public, signing.Private!);
        var keyring = new KeyringDocument(
            vault, 1, now, signing.Public, [KeyringCrypto.NewKeyFileSlot(vault, 1, "l", now, BoxKey.New(), root), KeyringCrypto.NewPassphraseSlot(vault, 2, "p", now, "pp", new PassphraseCost(8, 1, 1), signing.Public, root)],
            [KeyringCrypto.NewEpoch(vault, 1, now, epoch, root)], KeyringCrypto.SealSecrets(vault, root, secrets, signing.Private!)).ToBytes(signer);
        var snapshot = SnapshotDocument.ToBytes(secrets, new SnapshotDescription { Asset = "a", SourceKind = "s", Tags = new Dictionary<string, string> { ["t"] = "v" } }, new TreeId(new ChunkId(hash)), now, now, default);
        using var open = new OpenPack(new WriteSession(secrets), ObjectKind.DataPack, new byte[1 << 20]);
        using var codec = new Backup.Vault.Compression.FrameCodec();
        var plain = TestVault.Bytes(1, 3000);
        var encoded = codec.Encode(plain, 1, 8, 3).ToArray();
        open.Append(encoded, [new ListedChunk(new ChunkId(hash), 3000)]);
        var wholePack = open.Seal().Content.ToArray();
        var marks = MarkSet.ToObjects(vault, [new PruneMark(pack, now, null), new PruneMark(pack, now, now)]).Single();
        var ledger = Written(w => { ObjectPrefix.Write(w.Take(24), ObjectKind.Ledger, vault); w.VarUInt(1L); w.U8(3); w.Hash(hash); w.I64(0); w.I64(1); });
        var backupKey = new BackupKey(vault, new byte[32], new byte[32], signing.Public, 1, epoch.Public);
        var restoreKey = new RestoreKey(vault, 1, signing.Private!, new byte[16]);
        return new Dictionary<string, (byte[], Parser)>
        {
            ["config"] = (ConfigDocument.ToBytes(vault, now), b => ConfigDocument.Parse(b, "it")),
            ["keyring"] = (keyring, b => KeyringDocument.Parse(b, vault, "it")),
            ["directory"] = (listed, b => { var r = new ByteReader(b, "it"); new FrameDirectory().Read(ref r, 1 << 20); }),
            ["index, sealed"] = (IndexDocument.Seal(secrets, 1, Written(w => IndexDocument.WritePack(w, new IndexedPack(pack, 100_000, directory)))), b => { var plainIndex = new byte[Envelope.PlainBytes(b.Length)]; IndexDocument.Open(b, secrets, "it", plainIndex); ReadIndex(plainIndex); }),
            ["index, plain"] = (index, b => ReadIndex(b)),
            ["snapshot"] = (snapshot, b => SnapshotDocument.Parse(b, new SnapshotId(hash), secrets)),
            ["tree leaf"] = (leaf, b => TreeDocument.ReadLeaf(b, "it")),
            ["list"] = ([(byte)'L', 1, .. hash.ToArray(), 9], b => TreeDocument.ReadList(b, 1, 9, "it")),
            ["tree branch"] = ([(byte)'B', 1, .. hash.ToArray()], b => TreeDocument.ReadBranch(b, "it")),
            ["content"] = (new Content(9, 0, [new ContentPart(new ChunkId(hash), 9)]).ToBytes(), b => Content.FromBytes(b)),
            ["pack"] = (wholePack, b => ReadDirectory(b, pack, secrets)),
            ["frame"] = (encoded, b => { using var c = new Backup.Vault.Compression.FrameCodec(); c.Decode(b, "it"); }),
            ["frame, managed zstd"] = (encoded, b => { using var c = new Backup.Vault.Compression.FrameCodec(new Backup.Vault.Compression.ManagedZstd()); c.Decode(b, "it"); }),
            ["marks"] = (marks, b => MarkSet.Parse(b, vault, "it")),
            ["ledger"] = (ledger, b => new Ledger().Parse(b, vault, "it")),
            ["backup key file"] = (System.Text.Encoding.UTF8.GetBytes(VaultKeyFile.ToText(backupKey)), b => VaultKeyFile.Parse(System.Text.Encoding.UTF8.GetString(b), "it")),
            ["restore key"] = (restoreKey.ToPayload(), b => RestoreKey.FromPayload(b)),
            ["recovery kit"] = (System.Text.Encoding.UTF8.GetBytes(RecoveryKit.Print(restoreKey, "p")), b => RecoveryKit.Parse(System.Text.Encoding.UTF8.GetString(b))),
        };
    }

    private static byte[] Written(Action<ByteWriter> write)
    {
        var w = new ByteWriter();
        write(w);
        return w.ToArray();
    }
}
