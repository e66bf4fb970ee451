namespace Backup.Policy.Scheduling;

/// <summary>An asset that should be backed up now.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="RpoShareUsed">Age of its newest recovery point divided by its RPO; infinite when there is none.</param>
/// <param name="Deadline">When the objective breaks, or broke; null when there never was a recovery point.</param>
public sealed record DueAsset(Asset Asset, double RpoShareUsed, DateTimeOffset? Deadline);

/// <summary>Decides what to back up. Pure: the same policy, clock and facts always give the same answer.</summary>
public static class BackupSchedule
{
    /// <summary>
    /// The assets to start now, most urgent first, at most as many per agent as it has room for. Facts of assets that
    /// the policy does not hold still count against nothing and are ignored; an asset without facts was never backed up.
    /// </summary>
    public static IReadOnlyList<DueAsset> DueAssets(
        PolicyDocument policy, DateTimeOffset now, IReadOnlyCollection<AssetFacts> facts, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        var known = facts.ToDictionary(f => f.Asset);
        var room = policy.Agents.ToDictionary(a => a.Name, a => a.Concurrency);
        foreach (var asset in policy.Assets.Where(a => known.TryGetValue(a.Name, out var f) && f.IsRunning))
        {
            room[asset.Agent]--;
        }

        var due = new List<DueAsset>();
        foreach (var (asset, rpo, fact) in ByUrgency(policy, now, known, margins))
        {
            if (room[asset.Agent] > 0 && IsDue(asset, policy.SiteOf(asset).TimeZone, rpo, now, fact, margins))
            {
                room[asset.Agent]--;
                due.Add(new DueAsset(asset, ShareUsed(fact, rpo, now), fact.LastRecoveryPoint + rpo));
            }
        }

        return due;
    }

    /// <summary>When the asset becomes due if nothing changes and no window interferes; the past when it is due already.</summary>
    public static DateTimeOffset DueAt(AssetFacts fact, TimeSpan rpo, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        if (fact.LastRecoveryPoint is not { } last)
        {
            return DateTimeOffset.MinValue;
        }

        var left = Max(rpo * margins.RpoShareLeft, (fact.LastRunDuration ?? TimeSpan.Zero) * margins.LastDurations);
        return last + Max(rpo - left, rpo * margins.RpoShareBetween);
    }

    /// <summary>How long a failed asset waits for its next attempt.</summary>
    public static TimeSpan WaitAfterFailures(int consecutiveFailures, TimeSpan rpo, SchedulingMargins? margins = null)
    {
        margins ??= SchedulingMargins.Standard;
        if (consecutiveFailures <= 0)
        {
            return TimeSpan.Zero;
        }

        // 2^20 minutes is beyond every cap; without the bound the shift would overflow.
        var wait = margins.FailureWaitMin * (1L << Math.Min(consecutiveFailures - 1, 20));
        return Max(margins.FailureWaitMin, Min(wait, rpo * margins.FailureWaitRpoShareMax));
    }

    private static bool IsDue(Asset asset, TimeZoneInfo zone, TimeSpan rpo, DateTimeOffset now, AssetFacts fact, SchedulingMargins margins)
    {
        if (!asset.Enabled || fact.IsRunning)
        {
            return false;
        }

        if (fact.LastRunEnded is { } ended && now < ended + WaitAfterFailures(fact.ConsecutiveFailures, rpo, margins))
        {
            return false;
        }

        if (asset.Window is not { } window)
        {
            return DueAt(fact, rpo, margins) <= now;
        }

        return window.IsOpen(now, zone)
            && (DueAt(fact, rpo, margins) <= now || IsLastChance(window, zone, rpo, now, fact, margins));
    }

    /// <summary>Waiting for the next opening would break the objective, and the last point is not too fresh to be repeated.</summary>
    private static bool IsLastChance(BackupWindow window, TimeZoneInfo zone, TimeSpan rpo, DateTimeOffset now, AssetFacts fact, SchedulingMargins margins)
    {
        var last = fact.LastRecoveryPoint!.Value;
        return now - last >= rpo * margins.RpoShareBetween
            && window.NextOpening(now, zone) + (fact.LastRunDuration ?? TimeSpan.Zero) > last + rpo;
    }

    private static IEnumerable<(Asset Asset, TimeSpan Rpo, AssetFacts Fact)> ByUrgency(
        PolicyDocument policy, DateTimeOffset now, Dictionary<AssetName, AssetFacts> known, SchedulingMargins margins) =>
        policy.Assets
            .Select(asset => (Asset: asset, policy.ServiceClassOf(asset).Rpo))
            .Select(a => (a.Asset, a.Rpo, Fact: Believable(known.GetValueOrDefault(a.Asset.Name) ?? AssetFacts.None(a.Asset.Name), a.Rpo, now, margins)))
            .OrderByDescending(a => ShareUsed(a.Fact, a.Rpo, now))
            .ThenBy(a => a.Rpo)
            .ThenBy(a => a.Asset.Name.Value, StringComparer.Ordinal);

    /// <summary>A point far in the future was made by a clock that was wrong; believing it would stop backups until that day.</summary>
    private static AssetFacts Believable(AssetFacts fact, TimeSpan rpo, DateTimeOffset now, SchedulingMargins margins)
    {
        var latest = now + (rpo * margins.RpoShareBetween);
        return fact with
        {
            LastRecoveryPoint = fact.LastRecoveryPoint > latest ? null : fact.LastRecoveryPoint,
            LastRunEnded = fact.LastRunEnded > latest ? null : fact.LastRunEnded,
        };
    }

    private static double ShareUsed(AssetFacts fact, TimeSpan rpo, DateTimeOffset now) =>
        fact.LastRecoveryPoint is { } last ? (now - last) / rpo : double.PositiveInfinity;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
