using System.Collections.Concurrent;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Pruning;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>Verifies a vault or a replica. Problems are results, not exceptions: only a store that cannot be listed ends a run.</summary>
public static class Verifier
{
    /// <summary>Verifies without any key: that every object has the hash in its name. What is missing altogether shows only with a key or against another copy.</summary>
    /// <param name="store">The vault's store or a replica.</param>
    /// <param name="request">Depth <see cref="VerifyDepth.Hashes"/>.</param>
    /// <param name="time">The clock, for the ledger.</param>
    /// <param name="progress">Told about each object, or null.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">NotAVault, or the store failed.</exception>
    public static async Task<VerifyReport> VerifyWithoutKeyAsync(IObjectStore store, VerifyRequest request, TimeProvider time, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(time);
        if (request.Depth != VerifyDepth.Hashes) throw new ArgumentException("Without a key only hashes can be verified.", nameof(request));
        var vault = await OpenVault.IdentifyAsync(store, cancel).ConfigureAwait(false);
        return await new VerifyRun(store, vault, null, request, time, progress).RunAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Verifies with a key.</summary>
    /// <param name="vault">The vault; data depth needs it opened with a restore key.</param>
    /// <param name="request">How thoroughly.</param>
    /// <param name="progress">Told about each object, or null.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="VaultException">KeyRole at data depth with a backup key; or the store failed.</exception>
    public static Task<VerifyReport> VerifyAsync(OpenVault vault, VerifyRequest request, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(request);
        if (request.Depth == VerifyDepth.Data) vault.Secrets.RequireRestore("verify data");
        return new VerifyRun(vault.Store, vault.Id, vault, request, vault.Time, progress).RunAsync(cancel);
    }
}

/// <summary>One verification.</summary>
/// <remarks>(1) list (2) read the small objects (3) compare the index with the listing (4) read the packs that are due (5) walk the snapshots (6) write the ledger</remarks>
internal sealed class VerifyRun(IObjectStore store, VaultId id, OpenVault? vault, VerifyRequest request, TimeProvider time, IProgress<VaultProgress>? progress)
{
    private readonly ConcurrentQueue<ObjectProblem> _problems = new();
    private readonly Dictionary<ObjectName, (uint StoredBytes, ContentHash Directory)> _indexed = [];
    private Dictionary<ObjectName, long> _packs = [];
    private readonly FrameDirectory _frames = new();
    private readonly ByteWriter _scratch = new();
    private readonly ChunkIndex _index = new();
    private readonly ConcurrentBag<SnapshotInfo> _snapshots = [];
    private readonly ConcurrentBag<ObjectName> _verified = [];
    private long _checked, _read, _bytes;

    internal async Task<VerifyReport> RunAsync(CancellationToken cancel)
    {
        request.Check();
        _packs = await StoreReading.ListPacksAsync(store, cancel).ConfigureAwait(false);                              // (1)
        var ledger = await Ledger.LoadAsync(store, id, time.GetUtcNow(), cancel).ConfigureAwait(false);
        foreach (var problem in ledger.Problems) _problems.Enqueue(problem);
        await ReadSmallObjectsAsync(cancel).ConfigureAwait(false);                                                   // (2)
        var unindexed = vault is null ? [] : await CompareWithIndexAsync(cancel).ConfigureAwait(false);              // (3)
        Interlocked.Add(ref _checked, _packs.Count);
        if (request.Depth >= VerifyDepth.Hashes) await ReadPacksAsync(Due(ledger), cancel).ConfigureAwait(false);    // (4)
        var missing = request.Depth == VerifyDepth.Data ? await WalkAsync(cancel).ConfigureAwait(false) : [];        // (5)
        var now = time.GetUtcNow();
        if (request.WriteLedger && !_verified.IsEmpty) await ledger.WriteAsync(store, id, _verified, _packs.Keys.ToHashSet(), request.Depth, now, cancel).ConfigureAwait(false);   // (6)
        else foreach (var pack in _verified) ledger.Note(pack, request.Depth, now);
        var oldest = _packs.Count == 0 ? now : _packs.Keys.Min(p => ledger.LastVerified(p, request.Depth));
        return new VerifyReport(
            request.Depth, _checked, _read, _bytes, _packs.Count, _verified.Count, oldest <= DateTimeOffset.UnixEpoch ? null : oldest,
            [.. _problems.DistinctBy(p => (p.Name, p.Kind)).OrderBy(p => p.Name.Kind).ThenBy(p => p.Name.Hash)], missing, unindexed);
    }

    private async Task ReadSmallObjectsAsync(CancellationToken cancel)
    {
        var keyrings = 0;
        foreach (var kind in (ObjectKind[])[ObjectKind.Config, ObjectKind.Keys, ObjectKind.ChunkMap, ObjectKind.Snapshot, ObjectKind.PruneMarks])
        {
            var found = await StoreReading.ListAllAsync(store, kind, cancel).ConfigureAwait(false);
            Interlocked.Add(ref _checked, found.Count);
            await Parallel.ForEachAsync(found, Options(cancel), async (item, inner) =>
            {
                var content = await ReadAsync(item.Name, inner).ConfigureAwait(false);
                if (content is null) return;
                Interlocked.Add(ref _bytes, content.Length);
                Interlocked.Increment(ref _read);
                try
                {
                    Open(item.Name, content);
                    if (kind == ObjectKind.Keys) Interlocked.Increment(ref keyrings);
                }
                catch (VaultException e) when (e.Fault is VaultFault.Damaged or VaultFault.NewerFormat)
                {
                    _problems.Enqueue(new ObjectProblem(item.Name, ObjectProblemKind.WrongContent, e.Message));
                }
            }).ConfigureAwait(false);
        }

        if (keyrings == 0) _problems.Enqueue(new ObjectProblem(new ObjectName(ObjectKind.Keys, default), ObjectProblemKind.Missing, "There is no readable keyring: nobody can open this copy."));
    }

    private void Open(ObjectName name, byte[] content)
    {
        var what = name.ToString();
        switch (name.Kind)
        {
            case ObjectKind.Config: ConfigDocument.Parse(content, what); break;
            case ObjectKind.Keys: KeyringDocument.Parse(content, id, what); break;
            case ObjectKind.PruneMarks: MarkSet.Parse(content, id, what); break;
            case ObjectKind.ChunkMap when vault is not null:
                NoteIndex(content, what);
                break;
            case ObjectKind.Snapshot when vault is not null: _snapshots.Add(SnapshotDocument.Parse(content, new SnapshotId(name.Hash), vault.Secrets)); break;
            default: ObjectPrefix.Check(content, name.Kind, id, what); break;
        }
    }

    /// <summary>The chunks are needed for walking the snapshots only; of what a pack's directory must say, a digest is kept.</summary>
    private void NoteIndex(ReadOnlySpan<byte> content, string what)
    {
        var plain = new byte[Envelope.PlainBytes(content.Length)];
        IndexDocument.Open(content, vault!.Secrets, what, plain);
        lock (_frames)
        {
            var packs = new IndexReader(plain, _frames, what);
            while (packs.MoveNext())
            {
                var pack = packs.Current;
                _indexed[pack.Name] = (pack.StoredBytes, request.Depth == VerifyDepth.Data ? pack.Frames.Digest(_scratch) : default);
                if (request.Depth == VerifyDepth.Data) _index.AddPack(pack, isAbsent: !pack.IsIn(_packs));
            }
        }
    }

    private async Task<List<ObjectName>> CompareWithIndexAsync(CancellationToken cancel)
    {
        foreach (var (name, pack) in _indexed)
        {
            // Packs were listed before the index was read: what somebody stored in between is there all the same.
            if (!_packs.ContainsKey(name) && await store.FindLengthAsync(name, cancel).ConfigureAwait(false) is { } late) _packs[name] = late;
            if (!_packs.TryGetValue(name, out var length)) _problems.Enqueue(new ObjectProblem(name, ObjectProblemKind.Missing, "The index lists it; the store does not have it."));
            else if (length != pack.StoredBytes) _problems.Enqueue(new ObjectProblem(name, ObjectProblemKind.WrongLength, $"It has {length} bytes; the index says {pack.StoredBytes}."));
        }

        return [.. _packs.Keys.Where(p => !_indexed.ContainsKey(p))];
    }

    /// <summary>The packs this run reads: those verified longest ago, until the sample is full.</summary>
    private List<ObjectName> Due(Ledger ledger)
    {
        var count = (int)Math.Ceiling(_packs.Count * request.SamplePercent / 100);
        return [.. _packs.Keys.OrderBy(p => ledger.LastVerified(p, request.Depth)).ThenBy(p => p.Hash).Take(count)];
    }

    private async Task ReadPacksAsync(List<ObjectName> due, CancellationToken cancel)
    {
        var counter = new ProgressCounter(progress, "verifying packs", due.Count, due.Sum(p => _packs[p]));
        using var checkers = request.Depth == VerifyDepth.Data ? new FrameCheckers(store, new PackDecryptor(vault!.Secrets), request.Parallelism) : null;
        var idle = new Idle<PackCheck>();
        await Parallel.ForEachAsync(due, Options(cancel), async (name, inner) =>
        {
            if (!idle.TryTake(out var pack)) pack = new PackCheck(store, checkers);
            var length = _packs[name];
            var problem = length is <= 0 or > IObjectStore.ObjectBytesMax
                ? new ObjectProblem(name, ObjectProblemKind.WrongLength, $"It has {length} bytes, which no pack has.")
                : await pack.CheckAsync(name, (int)length, _indexed.TryGetValue(name, out var indexed) ? indexed.Directory : null, inner).ConfigureAwait(false);
            idle.Return(pack);
            Interlocked.Add(ref _bytes, length);
            Interlocked.Increment(ref _read);
            if (problem is null) _verified.Add(name);
            else _problems.Enqueue(problem);
            counter.Done(length);
        }).ConfigureAwait(false);
        while (idle.TryTake(out var pack)) pack.Dispose();
    }

    /// <summary>Names what each snapshot lacks; with whatever is in packs that are missing or were found damaged just now.</summary>
    private Task<IReadOnlyList<MissingPiece>> WalkAsync(CancellationToken cancel)
    {
        _index.Lose(_problems.Where(p => p.Name.Kind is ObjectKind.DataPack or ObjectKind.MetaPack).Select(p => p.Name));
        return new Reachability(store, vault!.Secrets, _index, new ChunkSet()).CollectAsync(_snapshots.OrderBy(s => s.CommittedAt), cancel);
    }

    private async Task<byte[]?> ReadAsync(ObjectName name, CancellationToken cancel)
    {
        try
        {
            var content = await store.ReadAsync(name, cancel).ConfigureAwait(false);
            if (name.Matches(content)) return content;
            _problems.Enqueue(new ObjectProblem(name, ObjectProblemKind.WrongHash, "Its bytes do not have the hash in its name."));
        }
        catch (VaultException e) when (e.Fault == VaultFault.NotFound)
        {
            // Deleted since the listing, as prune and retention do.
            return null;
        }
        catch (VaultException e)
        {
            _problems.Enqueue(new ObjectProblem(name, ObjectProblemKind.Unreadable, e.Message));
        }

        return null;
    }

    private ParallelOptions Options(CancellationToken cancel) => new() { MaxDegreeOfParallelism = request.Parallelism, CancellationToken = cancel };
}
