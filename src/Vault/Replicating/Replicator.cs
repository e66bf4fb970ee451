using System.Collections.Concurrent;
using System.Security.Cryptography;
using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Replicating;

/// <summary>How to copy.</summary>
public sealed record CopyRequest
{
    /// <summary>Objects copied at once, 1 to 64.</summary>
    public int Parallelism { get; init; } = 6;

    /// <summary>
    /// Bytes of objects held in memory at once, where the source is not read in pieces (<see cref="IObjectStore.ReadsPiecesFreely"/>): of large objects fewer are
    /// copied at once, though always one.
    /// </summary>
    /// <value>By default 48 MiB: three packs as the writer makes them.</value>
    public long BytesInFlightMax { get; init; } = 48L << 20;

    /// <summary>Whom to ask before bytes are sent; null for nobody.</summary>
    public TransferBudget? Budget { get; init; }

    /// <summary>Remove keyrings from the target that the source no longer has, so that removed key slots go there too. Needs a credential that may delete.</summary>
    public bool RemoveStaleKeyrings { get; init; }

    internal void Check()
    {
        if (Parallelism is < 1 or > 64) throw new ArgumentException("The parallelism is 1 to 64.");
        ArgumentOutOfRangeException.ThrowIfLessThan(BytesInFlightMax, 1);
    }
}

/// <summary>What a copy did.</summary>
/// <param name="Vault">The vault.</param>
/// <param name="Inventory">Every object the target now has of what a full replica needs, in write order.</param>
/// <param name="Copied">Those that this call wrote, or found written by another copy at the same time.</param>
/// <param name="BytesCopied">Their bytes.</param>
/// <param name="DamagedInSource">Objects that are not what their names say and were not copied: verify and repair the source.</param>
/// <param name="DamagedInTarget">Objects that the target has with another length; a copy never overwrites: verify and repair the target.</param>
public sealed record CopyReport(
    VaultId Vault, IReadOnlyList<StoreObject> Inventory, IReadOnlyList<StoreObject> Copied, long BytesCopied, IReadOnlyList<ObjectName> DamagedInSource, IReadOnlyList<ObjectName> DamagedInTarget)
{
    /// <summary>All objects that the target lacks, or has only damaged.</summary>
    public IReadOnlyList<ObjectName> Skipped => [.. DamagedInSource, .. DamagedInTarget];

    /// <summary>True when the target is a full replica of the source as it was listed.</summary>
    public bool IsComplete => Skipped.Count == 0;
}

/// <summary>Copies a vault between stores, byte for byte under the same names: what the target has already is not read. Needs no key.</summary>
public static class Replicator
{
    /// <summary>Snapshots are listed before indexes and packs, so that what a listed snapshot needs is in the later listings.</summary>
    private static readonly ObjectKind[] ListingOrder = [ObjectKind.Snapshot, ObjectKind.ChunkMap, ObjectKind.MetaPack, ObjectKind.DataPack, ObjectKind.Keys, ObjectKind.Config];

    /// <summary>Every object a full replica needs, in the order in which a copy writes them.</summary>
    /// <exception cref="VaultException">The store failed.</exception>
    public static async Task<IReadOnlyList<StoreObject>> InventoryAsync(IObjectStore store, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        var inventory = new List<StoreObject>();
        foreach (var kind in ListingOrder) inventory.AddRange(await StoreReading.ListAllAsync(store, kind, cancel).ConfigureAwait(false));
        return [.. inventory.OrderBy(o => WriteOrderOf(o.Name.Kind)).ThenBy(o => o.Name.Hash)];
    }

    /// <summary>Copies what the target lacks. Every object is checked against its name before it is written; a snapshot is written only when all packs and indexes are.</summary>
    /// <param name="source">The vault or any replica of it.</param>
    /// <param name="target">An empty store or a replica of the same vault.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told about each object, or null.</param>
    /// <param name="cancel">Gives up; a later call goes on where this one stopped.</param>
    /// <exception cref="VaultException">NotAVault, Conflict when the target holds another vault, or a store failed.</exception>
    public static async Task<CopyReport> CopyAsync(IObjectStore source, IObjectStore target, CopyRequest request, IProgress<VaultProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(request);
        request.Check();
        var (vault, _) = await ConfigDocument.LoadAsync(source, cancel).ConfigureAwait(false);
        var listings = (Source: InventoryAsync(source, cancel), Target: PresentAsync(target, cancel));
        await Task.WhenAll(listings.Source, listings.Target).ConfigureAwait(false);
        var (wanted, present) = (await listings.Source.ConfigureAwait(false), await listings.Target.ConfigureAwait(false));
        foreach (var config in present.Keys.Where(name => name.Kind == ObjectKind.Config)) await RefuseOtherVaultAsync(target, config, vault, cancel).ConfigureAwait(false);

        // A length that differs is damage at the target: a copy never overwrites, so it is left to verify and repair there, and reported.
        var damaged = wanted.Where(o => present.TryGetValue(o.Name, out var length) && length != o.Length).Select(o => o.Name).ToList();
        var lacking = wanted.Where(o => !present.ContainsKey(o.Name)).ToList();
        var run = new CopyRun(source, target, vault, request.Budget, new ProgressCounter(progress, "copying", lacking.Count, lacking.Sum(o => o.Length)));
        foreach (var kind in ObjectName.KindsInWriteOrder)
        {
            // No snapshot goes where a pack of the listing is missing: it might not be whole.
            if (kind == ObjectKind.Snapshot && run.Skipped.Concat(damaged).Any(s => s.Kind != ObjectKind.Snapshot)) break;
            var objects = lacking.Where(o => o.Name.Kind == kind).ToArray();
            var largest = Math.Clamp(objects.Select(o => o.Length).DefaultIfEmpty(1).Max(), 1, IObjectStore.ObjectBytesMax);
            run.Buffers = source.ReadsPiecesFreely ? null : new CopyBuffers((int)largest);
            var atOnce = source.ReadsPiecesFreely ? request.Parallelism : (int)Math.Clamp(request.BytesInFlightMax / largest, 1, request.Parallelism);
            await Parallel.ForEachAsync(FromAnywhere(objects), new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancel }, run.CopyAsync).ConfigureAwait(false);
        }

        if (request.RemoveStaleKeyrings)
            foreach (var stale in present.Keys.Where(n => n.Kind == ObjectKind.Keys).Except(wanted.Select(w => w.Name)).ToList()) await target.DeleteAsync(stale, cancel).ConfigureAwait(false);
        var copied = run.Copied.ToDictionary(o => o.Name);
        return new CopyReport(
            vault, [.. wanted.Where(o => copied.ContainsKey(o.Name) || (present.TryGetValue(o.Name, out var length) && length == o.Length))],
            [.. wanted.Where(o => copied.ContainsKey(o.Name))], copied.Values.Sum(o => o.Length), [.. run.Skipped], damaged);
    }

    /// <summary>What the target has. All kinds are listed at once: only of the source does it matter which is listed first.</summary>
    private static async Task<Dictionary<ObjectName, long>> PresentAsync(IObjectStore target, CancellationToken cancel) =>
        (await Task.WhenAll(ListingOrder.Select(kind => StoreReading.ListAllAsync(target, kind, cancel))).ConfigureAwait(false)).SelectMany(found => found).ToDictionary(o => o.Name, o => o.Length);

    private static async Task RefuseOtherVaultAsync(IObjectStore target, ObjectName config, VaultId vault, CancellationToken cancel)
    {
        var (other, _) = ConfigDocument.Parse(await StoreReading.ReadVerifiedAsync(target, config, cancel).ConfigureAwait(false), config.ToString());
        if (other != vault) throw new VaultException(VaultFault.AlreadyExists, $"{target.Description} holds another vault ({other}).", "Choose an empty place or a replica of this vault.");
    }

    /// <summary>
    /// From somewhere in the middle to the end and then from the start: of two replications at once each soon comes to what the other has sent. Side by side from the
    /// start they would send everything twice.
    /// </summary>
    private static IEnumerable<StoreObject> FromAnywhere(StoreObject[] objects)
    {
        var first = objects.Length == 0 ? 0 : RandomNumberGenerator.GetInt32(objects.Length);
        return objects.Skip(first).Concat(objects.Take(first));
    }

    private static int WriteOrderOf(ObjectKind kind) => ObjectName.KindsInWriteOrder.TakeWhile(k => k != kind).Count();

    private sealed class CopyRun(IObjectStore source, IObjectStore target, VaultId vault, TransferBudget? budget, ProgressCounter counter)
    {
        /// <summary>
        /// A name was taken that the listing did not have: another replication is at work. From then on each object is looked for before it is sent; before, the looks
        /// would only cost a round trip each.
        /// </summary>
        private volatile bool _othersSend;

        internal ConcurrentBag<StoreObject> Copied { get; } = [];

        internal ConcurrentBag<ObjectName> Skipped { get; } = [];

        /// <summary>Null where the source is read in pieces.</summary>
        internal CopyBuffers? Buffers { get; set; }

        internal async ValueTask CopyAsync(StoreObject item, CancellationToken cancel)
        {
            if (item.Length is 0 or > IObjectStore.ObjectBytesMax) Skipped.Add(item.Name); // No object is so short or long: not ours.
            else if (Buffers is null) await CopyAsync(item, (offset, piece, ct) => source.ReadRangeAsync(item.Name, offset, piece, ct), cancel).ConfigureAwait(false);
            else await CopyAsync(item, Buffers, cancel).ConfigureAwait(false);
            counter.Done(item.Length);
        }

        private async ValueTask CopyAsync(StoreObject item, CopyBuffers buffers, CancellationToken cancel)
        {
            var buffer = buffers.Rent();
            var isFilled = false;
            try
            {
                await CopyAsync(item, ReadAsync, cancel).ConfigureAwait(false);
            }
            finally
            {
                // A request that was given up may still be filling it.
                if (isFilled) buffers.Return(buffer);
            }

            async Task ReadAsync(long offset, Memory<byte> piece, CancellationToken ct)
            {
                if (!isFilled) await source.ReadRangeAsync(item.Name, 0, buffer.AsMemory(0, (int)item.Length), ct).ConfigureAwait(false);
                isFilled = true;
                buffer.AsMemory((int)offset, piece.Length).CopyTo(piece);
            }
        }

        private async ValueTask CopyAsync(StoreObject item, Func<long, Memory<byte>, CancellationToken, Task> read, CancellationToken cancel)
        {
            if (_othersSend && await target.FindLengthAsync(item.Name, cancel).ConfigureAwait(false) is not null)
            {
                Copied.Add(item);
                return;
            }

            if (budget is not null) await budget.SpendAsync(item.Length, cancel).ConfigureAwait(false);
            await using var content = new CheckedContent(item, vault, read);
            try
            {
                if (await target.CreateAsync(item.Name, content, cancel).ConfigureAwait(false) == CreateOutcome.AlreadyExists) _othersSend = true;
                Copied.Add(item);
            }
            catch (VaultException) when (content.Failure is { Fault: VaultFault.NotFound })
            {
                // Pruned since the listing: prune deletes only what no snapshot needs, so the copy is whole without it.
            }
            catch (VaultException) when (content.Failure is { Fault: VaultFault.Damaged or VaultFault.NewerFormat })
            {
                Skipped.Add(item.Name);
            }
        }
    }
}
