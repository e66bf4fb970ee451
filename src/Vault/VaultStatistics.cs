using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault;

/// <summary>One asset's part in a vault.</summary>
/// <param name="Asset">Its name.</param>
/// <param name="Snapshots">How many snapshots.</param>
/// <param name="LatestBytes">Content bytes of the newest.</param>
/// <param name="BytesStored">Bytes that its snapshots added to the store when they were made.</param>
/// <param name="BytesStoredPerDay">Mean growth over the time its snapshots span; null with fewer than two, or less than an hour.</param>
public sealed record AssetStatistics(string Asset, int Snapshots, long LatestBytes, long BytesStored, double? BytesStoredPerDay);

/// <summary>Size, deduplication and compression of a vault. A backup key suffices.</summary>
/// <param name="Snapshots">Snapshots.</param>
/// <param name="Packs">Packs in the index.</param>
/// <param name="Chunks">Distinct chunks.</param>
/// <param name="BytesProtected">Content bytes of all snapshots together.</param>
/// <param name="BytesUnique">Plain bytes of the distinct chunks, metadata included.</param>
/// <param name="BytesStored">Stored bytes of all objects.</param>
/// <param name="BytesByKind">Stored bytes per kind of object.</param>
/// <param name="IndexBytesInMemory">What the index takes in memory.</param>
/// <param name="Assets">Per asset, by name.</param>
public sealed record VaultStatistics(
    int Snapshots, int Packs, long Chunks, long BytesProtected, long BytesUnique, long BytesStored, IReadOnlyDictionary<ObjectKind, long> BytesByKind,
    long IndexBytesInMemory, IReadOnlyList<AssetStatistics> Assets)
{
    /// <summary>How many times larger the protected content is than the distinct chunks; 1 for an empty vault.</summary>
    public double DeduplicationRatio => BytesUnique == 0 ? 1 : (double)BytesProtected / BytesUnique;

    /// <summary>How many times larger the distinct chunks are than what is stored; 1 for an empty vault.</summary>
    public double CompressionRatio => BytesStored == 0 || BytesUnique == 0 ? 1 : (double)BytesUnique / BytesStored;

    /// <summary>Measures a vault.</summary>
    /// <exception cref="VaultException">The store failed, or an object is damaged.</exception>
    public static async Task<VaultStatistics> MeasureAsync(OpenVault vault, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        var snapshots = await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false);
        var index = await IndexLoader.LoadAsync(vault.Store, vault.Secrets, new MarkSet(), cancel).ConfigureAwait(false);
        var bytes = new Dictionary<ObjectKind, long>();
        foreach (var kind in ObjectName.KindsInWriteOrder)
            bytes[kind] = (await StoreReading.ListAllAsync(vault.Store, kind, cancel).ConfigureAwait(false)).Sum(o => o.Length);
        return new VaultStatistics(
            snapshots.Count, index.PackCount, index.ChunkCount, snapshots.Sum(s => s.Statistics.BytesTotal), index.PlainBytes(), bytes.Values.Sum(), bytes,
            index.BytesHeld, [.. snapshots.GroupBy(s => s.Asset).OrderBy(g => g.Key, StringComparer.Ordinal).Select(Measure)]);
    }

    private static AssetStatistics Measure(IGrouping<string, SnapshotInfo> asset)
    {
        var all = asset.OrderBy(s => s.CommittedAt).ToList();
        var span = all[^1].CommittedAt - all[0].CommittedAt;

        // The first snapshot is the stock, not growth.
        double? perDay = span < TimeSpan.FromHours(1) ? null : all.Skip(1).Sum(s => s.Statistics.BytesStored) / span.TotalDays;
        return new AssetStatistics(asset.Key, all.Count, all[^1].Statistics.BytesTotal, all.Sum(s => s.Statistics.BytesStored), perDay);
    }
}
