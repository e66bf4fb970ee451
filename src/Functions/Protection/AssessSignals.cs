using Backup.Catalog;
using Backup.Catalog.Signals;
using Backup.Policy;
using Backup.Policy.Signals;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Protection;

/// <summary>A run whose recovery point is to be compared with the asset's history.</summary>
public sealed record SignalsRequest(string Run, string Asset, string RecoveryPoint);

/// <summary>Compares a run with the asset's own history, and freezes retention when it looks like ransomware at work.</summary>
/// <param name="signals">History, and where it is recorded.</param>
public sealed class AssessSignals(SignalStore signals)
{
    /// <summary>Safe to repeat: a run's verdict is recorded once.</summary>
    /// <returns>True when the run froze its asset.</returns>
    [Function(nameof(AssessSignals))]
    public async Task<bool> RunAsync([ActivityTrigger] SignalsRequest request, CancellationToken cancel)
    {
        if (await signals.HistoryAsync(new RecoveryPointId(request.RecoveryPoint), cancel).ConfigureAwait(false) is not var (run, history))
        {
            return false;
        }

        var verdict = RansomwareSignals.Assess(run, history);
        await signals.RecordAsync(new(request.Run), new AssetName(request.Asset), verdict, "orchestration", cancel).ConfigureAwait(false);
        return verdict.Freezes;
    }
}
