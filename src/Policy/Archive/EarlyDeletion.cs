namespace Backup.Policy.Archive;

/// <summary>A store object in a tier that bills a minimum time.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="WrittenAt">When it was written in that tier, by the store's clock.</param>
public sealed record TierObject(string Name, long Bytes, DateTimeOffset WrittenAt);

/// <summary>What deleting objects now would cost, compared with waiting.</summary>
/// <param name="DeleteNow">Those whose minimum time is over.</param>
/// <param name="Wait">Those that are billed on in any case, with the time from which deleting them is free.</param>
/// <param name="PenaltyBytesDays">Bytes times days that would be billed for nothing if all were deleted now.</param>
/// <param name="Penalty">That in money; null without prices.</param>
public sealed record EarlyDeletionPlan(
    IReadOnlyList<TierObject> DeleteNow, IReadOnlyList<(TierObject Object, DateTimeOffset FreeAt)> Wait, double PenaltyBytesDays, decimal? Penalty);

/// <summary>Early-deletion minimums: what is deleted before its time is billed until then all the same. Pure.</summary>
public static class EarlyDeletion
{
    /// <summary>How long an access tier bills at least.</summary>
    public static TimeSpan MinimumOf(AccessTier tier) => tier switch
    {
        AccessTier.Cool => TimeSpan.FromDays(30),
        AccessTier.Cold => TimeSpan.FromDays(90),
        AccessTier.Archive => TimeSpan.FromDays(180),
        _ => TimeSpan.Zero,
    };

    /// <summary>Splits what prune wants to delete: an object is left until its minimum is over, since keeping it costs nothing more.</summary>
    public static EarlyDeletionPlan Plan(AccessTier tier, DateTimeOffset now, IReadOnlyCollection<TierObject> objects, TierPrices? prices)
    {
        var minimum = MinimumOf(tier);
        var wait = objects.Select(o => (Object: o, FreeAt: o.WrittenAt + minimum)).Where(o => o.FreeAt > now).OrderBy(o => o.FreeAt).ThenBy(o => o.Object.Name, StringComparer.Ordinal).ToArray();
        var bytesDays = wait.Sum(o => o.Object.Bytes * (o.FreeAt - now).TotalDays);
        return new EarlyDeletionPlan(
            [.. objects.Where(o => o.WrittenAt + minimum <= now)],
            wait,
            bytesDays,
            prices is null ? null : (decimal)(bytesDays / 30 / 1e9) * prices.GigabyteMonth);
    }
}
