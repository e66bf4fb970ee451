using Backup.Vault.Indexing;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>What to prune and how carefully.</summary>
public sealed record PruneRequest
{
    /// <summary>Snapshots to drop. Retention is decided elsewhere; prune only executes it.</summary>
    public IReadOnlyCollection<SnapshotId> Drop { get; init; } = [];

    /// <summary>How long a marked pack stays before it is deleted.</summary>
    /// <value><see cref="PruneSafety.GraceDefault"/>. Zero deletes at once and is safe only while nothing writes to the vault; anything below a writer's lifetime needs <see cref="NoWriterIsRunning"/>.</value>
    public TimeSpan Grace { get; init; } = PruneSafety.GraceDefault;

    /// <summary>The time by the clock of whoever decides: marks are dated and judged by it. Null: by the vault's clock, which is that of the machine.</summary>
    public DateTimeOffset? DecidedAt { get; init; }

    /// <summary>The caller vouches that no writer runs now or has an uncommitted backup: permits a short grace.</summary>
    public bool NoWriterIsRunning { get; init; }

    /// <summary>A pack with more than this share of dead bytes is repacked, 0 to 1; frames with less of them move as they are. 1 never repacks.</summary>
    /// <value>0.3: what is kept is at most 1.43 times what is needed.</value>
    public double WasteShareMax { get; init; } = 0.3;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Grace, TimeSpan.Zero);
        if (WasteShareMax is not (>= 0 and <= 1)) throw new ArgumentException("The waste share is between 0 and 1.");
        if (Grace <= PruneSafety.WriterLifetimeMax && !NoWriterIsRunning)
            throw new ArgumentException($"A grace of {Grace.TotalDays:0.##} days is not longer than a writer may live ({PruneSafety.WriterLifetimeMax.TotalDays} days); say that no writer is running to permit it.");
    }
}

/// <summary>What happens to a pack.</summary>
public enum PackFate
{
    /// <summary>Needed: stays.</summary>
    Keep,

    /// <summary>Mostly dead: its live chunks move to a new pack, and it is marked.</summary>
    Repack,

    /// <summary>Not needed: marked, to be deleted after the grace period.</summary>
    Mark,

    /// <summary>Not needed and marked before, within its grace period: stays marked.</summary>
    Wait,

    /// <summary>Not needed since before the grace period: deleted.</summary>
    Delete,

    /// <summary>Marked, but a snapshot came to need it: the mark is lifted.</summary>
    Unmark,
}

/// <summary>One pack's fate.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Fate">What happens to it.</param>
/// <param name="StoredBytes">Its stored length.</param>
/// <param name="LiveShare">Share of its plain bytes that snapshots need, 0 to 1.</param>
public readonly record struct PackDecision(ObjectName Pack, PackFate Fate, long StoredBytes, double LiveShare)
{
    /// <summary>How many of its chunks snapshots need.</summary>
    internal int LiveChunks { get; init; }
}

/// <summary>A prune that was decided and not yet executed. Show it, then hand it to <see cref="Pruner.ExecuteAsync"/>, once.</summary>
public sealed class PrunePlan
{
    internal PrunePlan(PruneRequest request, IReadOnlyList<PackDecision> decisions, IReadOnlyList<SnapshotInfo> kept, IReadOnlyList<SnapshotInfo> dropped, MarkSet marks, ChunkIndex index, ChunkSet live, IReadOnlyList<ObjectName> vanished)
    {
        Request = request;
        Decisions = decisions;
        Kept = kept;
        Dropped = dropped;
        Marks = marks;
        ChunkMap = index;
        Live = live;
        Vanished = vanished;
    }

    /// <summary>What was asked for.</summary>
    public PruneRequest Request { get; }

    /// <summary>Every pack and its fate.</summary>
    public IReadOnlyList<PackDecision> Decisions { get; }

    /// <summary>Snapshots that stay.</summary>
    public IReadOnlyList<SnapshotInfo> Kept { get; }

    /// <summary>Snapshots that go.</summary>
    public IReadOnlyList<SnapshotInfo> Dropped { get; }

    /// <summary>Bytes that deletion frees in this run.</summary>
    public long BytesFreedNow => BytesOf(PackFate.Delete) + (Request.Grace == TimeSpan.Zero ? BytesOf(PackFate.Mark) + BytesOf(PackFate.Repack) : 0);

    /// <summary>Bytes marked now or waiting, freed by a later run after the grace period.</summary>
    public long BytesFreedLater => BytesOf(PackFate.Wait) + (Request.Grace == TimeSpan.Zero ? 0 : BytesOf(PackFate.Mark) + BytesOf(PackFate.Repack));

    /// <summary>Stored bytes of packs to be read and rewritten in part.</summary>
    public long BytesRepacked => BytesOf(PackFate.Repack);

    /// <summary>How many packs meet a fate.</summary>
    public int CountOf(PackFate fate) => Decisions.Count(d => d.Fate == fate);

    internal MarkSet Marks { get; }

    internal ChunkIndex ChunkMap { get; }

    internal ChunkSet Live { get; }

    /// <summary>Packs that the index lists, no snapshot needs and the store does not have: they leave the index.</summary>
    internal IReadOnlyList<ObjectName> Vanished { get; }

    internal int Executed;

    internal List<ObjectName> PacksTo(PackFate fate) => [.. Decisions.Where(d => d.Fate == fate).Select(d => d.Pack)];

    private long BytesOf(PackFate fate) => Decisions.Where(d => d.Fate == fate).Sum(d => d.StoredBytes);
}

/// <summary>What a prune did.</summary>
/// <param name="SnapshotsDropped">Snapshot objects deleted.</param>
/// <param name="PacksMarked">Packs newly marked.</param>
/// <param name="PacksRepacked">Packs whose live chunks were moved.</param>
/// <param name="PacksDeleted">Packs deleted.</param>
/// <param name="BytesFreed">Bytes of deleted packs less bytes of new packs.</param>
public readonly record struct PruneResult(int SnapshotsDropped, int PacksMarked, int PacksRepacked, int PacksDeleted, long BytesFreed);
