using Backup.Vault.Encryption;
using Backup.Vault.Format;

namespace Backup.Vault.Indexing;

/// <summary>Splits packs over index objects of bounded size.</summary>
internal static class IndexShards
{
    internal static IEnumerable<byte[]> Write(VaultSecrets secrets, IEnumerable<IndexedPack> packs)
    {
        const int BytesPerChunk = 34, BytesPerPack = 64;
        var shard = new List<IndexedPack>();
        long bytes = 0;
        foreach (var pack in packs)
        {
            shard.Add(pack);
            bytes += ((long)pack.Frames.Chunks.Count * BytesPerChunk) + BytesPerPack;
            if (bytes < IndexDocument.BytesTarget) continue;
            yield return IndexDocument.ToBytes(secrets, shard);
            shard = [];
            bytes = 0;
        }

        if (shard.Count > 0) yield return IndexDocument.ToBytes(secrets, shard);
    }
}
