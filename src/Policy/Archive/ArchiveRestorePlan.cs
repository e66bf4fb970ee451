namespace Backup.Policy.Archive;

/// <summary>How urgently an archive tier brings data back.</summary>
public enum RehydrationPriority
{
    /// <summary>Within 15 hours.</summary>
    Standard,

    /// <summary>Mostly within an hour for objects under 10 GB; dearer.</summary>
    High,
}

/// <summary>A pack a restore needs.</summary>
/// <param name="Name">Its store object's name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="IsReady">True: it can be read now; false: it has to be rehydrated first.</param>
public sealed record PackNeeded(string Name, long Bytes, bool IsReady);

/// <summary>Packs that are rehydrated together.</summary>
/// <param name="Packs">In the order the restore reads them.</param>
/// <param name="Bytes">Their sizes added up.</param>
public sealed record RehydrationBatch(IReadOnlyList<PackNeeded> Packs, long Bytes);

/// <summary>What a restore from a tier takes.</summary>
/// <param name="Priority">As asked.</param>
/// <param name="PacksReady">Readable now: the restore starts with them.</param>
/// <param name="Batches">What has to be rehydrated, in the order the restore needs it.</param>
/// <param name="BytesTotal">All packs.</param>
/// <param name="BytesRehydrated">Those that have to be rehydrated.</param>
/// <param name="HoursMax">Until the last pack can be read, as the provider promises: all are asked for at once.</param>
/// <param name="Cost">Money for reading, rehydrating and keeping the copies; null without prices.</param>
public sealed record ArchiveRestorePlan(
    RehydrationPriority Priority,
    IReadOnlyList<PackNeeded> PacksReady,
    IReadOnlyList<RehydrationBatch> Batches,
    long BytesTotal,
    long BytesRehydrated,
    double HoursMax,
    decimal? Cost);

/// <summary>Plans restores from tiers that need rehydration. Pure.</summary>
public static class ArchiveRestorePlanner
{
    /// <summary>Objects asked for in one go: a batch is one activity, and its answer is one message.</summary>
    public const int BatchPacksMax = 500;

    /// <summary>What the provider promises at most for standard priority.</summary>
    public const double StandardHoursMax = 15;

    /// <summary>…and says of high priority for objects below <see cref="HighBytesMax"/>.</summary>
    public const double HighHours = 1;

    /// <summary>Larger objects take as long at high priority as at standard.</summary>
    public const long HighBytesMax = 10_000_000_000;

    /// <summary>Of what is asked for with high priority, an account gets no more in an hour.</summary>
    public const long HighBytesPerHour = 10L << 30;

    /// <summary>The plan for a restore.</summary>
    /// <param name="packs">In the order the restore reads them; each once.</param>
    /// <param name="priority">Standard or high.</param>
    /// <param name="prices">The tier's; null when the policy has none.</param>
    /// <param name="keepCopies">How long copies stay after everything was brought back.</param>
    public static ArchiveRestorePlan Plan(IReadOnlyList<PackNeeded> packs, RehydrationPriority priority, TierPrices? prices, TimeSpan keepCopies = default)
    {
        var cold = packs.Where(p => !p.IsReady).ToArray();
        var bytesCold = cold.Sum(p => p.Bytes);
        var hours = cold.Length == 0 ? 0
            : priority is RehydrationPriority.High && cold.All(p => p.Bytes < HighBytesMax) ? Math.Clamp(Math.Ceiling((double)bytesCold / HighBytesPerHour), HighHours, StandardHoursMax)
            : StandardHoursMax;
        var cost = prices is null
            ? (decimal?)null
            : (bytesCold / 1e9m * (priority is RehydrationPriority.High ? prices.GigabyteReadHigh : prices.GigabyteRead)) + (packs.Count / 10_000m * prices.TenThousandReads)
                + (bytesCold / 1e9m * prices.OnlineGigabyteMonth * (decimal)((keepCopies + TimeSpan.FromHours(hours)).TotalDays / 30));
        return new ArchiveRestorePlan(
            priority,
            [.. packs.Where(p => p.IsReady)],
            [.. cold.Chunk(BatchPacksMax).Select(batch => new RehydrationBatch(batch, batch.Sum(p => p.Bytes)))],
            packs.Sum(p => p.Bytes),
            bytesCold,
            hours,
            cost);
    }
}
