namespace Backup.Policy;

/// <summary>A limit on a site's line, always or by time of day.</summary>
/// <param name="BytesPerSecond">More than zero.</param>
/// <param name="Hours">When it holds; null means always.</param>
public sealed record BandwidthLimit(long BytesPerSecond, BackupWindow? Hours);

/// <summary>What a site's line gives to backups. Where several limits hold at once, the lowest counts.</summary>
/// <param name="Limits">In file order.</param>
public sealed record BandwidthPlan(IReadOnlyList<BandwidthLimit> Limits)
{
    /// <summary>No limit at any time.</summary>
    public static readonly BandwidthPlan Unlimited = new([]);

    /// <summary>Bytes per second at that instant; null means unlimited.</summary>
    public long? LimitAt(DateTimeOffset now, TimeZoneInfo zone)
    {
        long? lowest = null;
        foreach (var limit in Limits)
        {
            if ((limit.Hours is null || limit.Hours.IsOpen(now, zone)) && !(limit.BytesPerSecond >= lowest))
            {
                lowest = limit.BytesPerSecond;
            }
        }

        return lowest;
    }
}
