namespace Backup.Policy.Signals;

/// <summary>What one run says about how an asset's data behaves.</summary>
/// <param name="BytesRead">Bytes read from the source.</param>
/// <param name="BytesNew">Of these, bytes the vault did not have: what changed.</param>
/// <param name="BytesStored">What the new bytes became after compression; encrypted data does not shrink.</param>
/// <param name="FilesTotal">Entries in the snapshot.</param>
public sealed record RunStatistics(long BytesRead, long BytesNew, long BytesStored, long FilesTotal)
{
    /// <summary>The share of the asset that is new, 0 to 1.</summary>
    public double ChangeShare => BytesRead == 0 ? 0 : Math.Min(1, (double)BytesNew / BytesRead);

    /// <summary>What a new byte costs in the vault: near 1 for random-looking (encrypted) data; null when nothing is new.</summary>
    public double? StoredPerNew => BytesNew == 0 ? null : (double)BytesStored / BytesNew;
}

/// <summary>What was noticed.</summary>
public enum SignalKind
{
    /// <summary>New data no longer compresses although the asset's new data always did: it looks encrypted.</summary>
    Entropy,

    /// <summary>Nearly everything is new although nearly everything used to be known: deduplication has collapsed.</summary>
    DeduplicationCollapse,

    /// <summary>Far more changed than ever does.</summary>
    ChangeRate,

    /// <summary>A large part of the files is gone.</summary>
    DeletionRate,
}

/// <summary>One thing that was noticed.</summary>
/// <param name="Kind">What.</param>
/// <param name="Value">What this run shows.</param>
/// <param name="Usual">What the asset's own history shows: the median.</param>
public sealed record Signal(SignalKind Kind, double Value, double Usual);

/// <summary>What a run's statistics amount to.</summary>
/// <param name="Signals">What was noticed.</param>
/// <param name="Freezes">True: retention and pruning stop for the asset until a person has looked.</param>
public sealed record SignalVerdict(IReadOnlyList<Signal> Signals, bool Freezes);

/// <summary>Compares a run with the asset's own history. Pure.</summary>
public static class RansomwareSignals
{
    /// <summary>With fewer runs nobody knows what is usual: the first backup of anything is all new.</summary>
    public const int HistoryMin = 5;

    /// <summary>Runs that are looked back at.</summary>
    public const int HistoryMax = 30;

    /// <summary>A new byte that costs this much looks random.</summary>
    public const double EntropyStoredPerNew = 0.97;

    /// <summary>…if new bytes of this asset usually cost no more than this.</summary>
    public const double EntropyUsualMax = 0.85;

    /// <summary>Less new data than this share of the asset says nothing about its entropy: one added archive is incompressible too.</summary>
    public const double EntropyChangeMin = 0.05;

    /// <summary>Deduplication has collapsed when this share is new…</summary>
    public const double CollapseShare = 0.7;

    /// <summary>…and no more than this usually is.</summary>
    public const double CollapseUsualMax = 0.3;

    /// <summary>The change rate is strange at this many times the usual…</summary>
    public const double ChangeTimes = 10;

    /// <summary>…and at least this share.</summary>
    public const double ChangeShareMin = 0.2;

    /// <summary>This share of the files gone since the run before is strange.</summary>
    public const double DeletionShare = 0.3;

    /// <summary>Assets with fewer files come and go.</summary>
    public const long DeletionFilesMin = 50;

    /// <summary>The verdict on a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="history">The asset's runs before it, newest first; runs that were themselves frozen on should be left out.</param>
    public static SignalVerdict Assess(RunStatistics run, IReadOnlyList<RunStatistics> history)
    {
        if (history.Count < HistoryMin)
        {
            return new SignalVerdict([], Freezes: false);
        }

        var recent = history.Take(HistoryMax).ToArray();
        var signals = new List<Signal>();
        var change = Median(recent.Select(r => r.ChangeShare));
        var stored = recent.Select(r => r.StoredPerNew).OfType<double>().ToArray();
        if (stored.Length >= HistoryMin && run.StoredPerNew is { } cost && Median(stored) is var usual
            && cost >= EntropyStoredPerNew && usual <= EntropyUsualMax && run.ChangeShare >= EntropyChangeMin)
        {
            signals.Add(new Signal(SignalKind.Entropy, cost, usual));
        }

        if (run.ChangeShare >= CollapseShare && change <= CollapseUsualMax)
        {
            signals.Add(new Signal(SignalKind.DeduplicationCollapse, run.ChangeShare, change));
        }
        else if (run.ChangeShare >= ChangeShareMin && run.ChangeShare >= change * ChangeTimes)
        {
            signals.Add(new Signal(SignalKind.ChangeRate, run.ChangeShare, change));
        }

        var files = recent[0].FilesTotal;
        if (files >= DeletionFilesMin && run.FilesTotal <= files * (1 - DeletionShare))
        {
            signals.Add(new Signal(SignalKind.DeletionRate, 1 - ((double)run.FilesTotal / files), 0));
        }

        // A higher change rate alone is a busy week: it is reported, and stops nothing.
        return new SignalVerdict(signals, Freezes: signals.Any(s => s.Kind is not SignalKind.ChangeRate));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
