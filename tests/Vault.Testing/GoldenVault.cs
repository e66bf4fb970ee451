using System.Security.Cryptography;
using System.Text;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Verifying;

namespace Backup.Vault.Testing;

/// <summary>
/// Makes the vault that is kept as the fixture of a format version: every feature of the format once, in as few bytes as possible.
/// Made once per released version (<c>Backup.Benchmarks vault-golden DIR</c>) and never again.
/// </summary>
public static class GoldenVault
{
    public const string Passphrase = "golden passphrase";

    public static async Task WriteAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        var store = new FileSystemObjectStore(Path.Combine(folder, "store"));
        var keys = await VaultCreation.CreateAsync(store, TimeProvider.System, default);
        VaultKeyFile.Save(Path.Combine(folder, "restore.key"), keys.RestoreKey);
        VaultKeyFile.Save(Path.Combine(folder, "backup.key"), keys.BackupKey);
        await File.WriteAllTextAsync(Path.Combine(folder, "kit.txt"), RecoveryKit.Print(keys.RecoveryKey, "golden"));
        var vault = await OpenVault.OpenAsync(store, keys.RestoreKey, TimeProvider.System, default);
        var administration = new KeyAdministration(vault);
        await administration.AddPassphraseAsync("golden", new PassphraseKey(Passphrase), new Backup.Vault.Format.PassphraseCost(8, 1, 1), default);
        var first = await BackupAsync(vault, 1, null);
        await administration.RotateAsync(default);
        var rotated = await OpenVault.OpenAsync(store, keys.BackupKey, TimeProvider.System, default);
        await BackupAsync(rotated, 2, first.Id);
        await AddMarksAndLedgerAsync(store, keys.RestoreKey);
        var reading = await OpenVault.OpenAsync(store, keys.RestoreKey, TimeProvider.System, default);
        await File.WriteAllTextAsync(Path.Combine(folder, "expected.txt"), await DescribeAsync(reading));
    }

    /// <summary>Everything the vault holds, as text: equal text, equal vault.</summary>
    public static async Task<string> DescribeAsync(OpenVault vault)
    {
        var text = new StringBuilder();
        using var reader = await vault.OpenReaderAsync(default);
        foreach (var snapshot in await vault.ListSnapshotsAsync(default))
        {
            text.Append($"snapshot {snapshot.Id} asset {snapshot.Asset} kind {snapshot.SourceKind} parent {snapshot.Parent} at {snapshot.ConsistentAt:O} items {snapshot.ItemsTotal}/{snapshot.ItemsUnreadable}\n");
            foreach (var (name, value) in snapshot.Tags.Concat(snapshot.SealedProperties)) text.Append($"  {name} = {value}\n");
            await DescribeAsync(reader, snapshot.Root!.Value, "", text);
        }

        foreach (var mark in (await MarkSet.LoadAsync(vault.Store, vault.Id, default)).Marks.Values.OrderBy(m => m.Pack.Hash))
            text.Append($"marked {mark.Pack} {mark.MarkedAt:O} deleted {mark.DeletedAt:O}\n");
        var ledger = await Ledger.LoadAsync(vault.Store, vault.Id, DateTimeOffset.MaxValue, default);
        foreach (var pack in (await StoreReading.ListPacksAsync(vault.Store, default)).Keys.OrderBy(p => p.Hash))
            text.Append($"verified {pack} {ledger.LastVerified(pack, VerifyDepth.Hashes):O} data {ledger.LastVerified(pack, VerifyDepth.Data):O}\n");
        return text.ToString();
    }

    /// <summary>Every pack verified by hashes, a day later half of them by their data; one pack marked, and one that a sweep has deleted.</summary>
    private static async Task AddMarksAndLedgerAsync(FileSystemObjectStore store, VaultKey key)
    {
        var time = new ManualTime();
        var vault = await OpenVault.OpenAsync(store, key, time, default);
        await Verifier.VerifyAsync(vault, new VerifyRequest { Depth = VerifyDepth.Hashes }, null, default);
        time.Advance(TimeSpan.FromDays(1));
        await Verifier.VerifyAsync(vault, new VerifyRequest { Depth = VerifyDepth.Data, SamplePercent = 50 }, null, default);
        PruneMark[] marks =
        [
            new((await StoreReading.ListPacksAsync(store, default)).Keys.OrderBy(p => p.Hash).First(), time.GetUtcNow(), null),
            new(ObjectName.For(ObjectKind.DataPack, "a pack that is gone"u8), time.GetUtcNow(), time.GetUtcNow().AddDays(20)),
        ];
        foreach (var content in MarkSet.ToObjects(vault.Id, marks)) await store.CreateAsync(ObjectName.For(ObjectKind.PruneMarks, content), content, default);
    }

    private static async Task DescribeAsync(Restoring.VaultReader reader, TreeId tree, string path, StringBuilder text)
    {
        foreach (var e in await reader.ReadTreeAsync(tree, default))
        {
            var name = path + "/" + Convert.ToHexString(e.Name.Span);
            text.Append($"{name} {e.Type} {e.Mode} {e.UserId}:{e.GroupId} {e.UserName}:{e.GroupName} m{e.ModifiedNanoseconds} c{e.ChangedNanoseconds} s{e.Size} l{Convert.ToHexString(e.LinkTarget.Span)} d{e.DeviceNumber} h{e.HardLink} n{(int)e.Notes}");
            foreach (var x in e.Attributes) text.Append($" {x.Name}={Convert.ToHexString(x.Value.Span)}");
            foreach (var x in e.Extents ?? []) text.Append($" {x.Offset}+{x.Length}");
            if (e.Content is { } content)
            {
                await using var stream = await reader.OpenContentAsync(content, default);
                text.Append($" depth {content.Depth} sha256 {Convert.ToHexStringLower(await SHA256.HashDataAsync(stream))}");
            }

            text.Append('\n');
            if (e.Subtree is { } subtree) await DescribeAsync(reader, subtree, name, text);
        }
    }

    private static async Task<SnapshotInfo> BackupAsync(OpenVault vault, int seed, SnapshotId? parent)
    {
        await using var writer = await vault.BeginSnapshotAsync(TestVault.SmallPacks, default);
        var numbers = new byte[40_000];
        for (var i = 0; i < numbers.Length / 8; i++) BitConverter.TryWriteBytes(numbers.AsSpan(i * 8), 1000.0 + (i * 0.5));
        var paged = new byte[4096 * 70];
        for (var i = 0; i < 70; i++) paged.AsSpan(i * 4096, 4096).Fill((byte)(i + seed));
        var random = TestVault.Bytes(seed, 5_000);
        var time = 1_700_000_000_123_456_789L + seed;
        TreeEntry File(string name, byte[] bytes, ContentHints hints) => new()
        {
            Name = Encoding.UTF8.GetBytes(name),
            Type = EntryType.File,
            Mode = 0b110_100_100,
            UserId = 1000,
            GroupId = 100,
            UserName = "user",
            GroupName = "users",
            ModifiedNanoseconds = time,
            ChangedNanoseconds = time + 5,
            Size = bytes.Length,
            Content = writer.AddContent(new MemoryStream(bytes), hints),
        };
        var root = writer.AddTree(
        [
            new TreeEntry { Name = "block"u8.ToArray(), Type = EntryType.BlockDevice, DeviceNumber = 0x0801, Mode = 0b110_000_000 },
            new TreeEntry { Name = "char"u8.ToArray(), Type = EntryType.CharacterDevice, DeviceNumber = 0x0103 },
            new TreeEntry { Name = "dir"u8.ToArray(), Type = EntryType.Directory, Mode = 0b111_101_101, Subtree = writer.AddTree([.. Enumerable.Range(0, 900).Select(i => new TreeEntry { Name = Encoding.UTF8.GetBytes($"{i:d4}{new string('x', 100)}"), Type = EntryType.Fifo })]) },
            File("empty", [], ContentHints.None),
            new TreeEntry { Name = "fifo"u8.ToArray(), Type = EntryType.Fifo },
            new TreeEntry { Name = "link"u8.ToArray(), Type = EntryType.SymbolicLink, LinkTarget = new byte[] { (byte)'a', 0xFF } },
            File("pages", paged, new ContentHints { FixedChunkBytes = 4096 }) with { HardLink = new HardLinkKey(1, 2) },
            File("random", random, ContentHints.None) with { Attributes = [new Xattr("user.note", "x"u8.ToArray())] },
            new TreeEntry { Name = "sock"u8.ToArray(), Type = EntryType.Socket },
            File("sparse", random, ContentHints.None) with { Size = 1_000_000, Extents = [new Extent(0, 2_000), new Extent(500_000, 3_000)] },
            File("typed", numbers, new ContentHints { Regions = [new TypedRegion(800, 39_200, 8)] }) with { Notes = EntryNotes.ChangedWhileRead },
            new TreeEntry { Name = new byte[] { 0xFE, 0xFF }, Type = EntryType.File, Notes = EntryNotes.Unreadable, Size = 7 },
        ]);
        return await writer.CommitAsync(
            new SnapshotDescription
            {
                Asset = "golden",
                SourceKind = "test",
                Parent = parent,
                ItemsTotal = 12,
                ItemsUnreadable = 1,
                ConsistentAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000 + seed),
                Tags = new Dictionary<string, string> { ["run"] = $"{seed}" },
                SealedProperties = new Dictionary<string, string> { ["host"] = "golden.example" },
            }, root, default);
    }
}
