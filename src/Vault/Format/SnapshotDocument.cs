using System.Security.Cryptography;
using Backup.Vault.Encryption;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Format;

/// <summary>A snapshot object: a part that a backup key reads, and within it a part sealed to the epoch. See FORMAT.md, "Snapshots".</summary>
internal static class SnapshotDocument
{
    private const string PublicPurpose = "index key: snapshot", KeyPurpose = "epoch: snapshot key", SealedPurpose = "snapshot key: sealed part";

    internal static byte[] ToBytes(VaultSecrets secrets, SnapshotDescription description, TreeId root, DateTimeOffset started, DateTimeOffset committed, WriterStatistics statistics)
    {
        var w = new ByteWriter(1024);
        w.Text(description.Asset);
        w.Text(description.SourceKind);
        w.I64(started.ToUnixTimeMilliseconds());
        w.I64((description.ConsistentAt ?? committed).ToUnixTimeMilliseconds());
        w.I64(committed.ToUnixTimeMilliseconds());
        w.U8(description.Parent is null ? (byte)0 : (byte)1);
        if (description.Parent is { } parent) w.Hash(parent.Hash);
        WritePairs(w, description.Tags);
        w.VarUInt(description.ItemsTotal);
        w.VarUInt(description.ItemsUnreadable);
        foreach (var count in Counters(statistics)) w.VarUInt(count);
        w.Blob(Seal(secrets, description, root));
        return Envelope.Seal(ObjectKind.Snapshot, secrets.Vault, secrets.IndexKey, PublicPurpose, w);
    }

    /// <summary>Opens the public part and, when the key allows, the sealed one.</summary>
    internal static SnapshotInfo Parse(ReadOnlySpan<byte> content, SnapshotId id, VaultSecrets secrets)
    {
        var what = $"Snapshot {id}";
        var plain = Envelope.Open(content, ObjectKind.Snapshot, secrets.Vault, secrets.IndexKey, PublicPurpose, what);
        var r = new ByteReader(plain, what);
        var asset = r.Text(SnapshotDescription.TextBytesMax);
        var kind = r.Text(SnapshotDescription.TextBytesMax);
        var started = KeyringDocument.ReadTime(ref r);
        var consistent = KeyringDocument.ReadTime(ref r);
        var committed = KeyringDocument.ReadTime(ref r);
        SnapshotId? parent = r.U8() switch { 0 => null, 1 => new SnapshotId(r.Hash()), _ => throw r.Bad("its parent field makes no sense") };
        var tags = ReadPairs(ref r);
        var items = r.VarUpTo(long.MaxValue);
        var unreadable = r.VarUpTo(long.MaxValue);
        var counters = new long[7];
        for (var i = 0; i < counters.Length; i++) counters[i] = r.VarUpTo(long.MaxValue);
        var sealedPart = r.Blob(4 * 1024 * 1024);
        var info = new SnapshotInfo
        {
            Id = id,
            Asset = asset,
            SourceKind = kind,
            StartedAt = started,
            ConsistentAt = consistent,
            CommittedAt = committed,
            Parent = parent,
            Tags = tags,
            ItemsTotal = items,
            ItemsUnreadable = unreadable,
            Statistics = new WriterStatistics(counters[0], counters[1], counters[2], counters[3], counters[4], counters[5], counters[6]),
        };
        return secrets.Restore is null ? info : OpenSealed(info, sealedPart, secrets, secrets.Restore, what);
    }

    private static byte[] Seal(VaultSecrets secrets, SnapshotDescription description, TreeId root)
    {
        var content = new ByteWriter(256);
        content.Hash(root.Chunk.Hash);
        WritePairs(content, description.SealedProperties);
        var bound = Bound(secrets.Vault, secrets.Epoch);
        var key = RandomNumberGenerator.GetBytes(AuthenticatedCipher.KeyBytes);
        var w = new ByteWriter(content.Length + 256);
        w.U32(secrets.Epoch);
        w.Blob(SealedBox.Seal(secrets.EpochPublic, KeyPurpose, key, bound));
        w.Raw(AuthenticatedCipher.SealOnce(key, SealedPurpose, content.WrittenSpan, bound));
        CryptographicOperations.ZeroMemory(key);
        return w.ToArray();
    }

    private static SnapshotInfo OpenSealed(SnapshotInfo info, ReadOnlySpan<byte> sealedPart, VaultSecrets secrets, RestoreSecrets restore, string what)
    {
        var outer = new ByteReader(sealedPart, what);
        var epoch = outer.U32();
        var box = outer.Blob(512);
        if (!restore.Epochs.TryGetValue(epoch, out var pair)) throw outer.Bad($"it names epoch {epoch}, which the keyring does not hold");
        var bound = Bound(secrets.Vault, epoch);
        var key = SealedBox.Open(pair, KeyPurpose, box, bound) ?? throw outer.Bad("its key does not open");
        var content = AuthenticatedCipher.OpenOnce(key, SealedPurpose, outer.Raw(outer.Left), bound) ?? throw outer.Bad("its sealed part is not authentic");
        var r = new ByteReader(content, what);
        var root = new TreeId(new ChunkId(r.Hash()));
        var properties = ReadPairs(ref r);
        r.End();
        return info with { Root = root, SealedProperties = properties };
    }

    private static long[] Counters(WriterStatistics s) => [s.BytesRead, s.BytesNew, s.BytesStored, s.ChunksTotal, s.ChunksNew, s.MetaBytes, s.BytesReused];

    private static void WritePairs(ByteWriter w, IReadOnlyDictionary<string, string> pairs)
    {
        w.VarUInt(pairs.Count);
        foreach (var (name, value) in pairs.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            w.Text(name);
            w.Text(value);
        }
    }

    private static Dictionary<string, string> ReadPairs(ref ByteReader r)
    {
        var count = r.Count(2);
        if (count > SnapshotDescription.PairsMax) throw r.Bad("it has too many tags");
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (; count > 0; count--)
        {
            var name = r.Text(SnapshotDescription.TextBytesMax);
            if (!pairs.TryAdd(name, r.Text(SnapshotDescription.TextBytesMax))) throw r.Bad("a tag stands twice");
        }

        return pairs;
    }

    private static byte[] Bound(VaultId vault, uint epoch)
    {
        var w = new ByteWriter(VaultId.Length + 4);
        vault.CopyTo(w.Take(VaultId.Length));
        w.U32(epoch);
        return w.ToArray();
    }
}
