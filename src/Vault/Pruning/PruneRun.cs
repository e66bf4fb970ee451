using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>Executes one plan. The order of the steps is the safety; WRITE_ORDER.md says why each stands where it does.</summary>
/// <remarks>(1) drop snapshots (2) repack into new, indexed packs (3) write marks (4) look for late snapshots (5) index without the doomed (6) delete packs (7) note deletions</remarks>
internal sealed class PruneRun(OpenVault vault, PrunePlan plan, IProgress<VaultProgress>? progress)
{
    private const int SmallIndexObjectsMax = 16;
    private readonly IObjectStore _store = vault.Store;

    internal async Task<PruneResult> RunAsync(CancellationToken cancel)
    {
        foreach (var snapshot in plan.Dropped) await _store.DeleteAsync(snapshot.Id.Name, cancel).ConfigureAwait(false);                   // (1)
        var repack = plan.PacksTo(PackFate.Repack);
        var bytesNew = await new Repacker(vault, plan, progress).RunAsync([.. plan.Decisions.Where(d => d.Fate == PackFate.Repack)], cancel).ConfigureAwait(false);   // (2)
        var now = plan.Request.DecidedAt ?? vault.Time.GetUtcNow();
        List<ObjectName> toMark = [.. plan.PacksTo(PackFate.Mark), .. repack];
        var marks = NextMarks(toMark, now);
        var markObjects = await ReplaceMarksAsync(marks.Values, plan.Marks.Sources, cancel).ConfigureAwait(false);                          // (3)
        var doomed = plan.PacksTo(PackFate.Delete);
        if (plan.Request.Grace == TimeSpan.Zero) doomed.AddRange(toMark);
        var spared = await FindLateReferencesAsync(doomed, cancel).ConfigureAwait(false);                                                   // (4)
        doomed.RemoveAll(spared.Contains);
        await RewriteIndexAsync([.. doomed, .. plan.Vanished], cancel).ConfigureAwait(false);                                                                 // (5)
        var bytesDeleted = await DeleteAsync(doomed, cancel).ConfigureAwait(false);                                                         // (6)
        if (doomed.Count > 0)
        {
            foreach (var pack in doomed) marks[pack] = new PruneMark(pack, marks.TryGetValue(pack, out var mark) ? mark.MarkedAt : now, now);
            await ReplaceMarksAsync(marks.Values, markObjects, cancel).ConfigureAwait(false);                                               // (7)
        }

        // Temporary files are dated by this machine's clock, right or wrong.
        if (_store is FileSystemObjectStore files) files.RemoveTemporaryFiles(vault.Time.GetUtcNow() - PruneSafety.WriterLifetimeMax);
        return new PruneResult(plan.Dropped.Count, plan.CountOf(PackFate.Mark), repack.Count, doomed.Count, bytesDeleted - bytesNew);
    }

    /// <summary>Marks of packs that are needed again go, and notes of deletions no living writer can care about.</summary>
    private Dictionary<ObjectName, PruneMark> NextMarks(List<ObjectName> toMark, DateTimeOffset now)
    {
        var marks = new Dictionary<ObjectName, PruneMark>(plan.Marks.Marks);
        foreach (var pack in plan.PacksTo(PackFate.Unmark)) marks.Remove(pack);
        foreach (var (pack, mark) in plan.Marks.Marks)
            if (mark.DeletedAt is { } deleted && now - deleted > PruneSafety.GraceDefault) marks.Remove(pack);
        foreach (var pack in toMark) marks[pack] = new PruneMark(pack, now, null);
        return marks;
    }

    private async Task<List<ObjectName>> ReplaceMarksAsync(IReadOnlyCollection<PruneMark> marks, IReadOnlyList<ObjectName> replaced, CancellationToken cancel)
    {
        var written = new List<ObjectName>();
        foreach (var content in MarkSet.ToObjects(vault.Id, marks.OrderBy(m => m.Pack.Hash)))
        {
            var name = ObjectName.For(ObjectKind.PruneMarks, content);
            await _store.CreateAsync(name, content, cancel).ConfigureAwait(false);
            written.Add(name);
        }

        foreach (var old in replaced.Except(written)) await _store.DeleteAsync(old, cancel).ConfigureAwait(false);
        return written;
    }

    /// <summary>Packs among the doomed that a snapshot committed since the plan needs. None, unless clocks disagree: then this saves the data.</summary>
    private async Task<HashSet<ObjectName>> FindLateReferencesAsync(List<ObjectName> doomed, CancellationToken cancel)
    {
        if (doomed.Count == 0) return [];
        var late = (await vault.ListSnapshotsAsync(cancel).ConfigureAwait(false)).Where(s => plan.Kept.All(k => k.Id != s.Id)).ToList();
        if (late.Count == 0) return [];
        var marks = new MarkSet();
        foreach (var pack in doomed) marks.Add(new PruneMark(pack, default, null));
        var index = await IndexLoader.LoadAsync(_store, vault.Secrets, marks, cancel).ConfigureAwait(false);
        var live = new ChunkSet();
        var missing = await new Reachability(_store, vault.Secrets, index, live).CollectAsync(late, cancel).ConfigureAwait(false);
        if (missing.Count > 0)
            throw new VaultException(VaultFault.Inconsistent, $"Prune deletes no packs: snapshot {missing[0].Snapshot}, committed meanwhile, needs what is missing: {missing[0].Problem}.", "Verify the vault, then prune again.");
        return [.. index.MeasureUse(live).Where(u => u.LiveChunks > 0).Select(u => u.Name).Intersect(doomed)];
    }

    /// <summary>Replaces index objects that list doomed or vanished packs, and gathers small ones. New objects are durable before old ones go.</summary>
    private async Task RewriteIndexAsync(HashSet<ObjectName> doomed, CancellationToken cancel)
    {
        var listed = await StoreReading.ListAllAsync(_store, ObjectKind.ChunkMap, cancel).ConfigureAwait(false);
        var small = listed.Where(o => o.Length < IndexDocument.BytesTarget / 4).Select(o => o.Name).ToHashSet();
        if (doomed.Count == 0 && small.Count <= SmallIndexObjectsMax) return;
        var shards = new IndexShards(_store, vault.Secrets);
        var frames = new FrameDirectory();
        var moved = new HashSet<ObjectName>();
        var replaced = new List<ObjectName>();
        await IndexLoader.ReadAsync(
            _store, vault.Secrets,
            async (name, plain) =>
            {
                if (!small.Contains(name) && !Lists(name, plain.Span)) return;
                Move(name, plain.Span);
                replaced.Add(name);
                await shards.StoreFullAsync(cancel).ConfigureAwait(false);
            },
            cancel).ConfigureAwait(false);
        await shards.StoreAsync(cancel).ConfigureAwait(false);
        foreach (var old in replaced.Where(n => !shards.Written.Contains(n))) await _store.DeleteAsync(old, cancel).ConfigureAwait(false);

        bool Lists(ObjectName name, ReadOnlySpan<byte> plain)
        {
            var packs = new IndexReader(plain, frames, $"Index {name}");
            while (packs.MoveNext())
                if (doomed.Contains(packs.Current.Name)) return true;
            return false;
        }

        void Move(ObjectName name, ReadOnlySpan<byte> plain)
        {
            var packs = new IndexReader(plain, frames, $"Index {name}");
            while (packs.MoveNext())
                if (!doomed.Contains(packs.Current.Name) && moved.Add(packs.Current.Name)) shards.Add(packs.Encoded);
        }
    }

    private async Task<long> DeleteAsync(List<ObjectName> doomed, CancellationToken cancel)
    {
        const int AtOnce = 8;
        var sizes = plan.Decisions.ToDictionary(d => d.Pack, d => d.StoredBytes);
        var counter = new ProgressCounter(progress, "deleting packs", doomed.Count, doomed.Sum(d => sizes[d]));
        long bytes = 0;
        await Parallel.ForEachAsync(doomed, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (pack, inner) =>
        {
            await _store.DeleteAsync(pack, inner).ConfigureAwait(false);
            Interlocked.Add(ref bytes, sizes[pack]);
            counter.Done(sizes[pack]);
        }).ConfigureAwait(false);
        return bytes;
    }
}
