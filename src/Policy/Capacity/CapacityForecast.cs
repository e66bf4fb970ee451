namespace Backup.Policy.Capacity;

/// <summary>How full a vault or tier was.</summary>
/// <param name="At">When.</param>
/// <param name="BytesUsed">By our store objects; not negative.</param>
public sealed record CapacitySample(DateTimeOffset At, long BytesUsed);

/// <summary>How loudly to speak of it.</summary>
public enum CapacityAlert
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Order disks.</summary>
    Warning,

    /// <summary>It is nearly full, or will be before disks can come.</summary>
    Critical,
}

/// <summary>Where a vault or tier is heading.</summary>
/// <param name="BytesUsed">Now, by the newest sample.</param>
/// <param name="BytesPerDay">Growth; negative when it shrinks, null when there are too few samples to say.</param>
/// <param name="FullAt">When the limit is reached if growth stays; null when it never is, or nobody can say, or there is no limit.</param>
/// <param name="Alert">What follows.</param>
public sealed record CapacityOutlook(long BytesUsed, double? BytesPerDay, DateTimeOffset? FullAt, CapacityAlert Alert);

/// <summary>Fits growth to samples. Pure.</summary>
public static class CapacityForecast
{
    /// <summary>Samples that lie closer together say more about one night's backup than about growth.</summary>
    public static readonly TimeSpan SpanMin = TimeSpan.FromDays(3);

    /// <summary>Older samples are about another time.</summary>
    public static readonly TimeSpan SpanMax = TimeSpan.FromDays(90);

    /// <summary>The fit compares all pairs; of more samples than this, evenly spread ones are taken.</summary>
    private const int SamplesMax = 400;

    /// <summary>Warn when it is full within this time: long enough to order disks.</summary>
    public static readonly TimeSpan WarningAhead = TimeSpan.FromDays(60);

    /// <summary>Critical when it is full within this time.</summary>
    public static readonly TimeSpan CriticalAhead = TimeSpan.FromDays(14);

    /// <summary>Warn above this share of the limit.</summary>
    public const double WarningShare = 0.8;

    /// <summary>Critical above this share of the limit.</summary>
    public const double CriticalShare = 0.95;

    /// <summary>The outlook as of now.</summary>
    /// <param name="now">The clock.</param>
    /// <param name="samples">In any order; those of the future are ignored.</param>
    /// <param name="bytesLimit">When it is full; null when it never is.</param>
    public static CapacityOutlook Of(DateTimeOffset now, IReadOnlyCollection<CapacitySample> samples, long? bytesLimit)
    {
        var recent = samples.Where(s => s.At <= now && now - s.At <= SpanMax).OrderBy(s => s.At).ToArray();
        var used = samples.Where(s => s.At <= now).MaxBy(s => s.At)?.BytesUsed ?? 0;
        var growth = recent.Length >= 3 && recent[^1].At - recent[0].At >= SpanMin ? Slope(Thin(recent)) : (double?)null;
        if (bytesLimit is not { } limit)
        {
            return new CapacityOutlook(used, growth, null, CapacityAlert.None);
        }

        var daysLeft = used >= limit ? 0 : growth > 0 ? (limit - used) / growth.Value : double.PositiveInfinity;
        // Beyond ten years nobody plans disks, and dates far beyond that cannot be written.
        DateTimeOffset? fullAt = daysLeft <= 3650 ? now + TimeSpan.FromDays(daysLeft) : null;
        var share = (double)used / limit;
        var alert = share >= CriticalShare || daysLeft <= CriticalAhead.TotalDays ? CapacityAlert.Critical
            : share >= WarningShare || daysLeft <= WarningAhead.TotalDays ? CapacityAlert.Warning
            : CapacityAlert.None;
        return new CapacityOutlook(used, growth, fullAt, alert);
    }

    /// <summary>
    /// The median of the slopes between all pairs of samples (Theil–Sen), in bytes per day: a prune or a one-time import does not
    /// bend it, as long as it touches less than about a quarter of the samples.
    /// </summary>
    private static double Slope(CapacitySample[] samples)
    {
        var slopes = new List<double>(samples.Length * samples.Length / 2);
        for (var i = 0; i < samples.Length; i++)
        {
            for (var j = i + 1; j < samples.Length; j++)
            {
                var days = (samples[j].At - samples[i].At).TotalDays;
                if (days > 0)
                {
                    slopes.Add((samples[j].BytesUsed - (double)samples[i].BytesUsed) / days);
                }
            }
        }

        slopes.Sort();
        var middle = slopes.Count / 2;
        return slopes.Count % 2 == 1 ? slopes[middle] : (slopes[middle - 1] + slopes[middle]) / 2;
    }

    private static CapacitySample[] Thin(CapacitySample[] samples)
    {
        var step = (samples.Length + SamplesMax - 1) / SamplesMax;
        return [.. samples.Where((_, i) => i % step == 0)];
    }
}
