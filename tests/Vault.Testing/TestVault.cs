using System.Text;
using Backup.Vault.Chunking;
using Backup.Vault.Encryption;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>A vault for tests: small files by path in, the same out.</summary>
public sealed class TestVault
{
    private TestVault(IObjectStore store, NewVault keys, TimeProvider time)
    {
        Store = store;
        Keys = keys;
        Time = time;
    }

    public IObjectStore Store { get; }

    public NewVault Keys { get; }

    public TimeProvider Time { get; }

    public static async Task<TestVault> CreateAsync(IObjectStore store, TimeProvider? time = null) =>
        new(store, await VaultCreation.CreateAsync(store, time ?? TimeProvider.System, CancellationToken.None), time ?? TimeProvider.System);

    /// <summary>The same vault seen through another store (a faulty one, a replica).</summary>
    public TestVault Through(IObjectStore store) => new(store, Keys, Time);

    public Task<OpenVault> OpenForBackupAsync() => OpenVault.OpenAsync(Store, Keys.BackupKey, Time, CancellationToken.None);

    public Task<OpenVault> OpenAsync() => OpenVault.OpenAsync(Store, Keys.RestoreKey, Time, CancellationToken.None);

    /// <summary>Backs up a flat set of files with small packs.</summary>
    public async Task<SnapshotInfo> BackupAsync(IReadOnlyDictionary<string, byte[]> files, string asset = "asset", SnapshotId? parent = null)
    {
        var vault = await OpenForBackupAsync();
        await using var writer = await vault.BeginSnapshotAsync(SmallPacks, CancellationToken.None);
        return await WriteAsync(writer, files, asset, parent);
    }

    public static WriterOptions SmallPacks { get; } = new() { DataPackBytes = 1 << 20, MetaPackBytes = 1 << 20, PacksPerIndex = 1 };

    public static Task<SnapshotInfo> WriteAsync(SnapshotWriter writer, IReadOnlyDictionary<string, byte[]> files, string asset, SnapshotId? parent = null)
    {
        var entries = files.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => new TreeEntry
        {
            Name = Encoding.UTF8.GetBytes(f.Key),
            Type = EntryType.File,
            Size = f.Value.Length,
            Content = writer.AddContent(new MemoryStream(f.Value), ContentHints.None),
        }).ToList();
        var inner = writer.AddTree(entries);
        var root = writer.AddTree([new TreeEntry { Name = "files"u8.ToArray(), Type = EntryType.Directory, Subtree = inner }]);
        return writer.CommitAsync(new SnapshotDescription { Asset = asset, SourceKind = "test", Parent = parent, ItemsTotal = files.Count }, root, CancellationToken.None);
    }

    /// <summary>Reads a snapshot back; throws when anything is missing or damaged.</summary>
    public async Task<Dictionary<string, byte[]>> ReadBackAsync(SnapshotId id)
    {
        var vault = await OpenAsync();
        using var reader = await vault.OpenReaderAsync(CancellationToken.None);
        return await ReadBackAsync(vault, reader, id);
    }

    public static async Task<Dictionary<string, byte[]>> ReadBackAsync(OpenVault vault, VaultReader reader, SnapshotId id)
    {
        var snapshot = await vault.ReadSnapshotAsync(id, CancellationToken.None);
        var root = await reader.ReadTreeAsync(snapshot.Root!.Value, CancellationToken.None);
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var entry in await reader.ReadTreeAsync(root.Single().Subtree!.Value, CancellationToken.None))
        {
            await using var stream = await reader.OpenContentAsync(entry.Content!, CancellationToken.None);
            var bytes = new byte[entry.Size];
            await stream.ReadExactlyAsync(bytes);
            files.Add(Encoding.UTF8.GetString(entry.Name.Span), bytes);
        }

        return files;
    }

    /// <summary>Deterministic, half-compressible bytes.</summary>
    public static byte[] Bytes(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        bytes.AsSpan(length / 2).Replace((byte)7, (byte)8);
        for (var i = length / 2; i < length; i++) bytes[i] = (byte)(bytes[i] & 0x0F);
        return bytes;
    }

    public static bool Same(IReadOnlyDictionary<string, byte[]> a, IReadOnlyDictionary<string, byte[]> b) =>
        a.Count == b.Count && a.All(f => b.TryGetValue(f.Key, out var other) && f.Value.AsSpan().SequenceEqual(other));
}
