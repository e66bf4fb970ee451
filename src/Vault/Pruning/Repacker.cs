using System.Runtime.InteropServices;
using Backup.Vault.Chunking;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Packs;
using Backup.Vault.Restoring;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>Moves the live chunks of wasteful packs into new ones. Frames that are wholly live move compressed as they are.</summary>
internal static class Repacker
{
    private const int Level = 3, AtOnce = 2, DataPackBytes = 16 << 20, MetaPackBytes = 4 << 20;

    /// <summary>When this returns, new packs and their index are durable; the old packs are untouched.</summary>
    /// <returns>Bytes of new packs.</returns>
    internal static async Task<long> RepackAsync(OpenVault vault, PrunePlan plan, IReadOnlyCollection<ObjectName> packs, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        if (packs.Count == 0) return 0;
        var session = new WriteSession(vault.Secrets);
        await using var data = new PackWriter(vault.Store, session, ObjectKind.DataPack, DataPackBytes, cancel);
        await using var meta = new PackWriter(vault.Store, session, ObjectKind.MetaPack, MetaPackBytes, cancel);
        var decryptor = new PackDecryptor(vault.Secrets);
        var counter = new ProgressCounter(progress, "repacking", packs.Count, plan.BytesRepacked);
        await Parallel.ForEachAsync(packs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (pack, inner) =>
        {
            var content = await StoreReading.ReadVerifiedAsync(vault.Store, pack, inner).ConfigureAwait(false);
            Move(vault, plan, pack, content, decryptor, pack.Kind == ObjectKind.DataPack ? data : meta);
            counter.Done(content.Length);
        }).ConfigureAwait(false);
        await data.FlushAsync().ConfigureAwait(false);
        await meta.FlushAsync().ConfigureAwait(false);
        foreach (var index in IndexShards.Write(vault.Secrets, [.. meta.TakeStored(), .. data.TakeStored()]))
            await vault.Store.CreateAsync(ObjectName.For(ObjectKind.ChunkMap, index), index, cancel).ConfigureAwait(false);
        return data.StoredBytes + meta.StoredBytes;
    }

    private static void Move(OpenVault vault, PrunePlan plan, ObjectName pack, ReadOnlySpan<byte> content, PackDecryptor decryptor, PackWriter target)
    {
        using var ids = new ChunkHasher(pack.Kind == ObjectKind.DataPack ? vault.Secrets.DataIdKey : vault.Secrets.MetaIdKey);
        var directory = OpenPack.ReadDirectory(content, pack.Kind, vault.Secrets, pack.ToString());
        using var frames = new FrameReader(vault.Store, decryptor);
        using var builder = new FrameBuilder(target, Level, pack.Kind == ObjectKind.DataPack ? FrameBuilder.ContentBytesTarget : FrameBuilder.MetaBytesTarget);
        frames.Enter(pack, content);
        var chunks = CollectionsMarshal.AsSpan(directory.Chunks);
        var at = PackHeader.Length;
        var next = 0;
        for (var frame = 0; frame < directory.FrameChunks.Count; frame++)
        {
            var own = chunks.Slice(next, directory.FrameChunks[frame]);
            var stored = content.Slice(at, (int)directory.FrameStoredBytes[frame]);
            next += own.Length;
            at += stored.Length;
            var live = 0;
            foreach (var chunk in own) live += plan.ChunkMap.IsLiveIn(chunk.Id, pack, plan.Live) ? 1 : 0;
            if (live == 0) continue;
            if (live == own.Length)
            {
                // Verified as a whole by hash and tag; recompressing would only cost time.
                target.Append(frames.Decrypt((uint)frame, stored), own);
                continue;
            }

            var plain = frames.Decode((uint)frame, stored).Span;
            var (stride, phase) = frames.DecodedShape;
            var offset = 0;
            foreach (var chunk in own)
            {
                if ((long)offset + chunk.Length > plain.Length) throw VaultException.Damaged(pack.ToString(), $"chunk {chunk.Id} lies outside its frame");
                var bytes = plain.Slice(offset, (int)chunk.Length);
                var over = stride == 0 ? 0 : (((phase - offset) % stride) + stride) % stride;
                offset += (int)chunk.Length;
                if (!plan.ChunkMap.IsLiveIn(chunk.Id, pack, plan.Live)) continue;
                FrameReader.Verify(bytes, chunk.Id, ids, pack);
                builder.Add(chunk.Id, bytes, stride, over);
            }
        }

        builder.Flush();
    }
}
